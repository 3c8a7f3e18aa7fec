"""Pictures of text: PNG, JPEG, TIFF (page by page), WebP, BMP, GIF; alone or inside a document."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import DocumentError, EmptyDocument, UnreadableDocument
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.layout import insert, lay_out
from rag.ingest.parse.ocr import Ocr

if TYPE_CHECKING:
    from PIL.Image import Image

    from rag.ingest.parse.page import Page

_MAX_PIXELS: Final = 80_000_000
_MAX_PAGES: Final = 500
_DPI: Final = 200
_MAX_INSIDE, _MAX_INSIDE_PIXELS = 20, 20_000_000  # what five scanned pages cost
_GROUND_LEVELS, _LEAST_GROUND = 64, 0.5
_LEAST_SIDES: Final = (120, 32)
_SMALL_SIDE: Final = 1400
_WORD: Final = re.compile(r"[^\W\d_]{3,}|\d{2,}")


class PictureParser:
    """OCR over each frame; a frame is a page."""

    fingerprint = "pictures"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        from PIL import Image, ImageOps, ImageSequence

        if not self._ocr.on:
            raise EmptyDocument(f"no text: picture and {self._ocr.off_because}")
        Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
        draft, pages = Draft(), []
        try:
            with Image.open(io.BytesIO(body)) as picture:
                frames = getattr(picture, "n_frames", 1)
                for number, frame in enumerate(ImageSequence.Iterator(picture), start=1):
                    if frame.width * frame.height > _MAX_PIXELS or number > _MAX_PAGES:
                        raise UnreadableDocument("too large a picture")
                    pages.append(self._ocr.page(ImageOps.exif_transpose(frame.convert("RGB")), number=number, dpi=_DPI))
        except Image.DecompressionBombError as error:
            raise UnreadableDocument("too large a picture") from error
        lay_out(pages, draft, numbered=frames > 1)
        draft.notes.append(f"{frames} {'page' if frames == 1 else 'pages'} read by OCR")
        return draft.parsed()


class PicturesInside:
    """The pictures in one document: each distinct one that is large enough to hold text is read, up to a limit.

    What OCR makes of a photograph is noise: one that shows as such is not read, other noise left out. `finish` says
    what was read and what was not.
    """

    def __init__(self, ocr: Ocr) -> None:
        self._ocr = ocr
        self._seen: set[bytes] = set()
        self._read = self._told = self._left_out = self._pixels = 0

    def write(self, draft: Draft, body: bytes) -> None:
        """Add the text of a picture file to the draft; a broken picture, or one of no known kind, adds nothing."""
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
        try:
            with Image.open(io.BytesIO(body)) as picture:
                if _LEAST_SIDES[0] <= picture.width and _LEAST_SIDES[1] <= picture.height:
                    self._write(draft, picture)
        except DocumentError:
            raise
        except Exception:  # whatever the library throws at a broken picture costs that picture
            self._left_out += 1

    def page(self, image: Image, *, dpi: float) -> Page | None:
        """A picture as a page without headings; None if it is known, too much, or holds no text."""
        known = hashlib.sha256(image.tobytes()).digest()
        if known in self._seen:
            return None
        self._seen.add(known)
        if not _has_a_ground(image):
            return None
        self._pixels += image.width * image.height
        if not self._ocr.on or self._read >= _MAX_INSIDE or self._pixels > _MAX_INSIDE_PIXELS:
            self._left_out += 1
            return None
        self._read += 1
        read = self._ocr.page(image, number=1, dpi=dpi, scanned=False)
        if not _is_text(" ".join(row.text for row in read.rows)):
            return None
        self._told += 1
        return read

    def finish(self, draft: Draft) -> None:
        """Note what was read and what was left out.

        Raises:
            EmptyDocument: there is nothing in the document but pictures, and they are not read.
        """
        if self._told:
            draft.notes.append(f"{_pictures(self._told)} read by OCR")
        if self._left_out and not self._ocr.on:
            if draft.empty and not draft.parts:
                raise EmptyDocument(f"no text: picture and {self._ocr.off_because}")
            draft.notes.append(f"{_pictures(self._left_out)} left out: {self._ocr.off_because}")
        elif self._left_out:
            draft.notes.append(f"{_pictures(self._left_out)} left out")

    def _write(self, draft: Draft, picture: Image) -> None:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(picture).convert("RGBA")
        ground = image.copy()
        ground.paste((255, 255, 255, 255), (0, 0, *image.size))
        ground.alpha_composite(image)  # what shows through is paper
        flat = ground.convert("RGB")
        if max(flat.size) < _SMALL_SIDE:
            flat = flat.resize((flat.width * 2, flat.height * 2))
        if (found := self.page(flat, dpi=_DPI)) is not None:
            insert(found, draft)


def _has_a_ground(image: Image) -> bool:
    """Whether half of a picture is of about one shade, as what letters stand on is and a photograph is not."""
    shades = image.convert("L").histogram()
    windows = (sum(shades[at : at + _GROUND_LEVELS]) for at in range(0, 257 - _GROUND_LEVELS, 16))
    return max(windows) >= _LEAST_GROUND * sum(shades)


def _is_text(text: str) -> bool:
    """Whether most of what was read is words or numbers."""
    tokens = text.split()
    words = [token for token in tokens if _WORD.search(token)]
    return len(words) >= 2 and len(words) >= 0.5 * len(tokens)


def _pictures(count: int) -> str:
    return f"{count} picture" if count == 1 else f"{count} pictures"
