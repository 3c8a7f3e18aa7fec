"""Where a stretch of a document's text stands among the characters of a page. Pure.

The text was laid out from that page: hyphens at line ends were taken out, ligatures spelled out, columns put in order,
bullets and table rules written in another way. So both sides are compared by letters and digits alone, and where they
do not agree as a whole, by the longest pieces that do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, NamedTuple

_PIECE: Final = 12  # letters that stand together by more than chance
_EDGE: Final = 24  # the part of a sentence that a page break left here
_ENOUGH: Final = 0.6
_MOST_QUOTED: Final = 3000
_MOST_ON_A_PAGE: Final = 30_000
_MOST_COMPARED: Final = 6_000_000  # letters of one times letters of the other
_AROUND: Final = 120
_GAP: Final = 2.5  # in heights of a line: what stands further apart is another column


class Glyph(NamedTuple):
    """One character and the box it stands in, in points from the top left of the page as displayed."""

    char: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One box a line, in the order of the page's characters; `share` of the text's letters lie in them."""

    boxes: tuple[Glyph, ...]
    share: float


NOWHERE: Final = Located(boxes=(), share=0.0)


def locate(glyphs: Sequence[Glyph], quote: str, *, around: tuple[str, str] = ("", "")) -> Located:
    """Where the quote stands; `around` is the text before and after it, by which one of several places is chosen."""
    wanted = _letters(quote)[:_MOST_QUOTED]
    page, origin = list[str](), list[int]()
    for place, glyph in enumerate(glyphs[:_MOST_ON_A_PAGE]):
        letters = _letters(glyph.char)
        page += letters
        origin += [place] * len(letters)
    if not wanted or not page:
        return NOWHERE
    ranges = _ranges("".join(page), wanted, around)
    if not ranges:
        return NOWHERE
    held = [glyph for start, end in ranges for glyph in glyphs[origin[start] : origin[end - 1] + 1]]
    share = sum(end - start for start, end in ranges) / len(wanted)
    return Located(boxes=tuple(_lines(held)), share=min(1.0, share))


def _ranges(page: str, wanted: str, around: tuple[str, str]) -> list[tuple[int, int]]:
    """Stretches of the page's letters, in order."""
    starts = list(_everywhere(page, wanted))
    if starts:
        before, after = map(_letters, around)
        best = max(starts, key=lambda start: _agreement(page, start, start + len(wanted), before, after))
        return [(best, best + len(wanted))]
    if len(page) * len(wanted) > _MOST_COMPARED:
        return []
    blocks = SequenceMatcher(None, wanted, page, autojunk=False).get_matching_blocks()
    pieces = [block for block in blocks if block.size >= _PIECE]
    found = sum(block.size for block in pieces)
    edge = any(block.size >= _EDGE and (block.a == 0 or block.a + block.size == len(wanted)) for block in pieces)
    if found < _ENOUGH * len(wanted) and not edge:
        return []
    return [(block.b, block.b + block.size) for block in pieces]


def _everywhere(page: str, wanted: str) -> Iterator[int]:
    start = page.find(wanted)
    while start >= 0:
        yield start
        start = page.find(wanted, start + 1)


def _agreement(page: str, start: int, end: int, before: str, after: str) -> int:
    """How many letters beside this place are those beside the quote."""
    left = _common(page[max(0, start - _AROUND) : start][::-1], before[-_AROUND:][::-1])
    return left + _common(page[end : end + _AROUND], after[:_AROUND])


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _letters(text: str) -> str:
    """Letters and digits as they are compared: without case, accents and ligatures."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in folded if letter.isalnum())


def _lines(glyphs: Sequence[Glyph]) -> Iterator[Glyph]:
    """The characters' boxes, joined line by line."""
    current: Glyph | None = None
    for glyph in glyphs:
        if current is not None and _beside(current, glyph):
            current = Glyph(
                current.char + glyph.char,
                min(current.left, glyph.left),
                min(current.top, glyph.top),
                max(current.right, glyph.right),
                max(current.bottom, glyph.bottom),
            )
            continue
        if current is not None:
            yield current
        current = glyph
    if current is not None:
        yield current


def _beside(line: Glyph, glyph: Glyph) -> bool:
    """Whether a character goes on with a line: on its height and not far off. One that runs upwards or downwards grows
    in its own breadth."""
    height = max(1.0, min(line.bottom - line.top, glyph.bottom - glyph.top))
    if min(line.bottom, glyph.bottom) - max(line.top, glyph.top) > 0.5 * height:
        return max(glyph.left - line.right, line.left - glyph.right) < _GAP * height
    breadth = max(1.0, min(line.right - line.left, glyph.right - glyph.left))
    upright = len(line.char) > 1 and line.right - line.left > line.bottom - line.top
    return (
        not upright
        and min(line.right, glyph.right) - max(line.left, glyph.left) > 0.8 * breadth
        and max(glyph.top - line.bottom, line.top - glyph.bottom) < 1.5 * breadth
    )
