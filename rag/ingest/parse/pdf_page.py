"""What stands on a PDF page and where, through pdfium: words in the order of the file, ruled lines, pictures."""

from __future__ import annotations

import contextlib
import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rag.ingest.parse.page import Page, Segment, rows_of

_BOLD: Final = re.compile(r"bold|black|heavy|semibold|demi", re.I)
_BOLD_WEIGHT: Final = 600
_CELL_GAP: Final = 1.35  # in font sizes: wider than any space in justified text
_HYPHENS: Final = "\ufffe\x02"


def read_page(page: Any, number: int) -> Page:
    """Read one pypdfium2 page."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    turn = _Turn(page.get_rotation(), width, height)
    text_page = page.get_textpage()
    try:
        segments = list(_segments(_characters(text_page.raw, pdfium, turn)))
    finally:
        text_page.close()
    read = Page(number=number, width=width, height=height, rows=rows_of(segments))
    for kind, box in _objects(page, pdfium):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            read.pictures.append(turn.box(*box))
        else:
            read.rulings.append(turn.box(*box))
    return read


@dataclass(slots=True)
class _Turn:
    """From PDF coordinates (bottom left, unrotated) to what is displayed (top left)."""

    degrees: int
    width: float
    height: float

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        if self.degrees == 90:
            return bottom, left, top, right
        if self.degrees == 180:
            return self.width - right, bottom, self.width - left, top
        if self.degrees == 270:
            return self.width - top, self.height - right, self.width - bottom, self.height - left
        return left, self.height - top, right, self.height - bottom


@dataclass(slots=True)
class _Character:
    char: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool
    upright: bool


def _characters(text: Any, pdfium: Any, turn: _Turn) -> Iterator[_Character | None]:
    """The characters in the order of the file; None where a word ends. Fonts are asked for once a word."""
    box = pdfium.FS_RECTF()
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    size, bold, upright, fresh = 0.0, False, True, True
    for index in range(pdfium.FPDFText_CountChars(text)):
        code = pdfium.FPDFText_GetUnicode(text, index)
        char = "-" if chr(code) in _HYPHENS else chr(code)
        if code == 0 or char.isspace():
            fresh = True
            yield None
            continue
        if not pdfium.FPDFText_GetLooseCharBox(text, index, ctypes.byref(box)):
            continue
        if fresh:
            written = pdfium.FPDFText_GetFontInfo(text, index, name, 128, ctypes.byref(flags))
            weight = pdfium.FPDFText_GetFontWeight(text, index)
            bold = weight >= _BOLD_WEIGHT or (
                written > 0 and _BOLD.search(name.value.decode("utf-8", "replace")) is not None
            )
            angle = math.degrees(pdfium.FPDFText_GetCharAngle(text, index)) + turn.degrees
            upright = min(angle % 180, 180 - angle % 180) < 30
            fresh = False
        left, top, right, bottom = turn.box(box.left, box.bottom, box.right, box.top)
        size = bottom - top if upright else right - left
        yield _Character(char, left, top, right, bottom, size, bold, upright)


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
            current.left, current.right = min(current.left, character.left), max(current.right, character.right)
            current.top, current.bottom = min(current.top, character.top), max(current.bottom, character.bottom)
            current.bold = current.bold and character.bold
            votes = votes + 1 if abs(current.size - character.size) < 0.3 else votes - 1
            if votes < 0:
                current.size, votes = character.size, 0
        else:
            if current is not None:
                yield current
            current = Segment(
                character.char, character.left, character.right, character.top, character.bottom, character.size,
                character.bold, character.upright,
            )  # fmt: skip
            votes = 0
        space = False
    if current is not None:
        yield current


def _continues(segment: Segment, character: _Character) -> bool:
    if segment.upright != character.upright:
        return False
    if not segment.upright:
        return abs(segment.left - character.left) < segment.size
    overlap = min(segment.bottom, character.bottom) - max(segment.top, character.top)
    smaller = min(segment.bottom - segment.top, character.bottom - character.top)
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
