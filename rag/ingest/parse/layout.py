"""Rows on pages to headings, paragraphs and tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rag.documents import Hiding
from rag.ingest.parse.concealed import concealed
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.grid import Grid, grids
from rag.ingest.parse.headings import MAX_CHARS, numbered_level
from rag.ingest.parse.lines import join, join_two
from rag.ingest.parse.page import Page, Row

_MARGIN: Final = 0.11
_REPEATS: Final = 3
_PAGE_NUMBER: Final = re.compile(
    r"(?:(?:seite|page|s\.|p\.)\s*)?[-–|]?\s*\d{1,4}\s*(?:(?:von|of|/)\s*\d{1,4})?\s*[-–|]?", re.I
)
_ITEM: Final = re.compile(r"(?:[-–•*▪◦●○■□☐\uf0b7\uf0a7o]|\(?\d{1,3}[.)]|\(?[a-z]{1,2}\)|\(\d{1,3}\))\s+\S")
_BULLET: Final = re.compile(r"^[•*▪◦●○■\uf0b7\uf0a7]\s+")
_LEADER: Final = "…"
_DOTS: Final = re.compile(r"(?:\s?[.·_]){6,}\s?")
_SENTENCE: Final = re.compile(r"(?<!\b\w)(?<!\b\w\w)(?<!\d)[.!?]['\"”“»)]?(?:\s+(?=[A-ZÄÖÜ§„\"»(0-9])|$)")
_MAX_TAIL: Final = 400
_LEAST_LINE: Final = 30
_SENTENCE_END: Final = re.compile(r"[.!?:;…]['\"”“»)]?$")


def lay_out(pages: Sequence[Page], draft: Draft, *, numbered: bool = True) -> None:
    """Write the pages' text into a draft, page by page; `numbered` False for a picture, which has no pages."""
    drop_furniture(pages)
    scale = Scale.of(pages)
    laid = [[*_pieces(page, scale)] for page in pages]
    for one, two, above, below in zip(laid, laid[1:], pages, pages[1:], strict=False):
        _bridge(one, two, scale, heights=(above.height, below.height))
    for page, pieces in zip(pages, laid, strict=True):
        draft.page = page.number if numbered else None
        for piece in pieces:
            if isinstance(piece, Table):
                draft.table(piece.rows)
            else:
                _write(draft, piece, scale)
        for picture in page.inserts:
            insert(picture, draft)
        for why, text in _hidden(page):
            draft.paragraph(concealed(text, why))


def _hidden(page: Page) -> Iterator[tuple[Hiding | None, str]]:
    """What nobody sees on a page, a paragraph for each reason in turn."""
    for why, segments in groupby(page.hidden, key=lambda segment: segment.hiding):
        yield why, " ".join(segment.text for segment in segments)


def insert(picture: Page, draft: Draft) -> None:
    """Write the text of a picture where the draft stands: paragraphs and tables, no headings."""
    for piece in _pieces(picture, Scale.of([picture])):
        if isinstance(piece, Table):
            draft.table(piece.rows)
        else:
            draft.paragraph(piece.text)


@dataclass(slots=True)
class Table:
    """A table, as it will be written."""

    grid: Grid
    rows: list[list[str]]


@dataclass(slots=True)
class Paragraph:
    """A paragraph's rows on the page and its text, to which the end of its last sentence may be added."""

    lines: list[Row]
    text: str


def _pieces(page: Page, scale: Scale) -> Iterator[Table | Paragraph]:
    for block in _blocks(page):
        if isinstance(block, Grid):
            yield Table(block, block.rows())
            continue
        for lines in _paragraphs(block, scale):
            text = _DOTS.sub(f" {_LEADER} ", join([_BULLET.sub("- ", row.text) for row in lines]))
            yield Paragraph(lines, text)


def _numbers_the_page(piece: Table | Paragraph) -> bool:
    return isinstance(piece, Paragraph) and _PAGE_NUMBER.fullmatch(piece.text.strip()) is not None


def _bridge(
    above: list[Table | Paragraph], below: list[Table | Paragraph], scale: Scale, *, heights: tuple[float, float]
) -> None:
    """Let a table go on under its header row, and end a sentence where it begins, over a page break."""
    one = next((piece for piece in reversed(above) if not _numbers_the_page(piece)), None)
    two = next((piece for piece in below if not _numbers_the_page(piece)), None)
    if isinstance(one, Table) and isinstance(two, Table):
        reaches = one.grid.lines[-1] > 0.75 * heights[0] and two.grid.lines[0] < 0.25 * heights[1]
        if reaches and one.rows and two.rows and one.grid.continues_in(two.grid) and two.rows[0] != one.rows[0]:
            two.rows.insert(0, one.rows[0])
    elif isinstance(one, Paragraph) and isinstance(two, Paragraph) and _goes_on(one, two, scale):
        end = _SENTENCE.search(two.text)
        if end is not None and end.end() <= _MAX_TAIL:
            one.text = join_two(one.text, two.text[: end.end()].rstrip())
            two.text = two.text[end.end() :]
        elif end is None and len(two.text) <= _MAX_TAIL:
            one.text, two.text = join_two(one.text, two.text), ""


def _goes_on(one: Paragraph, two: Paragraph, scale: Scale) -> bool:
    return (
        not _SENTENCE_END.search(one.text)
        and len(one.text) > _LEAST_LINE
        and two.text[:1].islower()
        and not _ITEM.match(two.text)
        and scale.rank(one.lines[-1]) is None
        and scale.rank(two.lines[0]) is None
        and abs(one.lines[-1].size - two.lines[0].size) < 0.15 * two.lines[0].size
    )


