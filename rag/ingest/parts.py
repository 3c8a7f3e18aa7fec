"""The documents inside a document: a mail's attachments, an archive's members, each with a name of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from rag.documents import DocumentId, Part, RawDocument

MOST = 20_000
"""Documents inside one file, at all depths: zips in a zip could unpack to millions."""


class Allowance:
    """How many documents may still be read inside one file."""

    def __init__(self) -> None:
        self._most = self._left = MOST

    def within(self, parts: Sequence[Part]) -> tuple[Sequence[Part], tuple[str, ...]]:
        """Those that may be read, and a note if it is not all of them."""
        fitting = parts[: self._left]
        self._left -= len(fitting)
        if len(fitting) == len(parts):
            return parts, ()
        note = f"{len(parts) - len(fitting):,} documents inside left out: more than {self._most:,} in one file"
        return fitting, (note,)


def parts_of(raw: RawDocument, parts: Sequence[Part], *, keys: Mapping[DocumentId, str]) -> list[RawDocument]:
    """The parts of a container as documents, ``mail.eml!/offer.pdf``, with its rights; `keys` holds those known."""
    made: list[RawDocument] = []
    names = _Names()
    for part in parts:
        own = names.unused(part.name)
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


class _Names:
    """The names of a container's parts, numbered where two share one."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def unused(self, name: str) -> str:
        clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name).strip() or "unnamed"
        candidate, number = clean, self._next.get(clean, 2)
        while candidate in self._taken:
            candidate, number = f"{number}-{clean}", number + 1
        self._taken.add(candidate)
        self._next[clean] = number
        return candidate
