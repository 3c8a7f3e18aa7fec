"""Excel workbooks (OOXML), read from their XML so that a cell reads as it is shown: 1.234,50 €, 19 %, 2025-03-01.

calamine and xberg give the stored values; the number format, which makes 0.19 a 19 % and 45321 a date, is what people
see and ask for. German formats are recognised by their currency or date pattern and then written the German way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.number_formats import BUILT_IN, show
from rag.ingest.parse.ooxml import properties, related, relations
from rag.ingest.parse.sheets import write_sheet
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

_S: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MAX_CELLS: Final = 5_000_000
_MAX_COLUMNS: Final = 2_000
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})\d+")


class XlsxParser:
    """XLSX, XLSM, XLTX: every visible or hidden sheet in order, then the comments on its cells."""

    fingerprint = "xlsx"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        main = next((path for path in related(archive, "", "officeDocument")), "xl/workbook.xml")
        if main not in archive:
            raise UnreadableDocument("damaged: an Excel file without a workbook")
        draft, book = Draft(), _Book(archive, main)
        properties(archive, draft)
        for sheet, path in book.sheets():
            write_sheet(draft, sheet, book.rows(archive.xml(path)))
            for comments in related(archive, path, "comments"):
                for text in book.comments(comments):
                    draft.paragraph(text)
        return draft.parsed()


class _Book:
    def __init__(self, archive: Archive, main: str) -> None:
        self._archive = archive
        self._main = main
        self._root = archive.xml(main)
        self._strings = [_text(item) for item in self._items("sharedStrings", "si")]
        self._formats = self._cell_formats()
        settings = self._root.find(_S + "workbookPr")
        self._since_1904 = settings is not None and settings.get("date1904") in ("1", "true")

    def sheets(self) -> Iterator[tuple[str, str]]:
        """Name and path of each sheet with cells."""
        targets = relations(self._archive, self._main)
        for sheet in self._root.iter(_S + "sheet"):
            kind, path = targets.get(sheet.get(_R + "id", ""), ("", ""))
            if kind == "worksheet" and path in self._archive:
                yield sheet.get("name", ""), path

    def rows(self, sheet: _Element) -> list[list[str]]:
        """The cells as they are shown."""
        rows, cells = [], 0
        for row in sheet.iter(_S + "row"):
            shown: list[str] = []
            for cell in row.iter(_S + "c"):
                column = _column(cell.get("r", ""), len(shown))
                if column < _MAX_COLUMNS:
                    shown += [""] * (column + 1 - len(shown))
                    shown[column] = self._shown(cell)
                cells += 1
                if cells > _MAX_CELLS:
                    raise UnreadableDocument(f"over the limit of {_MAX_CELLS:,} cells a sheet")
            rows.append(shown)
        return rows

    def comments(self, path: str) -> Iterator[str]:
        """Comments as "B3 [author]: text"."""
        if path not in self._archive:
            return
        root = self._archive.xml(path)
        authors = [author.text or "" for author in root.iter(_S + "author")]
        for comment in root.iter(_S + "comment"):
            index = comment.get("authorId", "")
            author = authors[int(index)] if index.isdigit() and int(index) < len(authors) else ""
            yield f"{comment.get('ref', '')} [{author}]: {_text(comment)}"

    def _shown(self, cell: _Element) -> str:
        kind, value = cell.get("t", "n"), cell.findtext(_S + "v")
        if kind == "inlineStr":
            return _text(cell)
        if value is None:
            return ""
        if kind == "s":
            return self._strings[int(value)] if value.isdigit() and int(value) < len(self._strings) else ""
        if kind == "b":
            return "true" if value == "1" else "false"
        if kind in ("str", "e", "d"):
            return value
        style = cell.get("s", "0")
        pattern = self._formats[int(style)] if style.isdigit() and int(style) < len(self._formats) else ""
        return show(value, pattern, since_1904=self._since_1904)

    def _items(self, kind: str, tag: str) -> Iterator[_Element]:
        for path in related(self._archive, self._main, kind):
            if path in self._archive:
                yield from self._archive.xml(path).iter(_S + tag)

    def _cell_formats(self) -> list[str]:
        own = {item.get("numFmtId", ""): item.get("formatCode", "") for item in self._items("styles", "numFmt")}
        formats = []
        for group in self._items("styles", "cellXfs"):
            for style in group.iter(_S + "xf"):
                number = style.get("numFmtId", "0")
                formats.append(own.get(number) or BUILT_IN.get(number, ""))
        return formats


def _column(reference: str, default: int) -> int:
    found = _REFERENCE.match(reference)
    if found is None:
        return default
    column = 0
    for letter in found.group(1):
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _text(element: _Element) -> str:
    """The text of a string item, without its phonetic hints."""
    hints = {id(t) for hint in element.iter(_S + "rPh") for t in hint.iter(_S + "t")}
    return "".join(t.text or "" for t in element.iter(_S + "t") if id(t) not in hints)
