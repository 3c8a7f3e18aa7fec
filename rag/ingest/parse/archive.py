"""Zip and gzip archives: their members come back as parts, which the caller treats as documents of their own."""

from __future__ import annotations

import re
import zlib

from rag.documents import Parsed, Part
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.media import media_type_of
from rag.ingest.parse.zipped import MAX_BYTES, MAX_RATIO, RATIO_FROM_BYTES, Archive


class ZipParser:
    """Members as parts; the text is the list of their names."""

    fingerprint = "zip"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        draft = Draft()
        for member in archive.names:
            data = archive.read(member)
            label = part_name(member)
            draft.parts.append(Part(name=label, media_type=media_type_of(label, data), body=data))
        if not draft.parts:
            raise EmptyDocument("empty: no file in the archive")
        draft.paragraph("\n".join(part.name for part in draft.parts))
        return draft.parsed()


class GzipParser:
    """The one file that is packed in it, as a part."""

    fingerprint = "gzip"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft, data = Draft(), _unpacked(body)
        if not data:
            raise EmptyDocument("empty: no file in the archive")
        stem = re.sub(r"\.(?:gz|gzip)$", "", name.replace("\\", "/").rsplit("/", 1)[-1], flags=re.I)
        label = part_name(re.sub(r"\.tgz$", ".tar", stem, flags=re.I))
        draft.parts.append(Part(name=label, media_type=media_type_of(label, data), body=data))
        draft.paragraph(label)
        return draft.parsed()


def _unpacked(body: bytes) -> bytes:
    limit = min(MAX_BYTES, max(RATIO_FROM_BYTES, MAX_RATIO * len(body)))
    pieces, length, rest = [], 0, body
    try:
        while rest[:2] == b"\x1f\x8b":
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            pieces.append(stream.decompress(rest, limit - length + 1))
            length, rest = length + len(pieces[-1]), stream.unused_data
            if length > limit:
                raise UnreadableDocument(f"a zip bomb: it unpacks to more than {MAX_RATIO} times its size")
            if not stream.eof:
                raise UnreadableDocument("damaged: the archive is cut off")
    except zlib.error as error:
        raise UnreadableDocument("damaged: the archive cannot be unpacked") from error
    return b"".join(pieces)


def part_name(name: str) -> str:
    """A member's or attachment's name as a label: no way up, no root, no control or direction characters."""
    cleaned = "".join(
        char
        for char in one_line(name.replace("\\", "/"))
        if char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    steps = [step for step in cleaned.split("/") if step not in ("", ".", "..")]
    return "/".join(steps)[-255:] or "unnamed"
