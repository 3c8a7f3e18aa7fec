"""What goes over the pipes between the pool and its child: a length, a JSON header, raw bytes.

Never pickle: a compromised child may lie about a document, it must not run code in the parent. The parent checks what
comes back as it would check any input from outside.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rag.documents import Hidden, Hiding, Parsed, Part, Section, Span
from rag.ingest.parse.dates import credible

PREFIX: Final = struct.Struct("!IQ")  # length of the header, length of the raw bytes that follow it
MAX_HEADER_BYTES: Final = 1 << 30


class Garbled(ValueError):
    """A message that breaks the protocol."""


def frame(header: Mapping[str, Any], *bodies: bytes) -> list[bytes]:
    """A message as buffers to write in order."""
    encoded = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return [PREFIX.pack(len(encoded), sum(map(len, bodies))), encoded, *bodies]


def encode(parsed: Parsed) -> list[bytes]:
    """A result as a message."""
    header = {
        "ok": True,
        "text": parsed.text,
        "sections": [[s.span.start, s.span.end, list(s.headings), s.page, s.table] for s in parsed.sections],
        "title": parsed.title,
        "language": parsed.language,
        "author": parsed.author,
        "created_at": parsed.created_at.isoformat() if parsed.created_at else None,
        "modified_at": parsed.modified_at.isoformat() if parsed.modified_at else None,
        "notes": list(parsed.notes),
        "hidden": [[h.span.start, h.span.end, h.why.value] for h in parsed.hidden],
        "parts": [[part.name, part.media_type, len(part.body)] for part in parsed.parts],
    }
    return frame(header, *(part.body for part in parsed.parts))


def decode(header: Mapping[str, Any], raw: bytes) -> Parsed:
    """The result in a message.

    Raises:
        Garbled: a field is missing, of the wrong type, or spans and lengths do not fit.
    """
    try:
        text = _string(header["text"])
        parts, at = [], 0
        for name, media_type, size in header["parts"]:
            if not isinstance(size, int) or size < 0 or at + size > len(raw):
                raise Garbled("a part is longer than the message")
            parts.append(Part(name=_string(name), media_type=_string(media_type), body=raw[at : at + size]))
            at += size
        return Parsed(
            text=text,
            sections=_sections(header["sections"], len(text)),
            title=_optional(header["title"]),
            language=_optional(header["language"]),
            author=_optional(header["author"]),
            created_at=_moment(header["created_at"]),
            modified_at=_moment(header["modified_at"]),
            parts=tuple(parts),
            notes=tuple(_string(note) for note in header["notes"]),
            hidden=_hidden(header["hidden"], len(text)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled(str(error)) from error


def _sections(rows: Any, length: int) -> tuple[Section, ...]:
    sections, end = [], 0
    for start, stop, headings, page, table in rows:
        if not (isinstance(start, int) and isinstance(stop, int) and end <= start <= stop <= length):
            raise Garbled("sections out of order")
        if not (page is None or (isinstance(page, int) and page > 0)):
            raise Garbled("a page that is no page")
        end = stop
        path = tuple(_string(heading) for heading in headings)
        sections.append(Section(span=Span(start=start, end=stop), headings=path, page=page, table=bool(table)))
    return tuple(sections)


def _hidden(rows: Any, length: int) -> tuple[Hidden, ...]:
    found = []
    for start, stop, why in rows:
        if not (isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop <= length):
            raise Garbled("a hidden stretch outside the text")
        found.append(Hidden(span=Span(start=start, end=stop), why=Hiding(why)))
    return tuple(found)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Garbled("not a text")
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _string(value)


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(_string(value))
    if moment.tzinfo is None:
        raise Garbled("a date without its zone")
    try:
        return credible(moment.astimezone(UTC))
    except OverflowError as error:
        raise Garbled("a date out of range") from error
