"""Plain text: paragraphs at blank lines, hard-wrapped lines joined, numbered or underlined headings."""

from __future__ import annotations

import re
from typing import Final

from rag.documents import Parsed
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.headings import MAX_CHARS, numbered_level
from rag.ingest.parse.lines import join

_UNDERLINE: Final = re.compile(r"([=\-~^*#])\1{2,}\s*")
_ASCIIDOC: Final = re.compile(r"(={1,6})\s+(\S.{0,200})")
_LIST_ITEM: Final = re.compile(r"\s*(?:[-–•*+o]|\(?\d{1,3}[.)]|\(?[a-z]\)|>)\s")
_WRAPPED: Final = (45, 110)


class TextParser:
    """Text in whatever encoding, and program text."""

    fingerprint = "text"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        draft = Draft()
        read_text(draft, decode(body))
        return draft.parsed()


def read_text(draft: Draft, text: str) -> None:
    """Write plain text into a draft."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    for block in re.split(r"\n[ \t]*\n+", text):
        lines = [line for line in block.split("\n") if line.strip()]
        lines = _headline(draft, lines)
        if lines:
            draft.paragraph(unwrap(lines))


def _headline(draft: Draft, lines: list[str]) -> list[str]:
    """Open the section that the first lines name, if they do; what is left of the block."""
    if len(lines) >= 2 and _UNDERLINE.fullmatch(lines[1]) and len(lines[0].strip()) <= MAX_CHARS:
        level = {"=": 1, "#": 1, "*": 1, "-": 2, "~": 3, "^": 4}[lines[1][0]]
        draft.heading(lines[0], level)
        return lines[2:]
    if lines and (title := _ASCIIDOC.fullmatch(lines[0].rstrip())) is not None:
        draft.heading(title.group(2), len(title.group(1)))
        return lines[1:]
    if len(lines) == 1 and (level_found := numbered_level(lines[0].strip())) is not None:
        draft.heading(lines[0], level_found)
        return []
    return lines


def unwrap(lines: list[str]) -> str:
    """Lines that were broken at a width become one run; lists, addresses, verses keep their lines."""
    least, most = _WRAPPED
    wrapped = len(lines) > 1 and all(least <= len(line.rstrip()) <= most for line in lines[:-1])
    if not wrapped:
        return "\n".join(lines)
    return join([line.strip() for line in lines], bullet=_LIST_ITEM)
