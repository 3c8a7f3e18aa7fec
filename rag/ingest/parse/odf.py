"""OpenDocument text and presentations, read from their XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.ocr import Ocr
from rag.ingest.parse.pictures import PicturesInside
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

_NS: Final = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
TEXT, TABLE, _DRAW, OFFICE, _PRES = (_NS % name for name in ("text", "table", "drawing", "office", "presentation"))
ANNOTATION: Final = OFFICE + "annotation"
_SVG: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}"
_META: Final = _NS % "meta"
_SKIPPED: Final = frozenset(
    {TEXT + "tracked-changes", TEXT + "sequence-decls", OFFICE + "forms", TEXT + "table-of-content",
     TEXT + "alphabetical-index", _PRES + "settings", OFFICE + "annotation-end"}
)  # fmt: skip
_MAX_SPACES: Final = 100


class OdfParser:
    """ODT by outline level; ODP slide by slide, notes included."""

    fingerprint = "odf"

    def __init__(self, *, ocr: Ocr) -> None:
        self._ocr = ocr

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        refuse_encrypted(archive)
        draft, pictures = Draft(), PicturesInside(self._ocr)
        odf_properties(archive, draft)
        content = archive.xml("content.xml").find(OFFICE + "body")
        if content is None:
            raise UnreadableDocument("damaged: an OpenDocument file without a body")
        _Body(draft, archive, pictures).read(content)
        pictures.finish(draft)
        return draft.parsed()


def refuse_encrypted(archive: Archive) -> None:
    """Raises:
    UnreadableDocument: it needs a password.
    """
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise UnreadableDocument("encrypted: needs a password")


def odf_properties(archive: Archive, draft: Draft) -> None:
    """Title, author and dates, where the file names them."""
    if "meta.xml" in archive:
        meta = archive.xml("meta.xml")
        draft.title = meta.findtext(f".//{_DC}title")
        draft.author = meta.findtext(f".//{_META}initial-creator") or meta.findtext(f".//{_DC}creator")
        draft.created_at = when(meta.findtext(f".//{_META}creation-date"))
        draft.modified_at = when(meta.findtext(f".//{_DC}date"))


class _Body:
    def __init__(self, draft: Draft, archive: Archive, pictures: PicturesInside) -> None:
        self._draft = draft
        self._archive = archive
        self._pictures = pictures

    def read(self, content: _Element) -> None:
        slides = list(content.iter(_DRAW + "page"))
        for number, slide in enumerate(slides, start=1):
            self._draft.page = number
            self._slide(slide)
        if not slides:
            self._blocks(content)

    def _slide(self, slide: _Element) -> None:
        self._draft.close_headings()
        titles = [frame for frame in slide.iter(_DRAW + "frame") if frame.get(_PRES + "class") == "title"]
        for title in titles[:1]:
            self._draft.heading(" ".join(paragraph_text(p) for p in title.iter(TEXT + "p", TEXT + "h")), 1)
        for child in slide:
            if child not in titles[:1]:
                self._blocks(child)

    def _blocks(self, container: _Element) -> None:
        for element in container:
            if element.tag == TEXT + "h":
                level = element.get(TEXT + "outline-level", "1")
                self._draft.heading(paragraph_text(element), int(level) if level.isdigit() else 1)
                self._frames(element)
            elif element.tag == TEXT + "p":
                self._draft.paragraph(paragraph_text(element))
                self._frames(element)
            elif element.tag == TEXT + "list":
                self._draft.paragraph("\n".join(_items(element)))
            elif element.tag == TABLE + "table":
                self._draft.table(_rows(element))
                self._show(element)
            elif element.tag == _DRAW + "frame":
                self._blocks(element)
                self._show(element)
            elif element.tag not in _SKIPPED and isinstance(element.tag, str):
                self._blocks(element)

    def _frames(self, paragraph: _Element) -> None:
        """Text boxes and tables that are anchored in a paragraph."""
        for frame in paragraph.iter(_DRAW + "text-box"):
            self._blocks(frame)
        self._show(paragraph)

    def _show(self, element: _Element) -> None:
        """Read the pictures that stand in it."""
        for image in element.iter(_DRAW + "image"):
            path = image.get(_XLINK + "href", "").removeprefix("./")
            if path in self._archive:
                self._pictures.write(self._draft, self._archive.read(path))


def _items(element: _Element) -> Iterator[str]:
    for item in element:
        for inner in item:
            if inner.tag == TEXT + "list":
                yield from _items(inner)
            elif inner.tag in (TEXT + "p", TEXT + "h") and one_line(paragraph_text(inner)):
                yield "- " + paragraph_text(inner).strip()


def _rows(table: _Element) -> Iterator[list[str]]:
    for row in table.iter(TABLE + "table-row"):
        cells = []
        for cell in row:
            if cell.tag in (TABLE + "table-cell", TABLE + "covered-table-cell"):
                repeated = cell.get(TABLE + "number-columns-repeated", "1")
                text = " ".join(paragraph_text(p) for p in cell.iter(TEXT + "p", TEXT + "h"))
                cells += [text] * (min(int(repeated), 50) if repeated.isdigit() and text else 1)
        yield cells


def paragraph_text(paragraph: _Element) -> str:
    """What a paragraph shows, its notes and comments in brackets."""
    return "".join(_pieces(paragraph)).strip()


def _pieces(element: _Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == TEXT + "s":
            count = child.get(TEXT + "c", "1")
            yield " " * (min(int(count), _MAX_SPACES) if count.isdigit() else 1)
        elif child.tag == TEXT + "tab":
            yield "\t"
        elif child.tag == TEXT + "line-break":
            yield "\n"
        elif child.tag == TEXT + "note":
            body = child.find(TEXT + "note-body")
            yield f" [{' '.join(paragraph_text(p) for p in body.iter(TEXT + 'p'))}]" if body is not None else ""
        elif child.tag in (_SVG + "title", _SVG + "desc", ANNOTATION):
            yield " " + " ".join("".join(child.itertext()).split()) + " "
        elif child.tag not in (_DRAW + "text-box", TEXT + "bookmark", TEXT + "ruby-text"):
            yield from _pieces(child)
        yield child.tail or ""
