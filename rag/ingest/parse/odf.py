"""OpenDocument text and presentations, read from their XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.dates import when
from rag.ingest.parse.draft import Draft, one_line
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

_NS: Final = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_TEXT, _TABLE, _DRAW, _OFFICE, _PRES = (_NS % name for name in ("text", "table", "drawing", "office", "presentation"))
_SVG: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_META: Final = _NS % "meta"
_SKIPPED: Final = frozenset(
    {_TEXT + "tracked-changes", _TEXT + "sequence-decls", _OFFICE + "forms", _TEXT + "table-of-content",
     _TEXT + "alphabetical-index", _PRES + "settings", _OFFICE + "annotation-end"}
)  # fmt: skip
_MAX_SPACES: Final = 100


class OdfParser:
    """ODT by outline level; ODP slide by slide, notes included."""

    fingerprint = "odf"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise UnreadableDocument("encrypted: needs a password")
        draft = Draft()
        odf_properties(archive, draft)
        content = archive.xml("content.xml").find(_OFFICE + "body")
        if content is None:
            raise UnreadableDocument("damaged: an OpenDocument file without a body")
        _Body(draft).read(content)
        return draft.parsed()


def odf_properties(archive: Archive, draft: Draft) -> None:
    """Title, author and dates, where the file names them."""
    if "meta.xml" in archive:
        meta = archive.xml("meta.xml")
        draft.title = meta.findtext(f".//{_DC}title")
        draft.author = meta.findtext(f".//{_META}initial-creator") or meta.findtext(f".//{_DC}creator")
        draft.created_at = when(meta.findtext(f".//{_META}creation-date"))
        draft.modified_at = when(meta.findtext(f".//{_DC}date"))


class _Body:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft

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
            self._draft.heading(" ".join(_text(p) for p in title.iter(_TEXT + "p", _TEXT + "h")), 1)
        for child in slide:
            if child not in titles[:1]:
                self._blocks(child)

    def _blocks(self, container: _Element) -> None:
        for element in container:
            if element.tag == _TEXT + "h":
                level = element.get(_TEXT + "outline-level", "1")
                self._draft.heading(_text(element), int(level) if level.isdigit() else 1)
                self._frames(element)
            elif element.tag == _TEXT + "p":
                self._draft.paragraph(_text(element))
                self._frames(element)
            elif element.tag == _TEXT + "list":
                self._draft.paragraph("\n".join(_items(element)))
            elif element.tag == _TABLE + "table":
                self._draft.table(_rows(element))
            elif element.tag not in _SKIPPED and isinstance(element.tag, str):
                self._blocks(element)

    def _frames(self, paragraph: _Element) -> None:
        """Text boxes and tables that are anchored in a paragraph."""
        for frame in paragraph.iter(_DRAW + "text-box"):
            self._blocks(frame)


def _items(element: _Element) -> Iterator[str]:
    for item in element:
        for inner in item:
            if inner.tag == _TEXT + "list":
                yield from _items(inner)
            elif inner.tag in (_TEXT + "p", _TEXT + "h") and one_line(_text(inner)):
                yield "- " + _text(inner).strip()


def _rows(table: _Element) -> Iterator[list[str]]:
    for row in table.iter(_TABLE + "table-row"):
        cells = []
        for cell in row:
            if cell.tag in (_TABLE + "table-cell", _TABLE + "covered-table-cell"):
                repeated = cell.get(_TABLE + "number-columns-repeated", "1")
                text = " ".join(_text(p) for p in cell.iter(_TEXT + "p", _TEXT + "h"))
                cells += [text] * (min(int(repeated), 50) if repeated.isdigit() and text else 1)
        yield cells


def _text(paragraph: _Element) -> str:
    return "".join(_pieces(paragraph)).strip()


def _pieces(element: _Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == _TEXT + "s":
            count = child.get(_TEXT + "c", "1")
            yield " " * (min(int(count), _MAX_SPACES) if count.isdigit() else 1)
        elif child.tag == _TEXT + "tab":
            yield "\t"
        elif child.tag == _TEXT + "line-break":
            yield "\n"
        elif child.tag == _TEXT + "note":
            body = child.find(_TEXT + "note-body")
            yield f" [{' '.join(_text(p) for p in body.iter(_TEXT + 'p'))}]" if body is not None else ""
        elif child.tag in (_SVG + "title", _SVG + "desc", _OFFICE + "annotation"):
            yield " " + " ".join("".join(child.itertext()).split()) + " "
        elif child.tag not in (_DRAW + "text-box", _TEXT + "bookmark", _TEXT + "ruby-text"):
            yield from _pieces(child)
        yield child.tail or ""
