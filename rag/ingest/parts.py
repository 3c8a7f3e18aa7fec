"""The documents inside a document: a mail's attachments, an archive's members, each with a name of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from rag.documents import DocumentId, Part, RawDocument


def parts_of(raw: RawDocument, parts: Sequence[Part], *, keys: Mapping[DocumentId, str]) -> list[RawDocument]:
    """The parts of a container as documents, ``mail.eml!/offer.pdf``, with its rights; `keys` holds those known."""
    made: list[RawDocument] = []
    for part in parts:
        own = _unused(part.name, made, raw.ref.id)
        name = DocumentId(f"{raw.ref.id}!/{own}")
        ref = replace(raw.ref, id=name, key=keys.get(name, ""), version=hashlib.sha256(part.body).hexdigest())
        made.append(
            RawDocument(
                ref=ref,
                title=own,
                uri=f"{raw.uri}!/{quote(own)}",
                media_type=part.media_type if part.media_type != "application/octet-stream" else "",
                modified_at=raw.modified_at,
                body=part.body,
            )
        )
    return made


def _unused(name: str, made: Sequence[RawDocument], parent: DocumentId) -> str:
    """A part's name below its container, numbered where two parts share one."""
    clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name).strip() or "unnamed"
    taken = {raw.ref.id for raw in made}
    candidate, number = clean, 2
    while f"{parent}!/{candidate}" in taken:
        candidate, number = f"{number}-{clean}", number + 1
    return candidate
