"""Whether what stands on a PDF page can be seen: ink, size and place of its words, and, where colour must decide, what
the page looks like when it is drawn.

The text layer under a scan is invisible by design: it lies on the picture it was read from, and little that is seen
lies there with it. White text is judged by the drawn page alone, so whatever makes the ground dark counts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rag.documents import Hiding
from rag.ingest.parse.page import Segment

TINY_POINTS: Final = 2.0
_PALE: Final = 230
"""Of each channel of an ink that is looked at on the drawn page."""

_BRIGHT: Final = 232
"""Grey value from which a pixel of the drawn page counts as white."""

_MOSTLY: Final = 0.9
"""Share of white in the box of pale words that nobody sees: letters take up a quarter, a line across a tenth."""

_CLEAR_ALPHA: Final = 26
_MAX_DRAWN_PAGES: Final = 100
_SCALE: Final = 0.5  # pixels a point: enough to tell ink from none, a third of the cost of one
_MAX_SIDE_PIXELS: Final = 1500

Box = tuple[float, float, float, float]


class Ink:
    """Why the word that begins at a character may not be seen, as far as its ink tells."""

    def __init__(self, text: Any, pdfium: Any) -> None:
        self._text, self._pdfium = text, pdfium
        self._colour = [ctypes.c_uint() for _ in range(4)]
        self._object, self._mode_of = pdfium.FPDFText_GetTextObject, pdfium.FPDFTextObj_GetTextRenderMode
        self._fill, self._places = pdfium.FPDFText_GetFillColor, [ctypes.byref(part) for part in self._colour]

    def at(self, index: int) -> Hiding | None:
        """INVISIBLE: nothing is painted. SAME_COLOUR: pale, to be looked at."""
        shown = self._object(self._text, index)
        mode = self._mode_of(shown) if shown else 0
        if mode in (self._pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, self._pdfium.FPDF_TEXTRENDERMODE_CLIP):
            return Hiding.INVISIBLE
        if not self._fill(self._text, index, *self._places):
            return None
        red, green, blue, alpha = self._colour
        if alpha.value < _CLEAR_ALPHA:
            return Hiding.INVISIBLE
        pale = red.value >= _PALE and green.value >= _PALE and blue.value >= _PALE
        return Hiding.SAME_COLOUR if pale else None


@dataclass(slots=True)
class Sight:
    """Judges the words of one document's pages; draws no more than a hundred of them."""

    pages_left: int = _MAX_DRAWN_PAGES

    def judge(
        self, page: Any, segments: Sequence[Segment], pictures: Sequence[Box], *, size: tuple[float, float]
    ) -> None:
        """Leave `hiding` only on what nobody sees. `pictures` and segments as displayed, `size` of the page too."""
        width, height = size
        for segment in segments:
            if segment.right < 0 or segment.bottom < 0 or segment.left > width or segment.top > height:
                segment.hiding = Hiding.OFF_PAGE
        invisible = [segment for segment in segments if segment.hiding is Hiding.INVISIBLE]
        if invisible:
            _clear_layer(invisible, segments, pictures)
        pale = [segment for segment in segments if segment.hiding is Hiding.SAME_COLOUR]
        if pale:
            self._look(page, pale, size)

    def _look(self, page: Any, pale: Sequence[Segment], size: tuple[float, float]) -> None:
        """Draw the page and see which of these words stand out."""
        if self.pages_left <= 0:
            for segment in pale:
                segment.hiding = None
            return
        self.pages_left -= 1
        scale = min(_SCALE, _MAX_SIDE_PIXELS / max(*size, 1.0))
        bitmap = page.render(scale=scale, grayscale=True)
        try:
            drawn = bitmap.to_pil().convert("L")
        finally:
            bitmap.close()
        for segment in pale:
            if _stands_out(
                drawn, [side * scale for side in (segment.left, segment.top, segment.right, segment.bottom)]
            ):
                segment.hiding = None


def _clear_layer(invisible: Sequence[Segment], segments: Sequence[Segment], pictures: Sequence[Box]) -> None:
    """Take those for seen that are the text of a picture under them."""
    layer = [segment for segment in invisible if _lies_on(segment, pictures)]
    seen = [segment for segment in segments if segment.hiding is None and _lies_on(segment, pictures)]
    if _characters(layer) > _characters(seen):
        for segment in layer:
            segment.hiding = None


def _lies_on(segment: Segment, pictures: Sequence[Box]) -> bool:
    across, down = (segment.left + segment.right) / 2, segment.middle
    return any(left <= across <= right and top <= down <= bottom for left, top, right, bottom in pictures)


def _characters(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)


def _stands_out(drawn: Any, sides: Sequence[float]) -> bool:
    """Whether pale words are seen in a box of a drawn page: its ground is not white."""
    left, top, right, bottom = sides
    box = (max(0, int(left)), max(0, int(top)), min(drawn.width, int(right) + 1), min(drawn.height, int(bottom) + 1))
    if box[0] >= box[2] or box[1] >= box[3]:
        return False
    white = sum(drawn.crop(box).histogram()[_BRIGHT:])
    return bool(white < _MOSTLY * (box[2] - box[0]) * (box[3] - box[1]))
