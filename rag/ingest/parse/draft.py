"""Blocks of text on their way to a `Parsed`: every parser writes into a `Draft`, which keeps the promises of the type.

Text is NFC with "\\n" newlines and without control characters; sections are in order, do not overlap and cover all text
but white space. A heading opens a section and stays in its text; a table is a section of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from rag.documents import Hidden, Parsed, Part, Section, Span
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.parse.concealed import plain, revealed, told, with_smuggled
from rag.ingest.parse.dates import credible
from rag.text.language import language_of

_SPACES = re.compile(r"[ \t\v\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_SPACED_NEWLINE = re.compile(r" ?\n ?")
_MANY_NEWLINES = re.compile(r"\n{3,}")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)
_NOBODY = frozenset("python-docx openpyxl anonymous unknown unbekannt author autor user admin".split())
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """One stretch of text as the index wants it: NFC, plain spaces, no control or invisible characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\x85", "\n")
    text = text.replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = _SURROGATES.sub("\ufffd", _INVISIBLE.sub("", text))
    text = _SPACED_NEWLINE.sub("\n", _SPACES.sub(" ", text))
    return _MANY_NEWLINES.sub("\n\n", unicodedata.normalize("NFC", text)).strip()


def clean_verbatim(text: str) -> str:
    """Like `clean`, but indentation and runs of spaces stay: for code."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").expandtabs(4)
    text = _SURROGATES.sub("\ufffd", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text).strip("\n")


def one_line(text: str) -> str:
    """Cleaned text without any line break: a heading, a cell."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(clean(text).split())


def _person(author: str | None) -> str | None:
    """Who wrote it, unless that is the name of a program or nobody's."""
    name = one_line(author or "")[:300]
    return name if name and name.lower().strip("()") not in _NOBODY else None


def pipe_table(rows: Iterable[Sequence[str]]) -> str:
    """A Markdown pipe table of cells without line breaks, the first row as its header; "" if every cell is empty.

    Empty rows and columns are left out, short rows filled up. A pipe inside a cell is written ``\\|``.
    """
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    cells = [row + [""] * (width - len(row)) for row in cells]
    kept = [i for i in range(width) if any(row[i] for row in cells)]
    lines = ["| " + " | ".join(row[i] for i in kept) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(kept), *lines[1:]])


@dataclass(slots=True)
class _Piece:
    headings: tuple[str, ...]
    page: int | None
    table: bool
    blocks: list[str] = field(default_factory=list)


class Draft:
    """Collects headings, paragraphs and tables in reading order.

    `page` applies to what follows, until set again. Headings nest by level: a level 2 closes earlier levels >= 2.
    More than `max_text_chars` is refused as soon as it is known; the child sets it for all that it reads.
    """

    max_text_chars: ClassVar[int] = 20_000_000

    def __init__(self) -> None:
        self.page: int | None = None
        self.title: str | None = None
        self.author: str | None = None
        self.created_at: datetime | None = None
        self.modified_at: datetime | None = None
        self.parts: list[Part] = []
        self.notes: list[str] = []
        self._path: list[tuple[int, str]] = []
        self._pieces: list[_Piece] = []
        self._chars = 0

    @property
    def headings(self) -> tuple[str, ...]:
        """The heading path at this point, outermost first."""
        return tuple(text for _, text in self._path)

    def heading(self, text: str, level: int = 1) -> None:
        """Open a section under `text`; `level` counts from 1, outermost."""
        text = one_line(with_smuggled(text))
        if not text:
            return
        self.close_headings(level)
        self._path.append((level, plain(text)))
        self._pieces.append(_Piece(self.headings, self.page, False, [text]))

    def close_headings(self, level: int = 1) -> None:
        """Leave every heading of `level` and deeper."""
        self._path = [(known, text) for known, text in self._path if known < level]

    def paragraph(self, text: str) -> None:
        """A paragraph, its sentences without line breaks unless `text` has them on purpose (a list, a poem)."""
        self._add(clean(with_smuggled(text)), table=False)

    def verbatim(self, text: str) -> None:
        """A stretch whose line breaks and indentation mean something."""
        self._add(clean_verbatim(with_smuggled(text)), table=False)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Rows of cells, the header first. A table of one column or one row is written as paragraphs."""
        kept = [[one_line(with_smuggled(cell)) for cell in row] for row in rows]
        kept = [row for row in kept if any(row)]
        filled = [[cell for cell in row if cell] for row in kept]
        if len(kept) < 2 or max(map(len, filled), default=0) < 2:
            for row in filled:
                self.paragraph(" | ".join(row))
            return
        self._add(pipe_table(kept), table=True)

    def expect(self, chars: int) -> None:
        """Say that so many more will come.

        Raises:
            UnreadableDocument: that is more than a document may have.
        """
        if self._chars + chars > self.max_text_chars:
            raise UnreadableDocument(f"over the limit of {self.max_text_chars:,} characters of text")

    def _add(self, text: str, *, table: bool) -> None:
        if not plain(text).strip():
            return
        self.expect(len(text))
        self._chars += len(text)
        last = self._pieces[-1] if self._pieces else None
        if last is None or table or last.table or last.page != self.page or last.headings != self.headings:
            last = _Piece(self.headings, self.page, table)
            self._pieces.append(last)
        last.blocks.append(text)

    @property
    def empty(self) -> bool:
        """Whether there is no letter or digit in it yet."""
        return not any(char.isalnum() for piece in self._pieces for block in piece.blocks for char in block)

    def parsed(self) -> Parsed:
        """The finished document.

        Raises:
            EmptyDocument: no letter or digit in it, and no parts.
        """
        if self.empty and not self.parts:
            raise EmptyDocument("no text in it")
        texts, sections, hidden, start = list[str](), [], list[Hidden](), 0
        for piece in self._pieces:
            text, found = revealed("\n\n".join(piece.blocks), start=start)
            texts.append(text)
            hidden += found
            span = Span(start=start, end=start + len(text))
            sections.append(Section(span=span, headings=piece.headings, page=piece.page, table=piece.table))
            start += len(text) + 2
        text = "\n\n".join(texts)
        first = next((piece.headings[0] for piece in self._pieces if piece.headings), None)
        return Parsed(
            text=text,
            sections=tuple(sections),
            title=one_line(plain(self.title or ""))[:300] or first,
            language=language_of(text),
            author=_person(self.author),
            created_at=credible(self.created_at),
            modified_at=credible(self.modified_at),
            parts=tuple(self.parts),
            notes=(*self.notes, *told(hidden)),
            hidden=tuple(hidden),
        )
