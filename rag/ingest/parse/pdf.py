"""PDF: text with exact pages, headings by size and weight, paragraphs re-joined, tables by their lines; OCR."""

from __future__ import annotations

from typing import Any, Final

from rag.documents import Parsed
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.layout import lay_out
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.page import Page
from rag.ingest.parse.pdf_page import read_page
from rag.ingest.parse.pdf_sight import Sight
from rag.ingest.parse.pictures import PicturesInside

SCAN_CHARACTERS: Final = 25
_DPI: Final = 200
_MAX_SIDE_PIXELS: Final = 6000
_MAX_PAGES: Final = 5000
_LEAST_POINTS: Final = (72, 20)
_MAX_PICTURES_A_PAGE: Final = 20


class PdfParser:
    """Through pdfium. A page with next to no text but a picture is a scan."""

    fingerprint = "pdf"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr
        self._inside: PicturesInside | None = None
        self._sight = Sight()

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        document = open_pdf(body)
        try:
            return self._read(document)
        finally:
            document.close()

    def _read(self, document: Any) -> Parsed:
        import pypdfium2 as pdfium

        if len(document) > _MAX_PAGES:
            raise UnreadableDocument(f"over the limit of {_MAX_PAGES:,} pages")
        draft, broken = Draft(), 0
        metadata = document.get_metadata_dict(skip_empty=True)
        draft.title, draft.author = _telling(metadata.get("Title")), metadata.get("Author")
        draft.created_at, draft.modified_at = when(metadata.get("CreationDate")), when(metadata.get("ModDate"))
        pages: list[Page] = []
        self._inside, self._sight = PicturesInside(self._ocr), Sight()
        for index in range(len(document)):
            try:
                pages.append(self._page(document[index], index + 1))
            except pdfium.PdfiumError:  # one broken page costs that page
                broken += 1
        lay_out(pages, draft)
        scans = [page for page in pages if page.scanned]
        if scans and self._ocr.on:
            draft.notes.append(f"{_pages(len(scans))} read by OCR")
        elif scans:
            draft.notes.append(f"{_pages(len(scans))} left out: scanned, and {self._ocr.off_because}")
        if draft.empty and scans and not self._ocr.on:
            raise EmptyDocument(f"no text: scan and {self._ocr.off_because}")
        self._inside.finish(draft)
        if broken:
            draft.notes.append(f"{_pages(broken)} left out: damaged")
        return draft.parsed()

    def _page(self, page: Any, number: int) -> Page:
        read = read_page(page, number, self._sight)
        if read.characters < SCAN_CHARACTERS and read.pictures:
            hidden, read = read.hidden, self._scan(page, read)
            read.hidden, read.scanned = hidden, True
        else:
            self._pictures(page, read)
        page.close()
        return read

    def _pictures(self, page: Any, read: Page) -> None:
        """Read the pictures on a page of text that are large enough for text and have none over them."""
        for left, top, right, bottom in read.pictures[:_MAX_PICTURES_A_PAGE]:
            if right - left < _LEAST_POINTS[0] or bottom - top < _LEAST_POINTS[1] or self._inside is None:
                continue
            if any(left < (row.left + row.right) / 2 < right and top < row.top < bottom for row in read.rows):
                continue
            scale = min(_DPI / 72, _MAX_SIDE_PIXELS / max(right - left, bottom - top, 1))
            margins = (left, read.height - bottom, read.width - right, top)
            bitmap = page.render(scale=scale, crop=tuple(max(0.0, margin) for margin in margins))
            try:
                found = self._inside.page(bitmap.to_pil().convert("RGB"), dpi=72 * scale)
            finally:
                bitmap.close()
            if found is not None:
                read.inserts.append(found)

    def _scan(self, page: Any, read: Page) -> Page:
        if not self._ocr.on:
            return read
        scale = min(_DPI / 72, _MAX_SIDE_PIXELS / max(read.width, read.height, 1))
        bitmap = page.render(scale=scale)
        try:
            found = self._ocr.page(bitmap.to_pil(), number=read.number, dpi=72 * scale)
        finally:
            bitmap.close()
        return found if found.characters >= read.characters else read


def open_pdf(body: bytes) -> Any:
    """The document, which whoever opens it closes.

    Raises:
        UnreadableDocument: damaged, or it needs a password.
    """
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(body)
        len(document)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise UnreadableDocument("encrypted: needs a password") from error
        raise UnreadableDocument("damaged: not a readable PDF") from error
    return document


def _telling(title: str | None) -> str | None:
    """A metadata title, unless it is a file name or a program's default."""
    if not title or title.lower().strip() in ("scan", "document", "dokument", "print", "title", "titel"):
        return None
    if title.lower().startswith(("microsoft word -", "untitled", "unbenannt", "(anonymous)", "anonymous")):
        return None
    return None if title.lower().endswith((".doc", ".docx", ".indd", ".pdf", ".dvi", ".tex", ".odt")) else title


def _pages(count: int) -> str:
    return f"{count} page" if count == 1 else f"{count} pages"
