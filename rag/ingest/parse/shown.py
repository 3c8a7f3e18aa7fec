"""What a child gives back of one page for the eye: its picture, and where on it a stretch of text stands.

The parent's types, and the check of what came back: a compromised child may lie about a document, never more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rag.ingest.parse.wire import Garbled

PICTURE: Final = "picture"
MARKS: Final = "marks"
MAX_BOXES: Final = 400
MAX_PICTURE_BYTES: Final = 24 << 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the page as displayed, from its top left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePicture:
    """A page as PNG; `pages` is how many the document has, `png` empty where it has no such page."""

    pages: int
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Where a stretch of text stands on a page: a box a line, none where it was not found. `share` is how much of it
    stands there, `size` the page's width and height in points, `by_ocr` whether its text was read from a picture."""

    pages: int
    size: tuple[float, float]
    boxes: tuple[Box, ...]
    share: float
    by_ocr: bool


def picture_of(header: Mapping[str, Any], raw: bytes) -> PagePicture:
    """The picture in a message.

    Raises:
        Garbled: it is none.
    """
    if raw and (not raw.startswith(_PNG) or len(raw) > MAX_PICTURE_BYTES):
        raise Garbled("not a picture")
    return PagePicture(pages=_count(header.get("pages")), png=raw)


def marks_of(header: Mapping[str, Any]) -> Marks:
    """The places in a message.

    Raises:
        Garbled: they are none.
    """
    try:
        width, height = (_number(value, most=1e6) for value in header["size"])
        boxes = tuple(_box(row) for row in header["boxes"])
        if len(boxes) > MAX_BOXES:
            raise Garbled("too many boxes")
        return Marks(
            pages=_count(header["pages"]),
            size=(width, height),
            boxes=boxes,
            share=_number(header["share"], most=1.0),
            by_ocr=header["by_ocr"] is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled(str(error)) from error


def _box(row: Any) -> Box:
    left, top, right, bottom = (_number(value, most=1.0) for value in row)
    if left > right or top > bottom:
        raise Garbled("a box that is none")
    return left, top, right, bottom


def _number(value: Any, *, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Garbled("not a number in its range")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise Garbled("not a count")
    return value
