"""Spreadsheets and delimited text: each sheet a table under its name, values as people read them."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse.charset import decode
from rag.ingest.parse.compound import describe
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.ooxml import properties
from rag.ingest.parse.zipped import Archive

_DELIMITERS: Final = ";,\t|"
_MAX_CELLS: Final = 5_000_000


class WorkbookParser:
    """XLS and XLSB through calamine; their number formats are lost, dates are not."""

    fingerprint = "workbook"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        import python_calamine as calamine

        draft = Draft()
        if body[:2] == b"PK":
            properties(Archive(body), draft)
        else:
            describe(draft, body)
        try:
            book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
        except calamine.PasswordError as error:
            raise UnreadableDocument("encrypted: needs a password") from error
        except calamine.CalamineError as error:
            locked = "password" in str(error).lower() or "encrypt" in str(error).lower()
            raise UnreadableDocument(
                "encrypted: needs a password" if locked else "damaged: no workbook in it"
            ) from error
        for sheet in book.sheets_metadata:
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet:
                write_sheet(draft, sheet.name, _rows(book.get_sheet_by_name(sheet.name).to_python()))
        return draft.parsed()


def write_sheet(draft: Draft, name: str, rows: Iterable[Sequence[str]]) -> None:
    """A sheet as a table under its name; lone cells above the table (a title, a date) as paragraphs."""
    kept = [row for row in rows if any(row)]
    if not kept:
        return
    draft.heading(name)
    widest = max(sum(map(bool, row)) for row in kept)
    while widest > 1 and sum(map(bool, kept[0])) == 1:
        draft.paragraph(next(cell for cell in kept.pop(0) if cell))
    draft.table(kept)


def _rows(values: list[list[Any]]) -> list[list[str]]:
    if sum(map(len, values)) > _MAX_CELLS:
        raise UnreadableDocument(f"over the limit of {_MAX_CELLS:,} cells a sheet")
    return [[shown(value) for value in row] for row in values]


def shown(value: object) -> str:
    """A cell's value as text: whole numbers without ".0", dates in ISO, no binary noise in fractions."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, datetime.datetime):
        whole_day = value.time() == datetime.time()
        return value.date().isoformat() if whole_day else value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="minutes")
    return str(value)


class DelimitedParser:
    """CSV and TSV: the delimiter is the one that cuts the lines evenly."""

    fingerprint = "delimited"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        text = decode(body).replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
        csv.field_size_limit(1 << 24)
        draft = Draft()
        if text[:4].lower() == "sep=":
            text = text.partition("\n")[2]
        delimiter = "\t" if media_type.endswith("tab-separated-values") and "\t" in text else _delimiter(text)
        try:
            draft.table(_read(text, delimiter, draft))
        except csv.Error as error:
            raise UnreadableDocument("damaged: not delimited text") from error
        return draft.parsed()


def _read(text: str, delimiter: str, draft: Draft) -> list[list[str]]:
    """All rows, or the refusal as soon as the table made of them would be too long, spaces that may go not counted."""
    rows: list[list[str]] = []
    chars = -text.count(" ") - text.count("\t")
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        chars += 2 + 3 * len(row) + sum(map(len, row)) if any(row) else 0
        rows.append(row)
        if not len(rows) % 10_000:
            draft.expect(max(0, chars))
    return rows


def _delimiter(text: str) -> str:
    """The candidate with the most even, and then the widest, rows over the first hundred lines."""
    sample = "\n".join(text[:200_000].split("\n")[:100])
    best, chosen = (0.0, 0), ","
    for candidate in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=candidate) if row]
        except csv.Error:
            continue
        usual = max(set(widths), key=lambda width: (widths.count(width), width)) if widths else 1
        if usual > 1 and (rank := (round(widths.count(usual) / len(widths), 1), usual)) > best:
            best, chosen = rank, candidate
    return chosen
