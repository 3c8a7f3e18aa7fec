"""OpenDocument spreadsheets, read from their XML: cells as they are shown, the comments on them after each sheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.odf import ANNOTATION, OFFICE, TABLE, TEXT, odf_properties, paragraph_text, refuse_encrypted
from rag.ingest.parse.sheets import write_sheet
from rag.ingest.parse.zipped import Archive

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_CELLS: Final = 5_000_000
_MAX_REPEATED: Final = 1_000


class OdsParser:
    """Every sheet in order, hidden ones too."""

    fingerprint = "ods"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        archive = Archive(body)
        refuse_encrypted(archive)
        draft = Draft()
        odf_properties(archive, draft)
        content = archive.xml("content.xml").find(f"{OFFICE}body/{OFFICE}spreadsheet")
        if content is None:
            raise UnreadableDocument("damaged: no workbook in it")
        for sheet in content.iterfind(TABLE + "table"):
            comments: list[str] = []
            write_sheet(draft, sheet.get(TABLE + "name", ""), list(_rows(sheet, comments)))
            for comment in comments:
                draft.paragraph(comment)
        return draft.parsed()


def _rows(sheet: _Element, comments: list[str]) -> Iterator[list[str]]:
    cells = number = 0
    for row in sheet.iter(TABLE + "table-row"):
        shown: list[str] = []
        for cell in row:
            if cell.tag in (TABLE + "table-cell", TABLE + "covered-table-cell"):
                comments += _comments(cell, f"{_letters(len(shown))}{number + 1}")
                text = "\n".join(paragraph_text(p) for p in cell.iterfind(TEXT + "p"))
                shown += [text] * _times(cell, "number-columns-repeated", bool(text))
        repeated = _times(row, "number-rows-repeated", any(shown))
        cells += repeated * len(shown)
        if cells > _MAX_CELLS:
            raise UnreadableDocument(f"over the limit of {_MAX_CELLS:,} cells a sheet")
        number += repeated
        yield from [shown] * repeated


def _times(element: _Element, attribute: str, filled: bool) -> int:
    """How often a cell or row stands there; empty ones are repeated to the end of the sheet, which means nothing."""
    given = element.get(TABLE + attribute, "1")
    return min(int(given), _MAX_REPEATED if filled else 100) if given.isdigit() and len(given) < 9 else 1


def _comments(cell: _Element, place: str) -> Iterator[str]:
    for note in cell.iterfind(ANNOTATION):
        author = note.findtext("{http://purl.org/dc/elements/1.1/}creator") or ""
        text = " ".join(paragraph_text(p) for p in note.iterfind(TEXT + "p")).strip()
        if text:
            yield f"{place} [{author}]: {text}"


def _letters(column: int) -> str:
    name = ""
    while True:
        name = chr(ord("A") + column % 26) + name
        column = column // 26 - 1
        if column < 0:
            return name
