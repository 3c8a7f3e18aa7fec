"""Write the sample's office formats: DOCX, PPTX, XLSX, ODT, CSV. Archives carry one fixed date."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from xml.sax.saxutils import escape

import docx
import openpyxl
import pptx
from openpyxl.styles import Font
from pptx.util import Cm
from source_text import Block, Source, bold_runs, plain

ZIP_DATE = (2025, 1, 1, 0, 0, 0)
ODT_MIME = "application/vnd.oasis.opendocument.text"
ODT_MANIFEST = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
ODT_SPACES = (
    " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style")
    )
    + ' xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"'
)


def word(source: Source) -> bytes:
    """A DOCX with real heading styles, lists and tables."""
    document = docx.Document()
    _describe(document.core_properties, source)
    document.sections[0].header.paragraphs[0].text = source.options.get("header", "Hainbrecht Feinwerk GmbH")
    for block in source.blocks:
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
            for row in block.rows:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = plain(value)
        elif block.kind == "page":
            document.add_page_break()
        else:
            style = {"bullet": "List Bullet", "number": "List Number"}.get(block.kind)
            paragraph = document.add_paragraph(style=style)
            for piece, bold in bold_runs(block.text):
                paragraph.add_run(piece).bold = bold or None
    return _saved(document)


def slides(source: Source) -> bytes:
    """A PPTX: each ``##`` begins a slide, a paragraph that begins with ``Notes:`` goes to the speaker notes."""
    deck = pptx.Presentation()
    _describe(deck.core_properties, source)
    slide = None
    for block in source.blocks:
        if block.kind == "heading":
            slide = deck.slides.add_slide(deck.slide_layouts[0 if block.level == 1 else 1])
            slide.shapes.title.text = block.text
        elif block.text.startswith("Notes: "):
            slide.notes_slide.notes_text_frame.text = plain(block.text[len("Notes: ") :])
        elif block.kind == "table":
            _slide_table(slide, block)
        else:
            frame = slide.placeholders[1].text_frame
            paragraph = frame.paragraphs[0] if not frame.text else frame.add_paragraph()
            paragraph.text = plain(block.text)
    return _saved(deck)


def workbook(source: Source) -> bytes:
    """An XLSX: each ``##`` begins a sheet; paragraphs become single cells, ISO dates and numbers are typed."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.properties.title, book.properties.creator = source.title, source.options.get("author", "Hainbrecht")
    sheet = None
    for block in source.blocks:
        if block.kind == "heading":
            sheet = book.create_sheet(block.text)
        elif block.kind == "table":
            for number, row in enumerate(block.rows):
                sheet.append([_typed(plain(cell)) for cell in row])
                if number == 0:
                    for cell in sheet[sheet.max_row]:
                        cell.font = Font(bold=True)
            for column in range(1, len(block.rows[0]) + 1):
                letter = openpyxl.utils.get_column_letter(column)
                sheet.column_dimensions[letter].width = max(len(row[column - 1]) for row in block.rows) + 2
        else:
            sheet.append([plain(block.text)])
            sheet.append([])
    return _saved(book)


def table_text(source: Source) -> bytes:
    """A semicolon CSV as a German Excel writes it: CRLF, in the option ``encoding``."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    for block in source.blocks:
        writer.writerows(block.rows)
    return out.getvalue().encode(source.options.get("encoding", "utf-8"))


def open_document(source: Source) -> bytes:
    """An ODT with outline levels, lists and tables, written by hand."""
    body = "".join(_odt_block(block, number) for number, block in enumerate(source.blocks))
    heads = "".join(
        f'<style:style style:name="Heading_20_{n}" style:display-name="Heading {n}" style:family="paragraph" '
        f'style:default-outline-level="{n}"><style:text-properties fo:font-size="{20 - 3 * n}pt" '
        f'fo:font-weight="bold"/></style:style>'
        for n in (1, 2, 3)
    )
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    files = {
        "mimetype": ODT_MIME,
        "META-INF/manifest.xml": declaration
        + f'<manifest:manifest xmlns:manifest="{ODT_MANIFEST}" manifest:version="1.2">'
        + f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{ODT_MIME}"/>'
        + "".join(
            f'<manifest:file-entry manifest:full-path="{name}.xml" manifest:media-type="text/xml"/>'
            for name in ("content", "styles", "meta")
        )
        + "</manifest:manifest>",
        "styles.xml": f'{declaration}<office:document-styles {ODT_SPACES} office:version="1.2">'
        f"<office:styles>{heads}</office:styles></office:document-styles>",
        "meta.xml": f'{declaration}<office:document-meta {ODT_SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'office:version="1.2"><office:meta><dc:title>{escape(source.title)}</dc:title>'
        f"<dc:date>{source.options['date']}T08:00:00</dc:date></office:meta></office:document-meta>",
        "content.xml": f'{declaration}<office:document-content {ODT_SPACES} office:version="1.2"><office:body>'
        f"<office:text>{body}</office:text></office:body></office:document-content>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), content, method)
    return out.getvalue()


def _odt_block(block: Block, number: int) -> str:
    text = escape(plain(block.text))
    if block.kind == "heading":
        style = f"Heading_20_{block.level}"
        return f'<text:h text:style-name="{style}" text:outline-level="{block.level}">{text}</text:h>'
    if block.kind in ("bullet", "number"):
        return f"<text:list><text:list-item><text:p>{text}</text:p></text:list-item></text:list>"
    if block.kind == "table":
        cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
        rows = "".join(
            "<table:table-row>" + "".join(cell.format(escape(plain(value))) for value in row) + "</table:table-row>"
            for row in block.rows
        )
        columns = f'<table:table-column table:number-columns-repeated="{len(block.rows[0])}"/>'
        return f'<table:table table:name="Tabelle{number}">{columns}{rows}</table:table>'
    return f"<text:p>{text}</text:p>"


def _slide_table(slide, block: Block) -> None:  # type: ignore[no-untyped-def]  # python-pptx ships no types
    rows, columns = len(block.rows), len(block.rows[0])
    table = slide.shapes.add_table(rows, columns, Cm(2), Cm(10), Cm(21), Cm(rows)).table
    for y, row in enumerate(block.rows):
        for x, value in enumerate(row):
            table.cell(y, x).text = plain(value)


def _typed(cell: str) -> str | int | float | dt.date:
    if re.fullmatch(r"-?\d{1,9}", cell):
        return int(cell)
    if re.fullmatch(r"-?\d+\.\d+", cell):
        return float(cell)
    return dt.date.fromisoformat(cell) if re.fullmatch(r"\d{4}-\d\d-\d\d", cell) else cell


def _describe(properties, source: Source) -> None:  # type: ignore[no-untyped-def]  # two libraries' untyped objects
    written = dt.datetime.fromisoformat(source.options["date"])
    properties.title, properties.author = source.title, source.options.get("author", "Hainbrecht Feinwerk GmbH")
    properties.created = properties.modified = written
    properties.language = source.options["lang"]
    properties.comments = ""


def _saved(document) -> bytes:  # type: ignore[no-untyped-def]  # three libraries, one ``save``
    """Save, then pack again with one date on every member."""
    raw, out = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>2025-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(name, ZIP_DATE), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
