"""Pictures of text: PNG, JPEG, TIFF (page by page), WebP, BMP, GIF."""

from __future__ import annotations

import io

from rag.documents import Parsed
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.layout import lay_out
from rag.ingest.parse.ocr import Ocr

_MAX_PIXELS = 80_000_000
_MAX_PAGES = 500
_DPI = 200


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
