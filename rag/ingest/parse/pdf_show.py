"""A page of a PDF for the eye, in the child: drawn through pdfium, and a stretch of its text found on it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rag.ingest.parse.locate import Glyph, locate
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.page import Page
from rag.ingest.parse.pdf import SCAN_CHARACTERS, open_pdf
from rag.ingest.parse.pdf_page import glyphs_of
from rag.ingest.parse.shown import MAX_BOXES, MAX_PICTURE_BYTES, Box
from rag.ingest.parse.wire import frame

_MAX_PIXELS: Final = 6_000_000
_OCR_DPI: Final = 200
_MAX_OCR_SIDE: Final = 6000


def picture(body: bytes, *, page: int, width: int) -> list[bytes]:
    """The page, `width` pixels wide or less, as a message; without a picture where there is no such page."""
    document = open_pdf(body)
    try:
        if not 1 <= page <= len(document):
            return frame({"ok": True, "pages": len(document)})
        with contextlib.suppress(Exception):  # what was typed into a form; without one there is none to be drawn
            document.init_forms()
        one = document[page - 1]
        across, down = (max(1.0, side) for side in one.get_size())
        scale = min(width / across, (_MAX_PIXELS / (across * down)) ** 0.5)
        png = _png(_drawn(one, scale))
        if len(png) > MAX_PICTURE_BYTES:  # noise that no PNG makes smaller
            png = _png(_drawn(one, scale / 2))
        return frame({"ok": True, "pages": len(document)}, png)
    finally:
        document.close()


def marks(body: bytes, *, page: int, quote: str, around: tuple[str, str], ocr: Ocr) -> list[bytes]:
    """Where the quote stands on the page, as a message. `around`: the text before it and after it, which tell which of
    several places is meant."""
    document = open_pdf(body)
    try:
        found: Mapping[str, Any] = {"size": [0, 0], "boxes": [], "share": 0.0, "by_ocr": False}
        if 1 <= page <= len(document):
            found = _marks(document[page - 1], page, quote, around, ocr)
        return frame({"ok": True, "pages": len(document), **found})
    finally:
        document.close()


def _marks(one: Any, number: int, quote: str, around: tuple[str, str], ocr: Ocr) -> dict[str, Any]:
    width, height = (max(1.0, side) for side in one.get_size())
    glyphs, by_ocr = list(glyphs_of(one)), False
    if len(glyphs) < SCAN_CHARACTERS and ocr.on:
        glyphs, by_ocr = list(_read(one, number, (width, height), ocr)), True
    place = locate(glyphs, quote, around=around)
    boxes = [box for one in place.boxes if _shows(box := _fractions(one, width, height))]
    return {"size": [width, height], "boxes": boxes[:MAX_BOXES], "share": round(place.share, 4), "by_ocr": by_ocr}


def _read(one: Any, number: int, size: tuple[float, float], ocr: Ocr) -> Iterator[Glyph]:
    """A scan's characters, each where it stands in its line if all were equally wide. A page that lies on its side has
    been straightened to be read: nothing tells then where its lines are."""
    scale = min(_OCR_DPI / 72, _MAX_OCR_SIDE / max(size))
    read: Page = ocr.page(_drawn(one, scale), number=number, dpi=72 * scale, scanned=False)
    segments = [segment for row in read.rows for segment in row.segments]
    if len(segments) > 1 and all(segment.left == 0 for segment in segments):
        return
    for segment in segments:
        step = (segment.right - segment.left) / max(1, len(segment.text))
        for at, char in enumerate(segment.text):
            left = segment.left + at * step
            yield Glyph(char, left, segment.top, left + step, segment.bottom)


def _drawn(one: Any, scale: float) -> Any:
    bitmap = one.render(scale=scale)
    try:
        return bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()


def _png(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _fractions(box: Glyph, width: float, height: float) -> Box:
    return (
        _fraction(box.left, width),
        _fraction(box.top, height),
        _fraction(box.right, width),
        _fraction(box.bottom, height),
    )


def _shows(box: Box) -> bool:
    """Whether any of it lies on the page."""
    left, top, right, bottom = box
    return left < right and top < bottom


def _fraction(value: float, whole: float) -> float:
    return round(min(1.0, max(0.0, value / whole)), 5)