def drop_furniture(pages: Sequence[Page]) -> None:
    """Take off running headers, footers and page numbers: what stands in a margin, alike, on three pages or more."""
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update({_alike(row) for row in page.rows if _in_margin(page, row)})
    for page in pages:
        page.rows = [row for row in page.rows if not (_in_margin(page, row) and counts[_alike(row)] >= _REPEATS)]


def _in_margin(page: Page, row: Row) -> bool:
    return row.bottom < _MARGIN * page.height or row.top > (1 - _MARGIN) * page.height


def _alike(row: Row) -> str:
    text = row.text.strip()
    return "#" if _PAGE_NUMBER.fullmatch(text) else re.sub(r"\d+", "#", text)


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of a document's type: its body, and what is larger, largest first."""

    body: float
    larger: tuple[float, ...]
    body_is_bold: bool

    @classmethod
    def of(cls, pages: Sequence[Page]) -> Scale:
        """Weighed by the amount of text."""
        sizes: Counter[float] = Counter()
        bold = plain = 0
        for page in pages:
            for row in page.rows:
                sizes[_step(row.size)] += len(row.text)
                bold, plain = bold + len(row.text) * row.bold, plain + len(row.text) * (not row.bold)
        body = max(sizes, key=lambda size: (sizes[size], -size)) if sizes else 10.0
        return cls(body, tuple(sorted((size for size in sizes if size > 1.12 * body), reverse=True)), bold > plain)

    def rank(self, row: Row) -> int | None:
        """1 for the largest type, one more than there are larger sizes for bold body type, None for body text."""
        if _step(row.size) in self.larger:
            return self.larger.index(_step(row.size)) + 1
        if row.bold and not self.body_is_bold and row.size > 0.9 * self.body:
            return len(self.larger) + 1
        return None


def _step(size: float) -> float:
    return round(size * 2) / 2


def _blocks(page: Page) -> Iterator[Grid | list[Row]]:
    """Tables, and the stretches of rows between them, in the order of the file."""
    tables = grids(page)
    pending: list[Row] = []
    for row in page.rows:
        table = next((table for table in tables if table.holds(row)), None)
        if table is None:
            pending.append(row)
            continue
        if not table.begun:
            table.begun = True
            if pending:
                yield pending
            pending = []
            yield table
    if pending:
        yield pending


def _write(draft: Draft, paragraph: Paragraph, scale: Scale) -> None:
    if not paragraph.text:
        return
    if (level := _heading_level(paragraph.lines, paragraph.text, scale)) is not None:
        draft.heading(paragraph.text, level)
    else:
        draft.paragraph(paragraph.text)


def _paragraphs(rows: list[Row], scale: Scale) -> Iterator[list[Row]]:
    current: list[Row] = []
    for row in rows:
        if current and not _joins(current, row, scale):
            yield current
            current = []
        current.append(row)
    if current:
        yield current


def _joins(above: list[Row], row: Row, scale: Scale) -> bool:
    """Whether a row goes on with the paragraph above it."""
    last = above[-1]
    if scale.rank(last) != scale.rank(row) or abs(last.size - row.size) > 0.15 * last.size:
        return False
    if not (last.segments[0].upright and row.segments[0].upright):
        return False
    if len(row.segments) > 1 or len(last.segments) > 1:
        return False
    height = max(last.bottom - last.top, 1.0)
    gap = row.top - last.bottom
    if gap > 0.75 * height or row.top < last.top - 0.5 * height or _ITEM.match(row.text):
        return _over_the_gap(above, row) and not _ITEM.match(row.text)
    if scale.rank(row) is not None:
        return numbered_level(row.text) is None
    right = max(row.right, *(each.right for each in above))
    if last.right < last.left + 0.55 * (right - last.left) and not row.text[:1].islower():
        return False
    right = max(each.right for each in above)
    short = (
        last.right < right - 0.2 * (right - last.left)
        if len(above) > 1
        else last.right < row.right - 0.25 * (row.right - row.left)
    )
    if _SENTENCE_END.search(last.text) and (
        short or (row.left > last.left + 0.8 * height and not _ITEM.match(above[0].text))
    ):
        return False
    return not (gap > 0.35 * height and _SENTENCE_END.search(last.text))


def _over_the_gap(above: list[Row], row: Row) -> bool:
    """A paragraph that goes on at the top of the next column: cut in the middle of a sentence."""
    last = above[-1]
    return (
        row.bottom < last.top
        and row.left > last.right - 5
        and not _SENTENCE_END.search(last.text)
        and row.text[:1].islower()
    )


def _heading_level(paragraph: list[Row], text: str, scale: Scale) -> int | None:
    """Levels leave room between sizes for the numbering within one size: size rank x 10 + numbering depth."""
    if sum(char.isalpha() for char in text) < 3 or len(text) > 1.5 * MAX_CHARS or len(paragraph) > 3 or _LEADER in text:
        return None
    rank, depth = scale.rank(paragraph[0]), numbered_level(text)
    if rank is None:
        alone = len(paragraph) == 1 and depth is not None and len(text) < 80 and text[:1] == "§"
        return (len(scale.larger) + 1) * 10 + (depth or 1) if alone else None
    if text[-1] in ".,;:" and (rank > len(scale.larger) or len(text) > MAX_CHARS / 2):
        return None
    return rank * 10 + (depth or 1)
