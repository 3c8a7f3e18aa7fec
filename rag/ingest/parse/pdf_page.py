"""What stands on a PDF page and where, through pdfium: words in the order of the file, ruled lines, pictures."""

from __future__ import annotations

import contextlib
import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rag.documents import Hiding
from rag.ingest.parse.locate import Glyph
from rag.ingest.parse.page import Page, Segment, rows_of
from rag.ingest.parse.pdf_sight import TINY_POINTS, Ink, Sight

_BOLD: Final = re.compile(r"bold|black|heavy|semibold|demi", re.I)
_BOLD_WEIGHT: Final = 600
_CELL_GAP: Final = 1.35  # in font sizes: wider than any space in justified text
_HYPHENS: Final = "\ufffe\x02"


def read_page(page: Any, number: int, sight: Sight) -> Page:
    """Read one pypdfium2 page; what nobody sees on it goes to `hidden`."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    turn = _Turn(page.get_rotation(), width, height, *_corner(page, width, height))
    text_page = page.get_textpage()
    try:
        segments = list(_segments(_characters(text_page.raw, pdfium, turn)))
    finally:
        text_page.close()
    read = Page(number=number, width=width, height=height, rows=[])
    for kind, box in _objects(page, pdfium):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            read.pictures.append(turn.box(*box))
        else:
            read.rulings.append(turn.box(*box))
    sight.judge(page, segments, read.pictures, size=(width, height))
    read.rows = rows_of([segment for segment in segments if segment.hiding is None])
    read.hidden = [segment for segment in segments if segment.hiding is not None]
    return read


def glyphs_of(page: Any) -> Iterator[Glyph]:
    """The characters of one pypdfium2 page in the order of the file, each where it is displayed."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    turn = _Turn(page.get_rotation(), width, height, *_corner(page, width, height))
    text_page = page.get_textpage()
    try:
        for one in _characters(text_page.raw, pdfium, turn):
            if one is not None:
                yield Glyph(one.char, one.left, one.top, one.right, one.bottom)
    finally:
        text_page.close()


def _corner(page: Any, width: float, height: float) -> tuple[float, float]:
    """Where the lower left corner of what is displayed lies; the origin where the page's boxes contradict its size."""
    left, bottom, right, top = page.get_bbox()
    fits = abs(right - left + top - bottom - width - height) < 1
    return (left, bottom) if fits else (0.0, 0.0)


@dataclass(slots=True)
class _Turn:
    """From PDF coordinates (bottom left, unrotated) to what is displayed (top left)."""

    degrees: int
    width: float
    height: float
    x: float
    y: float
    """Where the page's corner lies in PDF coordinates."""

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        x, y = self.x, self.y
        if self.degrees == 0:
            below = self.height + y
            return left - x, below - top, right - x, below - bottom
        if self.degrees == 90:
            return bottom - y, left - x, top - y, right - x
        beside = self.width + (x if self.degrees == 180 else y)
        if self.degrees == 180:
            return beside - right, bottom - y, beside - left, top - y
        return beside - top, self.height + x - right, beside - bottom, self.height + x - left


class _Character(NamedTuple):
    """One character as displayed; a plain tuple, for a book has a million."""

    char: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool
    upright: bool
    hiding: Hiding | None


def _characters(text: Any, pdfium: Any, turn: _Turn) -> Iterator[_Character | None]:
    """The characters in the order of the file; None where a word ends. Fonts are asked for once a word."""
    box = pdfium.FS_RECTF()
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    size, bold, upright, fresh = 0.0, False, True, True
    ink, hiding = Ink(text, pdfium), None
    unicode, loose_box, here = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox, ctypes.byref(box)
    for index in range(pdfium.FPDFText_CountChars(text)):
        char = chr(unicode(text, index))
        if char == "\0" or char.isspace():
            fresh = True
            yield None
            continue
        if char in _HYPHENS:
            char = "-"
        if not loose_box(text, index, here):
            continue
        if fresh:
            written = pdfium.FPDFText_GetFontInfo(text, index, name, 128, ctypes.byref(flags))
            weight = pdfium.FPDFText_GetFontWeight(text, index)
            bold = weight >= _BOLD_WEIGHT or (
                written > 0 and _BOLD.search(name.value.decode("utf-8", "replace")) is not None
            )
            angle = math.degrees(pdfium.FPDFText_GetCharAngle(text, index)) + turn.degrees
            upright = min(angle % 180, 180 - angle % 180) < 30
            hiding = ink.at(index)
            fresh = False
        left, top, right, bottom = turn.box(box.left, box.bottom, box.right, box.top)
        size = bottom - top if upright else right - left
        why = Hiding.TINY if size < TINY_POINTS and hiding is None else hiding
        yield _Character(char, left, top, right, bottom, size, bold, upright, why)


def _segments(characters: Iterator[_Character | None]) -> Iterator[Segment]:
    """Words that follow each other on one line without a wide gap."""
    current: Segment | None = None
    space, votes = False, 0
    for character in characters:
        if character is None:
            space = True
            continue
        if current is not None and _continues(current, character):
            current.text += (" " if space and not current.text.endswith(" ") else "") + character.char
            _widen(current, character)
            votes = votes + 1 if abs(current.size - character.size) < 0.3 else votes - 1
            if votes < 0:
                current.size, votes = character.size, 0
        else:
            if current is not None:
                yield current
            current = Segment(
                character.char, character.left, character.right, character.top, character.bottom, character.size,
                character.bold, character.upright, character.hiding,
            )  # fmt: skip
            votes = 0
        space = False
    if current is not None:
        yield current


def _widen(segment: Segment, character: _Character) -> None:
    if character.left < segment.left:
        segment.left = character.left
    if character.right > segment.right:
        segment.right = character.right
    if character.top < segment.top:
        segment.top = character.top
    if character.bottom > segment.bottom:
        segment.bottom = character.bottom
    segment.bold = segment.bold and character.bold


def _continues(segment: Segment, character: _Character) -> bool:
    if segment.upright != character.upright or segment.hiding is not character.hiding:
        return False
    if not segment.upright:
        return abs(segment.left - character.left) < segment.size
    above, below, top, bottom = segment.top, segment.bottom, character.top, character.bottom
    overlap = (below if below < bottom else bottom) - (above if above > top else top)
    smaller = min(below - above, bottom - top)
    size = max(segment.size, character.size, 1.0)
    near = -2.0 * size < character.left - segment.right < _CELL_GAP * size or _right_to_left(segment, character)
    return overlap > 0.5 * smaller and near


def _right_to_left(segment: Segment, character: _Character) -> bool:
    arabic = "\u0590" <= character.char <= "\u08ff" or "\ufb1d" <= character.char <= "\ufefc"
    return arabic and abs(segment.left - character.right) < 2 * segment.size


def _objects(page: Any, pdfium: Any) -> Iterator[tuple[int, tuple[float, float, float, float]]]:
    """Pictures and drawn lines or frames, at most 5,000: beyond that it is a drawing, not a table."""
    from pypdfium2 import PdfiumError as pdfium_error  # noqa: N813 - a local name

    wanted = (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH)
    for count, found in enumerate(page.get_objects(filter=wanted, max_depth=4)):
        if count >= 5000:
            return
        with contextlib.suppress(pdfium_error):  # an object without bounds is no line of a table
            yield found.type, found.get_bounds()
