"""PDF: text with exact pages, headings by size and weight, paragraphs re-joined, tables by their lines; scans by OCR."""

from __future__ import annotations

from typing import Any, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.pdf_layout import lay_out
from rag.ingest.parse.pdf_page import Page, read_page

_SCAN_CHARACTERS: Final = 25
_DPI: Final = 200
_MAX_SIDE_PIXELS: Final = 6000
_MAX_PAGES: Final = 5000


class PdfParser:
    """Through pdfium. A page with next to no text but a picture is a scan."""

    fingerprint = "pdf"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        document = _open(body)
        try:
            return self._read(document)
        finally:
            document.close()

    def _read(self, document: Any) -> Parsed:
        if len(document) > _MAX_PAGES:
            raise UnreadableDocument(f"over the limit of {_MAX_PAGES:,} pages")
        draft, broken = Draft(), 0
        metadata = document.get_metadata_dict(skip_empty=True)
        draft.title, draft.author = _telling(metadata.get("Title")), metadata.get("Author")
        pages, scanned = [], {}
        for index in range(len(document)):
            try:
                page = document[index]
                read = read_page(page, index + 1)
            except Exception:  # noqa: BLE001: one broken page (pdfium's own error) costs that page
                broken += 1
                continue
            pages.append(read)
            if read.characters < _SCAN_CHARACTERS and read.pictures:
                scanned[read.number] = self._scan(page)
            page.close()
        self._write(draft, pages, scanned)
        if broken:
            draft.notes.append(f"{_pages(broken)} left out: damaged")
        return draft.parsed()

    def _scan(self, page: Any) -> list[str] | None:
        if not self._ocr.on:
            return None
        width, height = page.get_size()
        scale = min(_DPI / 72, _MAX_SIDE_PIXELS / max(width, height, 1))
        bitmap = page.render(scale=scale)
        try:
            return self._ocr.paragraphs(bitmap.to_pil())
        finally:
            bitmap.close()

    @staticmethod
    def _write(draft: Draft, pages: list[Page], scanned: dict[int, list[str] | None]) -> None:
        """Pages with text and scanned pages in their order; furniture and type sizes over all pages with text."""
        texts = {number: paragraphs for number, paragraphs in scanned.items() if paragraphs}
        lay_out(pages, draft, scans=texts)
        unread = sum(paragraphs is None for paragraphs in scanned.values())
        if texts:
            draft.notes.append(f"{_pages(len(texts))} read by OCR")
        if unread:
            draft.notes.append(f"{_pages(unread)} left out: pictures, and reading pictures (OCR) is switched off")


def _open(body: bytes) -> Any:
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
    if not title or title.lower().startswith(("microsoft word -", "untitled", "unbenannt", "(anonymous)", "anonymous")):
        return None
    return None if title.lower().endswith((".doc", ".docx", ".indd", ".pdf", ".dvi", ".tex", ".odt")) else title


def _pages(count: int) -> str:
    return f"{count} page" if count == 1 else f"{count} pages"
