"""A zip archive: its members come back as parts, which the caller treats as documents of their own."""

from __future__ import annotations

from rag.documents import Parsed, Part
from rag.errors import EmptyDocument
from rag.ingest.parse.draft import one_line
from rag.ingest.parse.media import media_type_of
from rag.ingest.parse.zipped import Archive


class ZipParser:
    """Members as parts; the text is the list of their names."""

    fingerprint = "zip"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        from rag.ingest.parse.draft import Draft

        archive = Archive(body)
        draft = Draft()
        for member in archive.names:
            data = archive.read(member)
            label = part_name(member)
            draft.parts.append(Part(name=label, media_type=media_type_of(label, data[:8192]), body=data))
        if not draft.parts:
            raise EmptyDocument("empty: no file in the archive")
        draft.paragraph("\n".join(part.name for part in draft.parts))
        return draft.parsed()


def part_name(name: str) -> str:
    """A member's or attachment's name as a label: no way up, no root, no control or direction characters."""
    cleaned = "".join(
        char
        for char in one_line(name.replace("\\", "/"))
        if char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    steps = [step for step in cleaned.split("/") if step not in ("", ".", "..")]
    return "/".join(steps)[-255:] or "unnamed"
