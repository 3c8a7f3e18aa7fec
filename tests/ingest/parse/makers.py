"""Small real files for the parser tests, made from bytes or with the libraries that write the format."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ruling = tuple[float, float, float, float]


@dataclass(frozen=True)
class Line:
    """A line of text on a PDF page; `y` counts from the bottom, as PDF does."""

    text: str
    x: float = 72
    y: float = 700
    size: float = 10
    bold: bool = False


def paragraph(lines: Sequence[str], *, y: float, x: float = 72, size: float = 10) -> list[Line]:
    """Lines set under each other, as a paragraph."""
    return [Line(text, x, y - 1.25 * size * index, size) for index, text in enumerate(lines)]


def pdf(
    pages: Sequence[Sequence[Line]], *, rulings: Sequence[Sequence[Ruling]] | Sequence[Ruling] = (), info: str = ""
) -> bytes:
    """A PDF written by hand: Helvetica in WinAnsi, one content stream a page, lines drawn where `rulings` says, for
    all pages or page by page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", _font("Helvetica"), _font("Helvetica-Bold")]
    kids = []
    for number, page in enumerate(pages):
        ruled = rulings[number] if rulings and not isinstance(rulings[0], tuple) else rulings
        drawn = "".join(f"{x0} {y0} m {x1} {y1} l S\n" for x0, y0, x1, y1 in ruled)  # type: ignore[misc]  # four numbers
        stream = drawn.encode() + b"".join(_shown(line) for line in page)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return _assembled(objects, info)


def _font(name: str) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name.encode()


def _shown(line: Line) -> bytes:
    text = line.text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /%s %g Tf %g %g Td (%s) Tj ET\n" % (b"F2" if line.bold else b"F1", line.size, line.x, line.y, text)


def _assembled(objects: list[bytes], info: str) -> bytes:
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.4\n")
    objects = [*objects, f"<< {info} >>".encode()]
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(
        b"trailer << /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (len(objects) + 1, len(objects), start)
    )
    return out.getvalue()


def scan(pages: Sequence[Sequence[Line]]) -> bytes:
    """The same pages as pictures: what a scanner makes of them."""
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf(pages))
    pictures = [page.render(scale=200 / 72).to_pil().convert("L") for page in document]
    document.close()
    out = io.BytesIO()
    pictures[0].save(out, format="PDF", resolution=200, save_all=True, append_images=pictures[1:])
    return out.getvalue()


def docx() -> bytes:
    """Headings, paragraphs, a list and a table."""
    import docx as library

    document = library.Document()
    document.core_properties.title, document.core_properties.author = "Urlaubsrichtlinie", "Miriam Oberdieck"
    document.add_heading("Urlaub", 1)
    document.add_paragraph("Der Urlaub beträgt 30 Arbeitstage.")
    document.add_heading("Übertragung", 2)
    document.add_paragraph("Resttage verfallen am 31. März.")
    document.add_paragraph("Antrag stellen", style="List Bullet")
    document.add_paragraph("Vertretung regeln", style="List Bullet")
    table = document.add_table(rows=0, cols=2)
    for row in (("Jahre", "Tage"), ("unter 5", "28"), ("ab 5", "30")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = row
    document.add_paragraph("Nach der Tabelle.")
    return _saved(document)


def pptx() -> bytes:
    """Two slides, a table on the second, notes on the first."""
    import pptx as library
    from pptx.util import Inches

    deck = library.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Ziele"
    first.placeholders[1].text = "Umsatz 52 Mio. €"
    first.notes_slide.notes_text_frame.text = "Die Zusage des Landes steht noch aus."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Kosten"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for at, text in enumerate(("Posten", "Betrag", "Lizenzen", "96.000 €")):
        table.cell(at // 2, at % 2).text = text
    return _saved(deck)


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]  # both libraries' documents have it
    return out.getvalue()


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def members_of(body: bytes) -> dict[str, bytes]:
    """A zip archive's members."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def xlsx() -> bytes:
    """Two sheets with strings, whole numbers, euros, per cent and dates."""
    formats = ["General", '#,##0.00\\ "€"', "0.0%", "dd.mm.yyyy", "#,##0"]
    custom = "".join(
        f'<numFmt numFmtId="{200 + i}" formatCode="{f.replace(chr(34), "&quot;")}"/>' for i, f in enumerate(formats)
    )
    styles = "".join(f'<xf numFmtId="{200 + i}"/>' for i in range(len(formats)))
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Preisliste 2025</t></is></c></row>'
        '<row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="C3" t="s"><v>2</v></c>'
        '<c r="D3" t="s"><v>3</v></c></row>'
        '<row r="4"><c r="A4"><v>4711</v></c><c r="B4" s="1"><v>1234.5</v></c><c r="C4" s="2"><v>0.19</v></c>'
        '<c r="D4" s="3"><v>45717</v></c></row>'
    )
    return zipped(
        {
            "_rels/.rels": _relations(("rId1", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{REL}"><sheets>'
            '<sheet name="Preise" sheetId="1" r:id="rId1"/><sheet name="Leer" sheetId="2" r:id="rId2"/></sheets>'
            "</workbook>",
            "xl/_rels/workbook.xml.rels": _relations(
                ("rId1", "worksheet", "worksheets/sheet1.xml"),
                ("rId2", "worksheet", "worksheets/sheet2.xml"),
                ("rId3", "sharedStrings", "sharedStrings.xml"),
                ("rId4", "styles", "styles.xml"),
            ),
            "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}"><si><t>Artikel</t></si><si><t>Preis</t></si>'
            "<si><t>MwSt.</t></si><si><t>gültig ab</t></si></sst>",
            "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts>{custom}</numFmts>'
            f"<cellXfs>{styles}</cellXfs></styleSheet>",
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>',
            "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{_MAIN}"><sheetData/></worksheet>',
        }
    )


def _relations(*rows: tuple[str, str, str]) -> str:
    inner = "".join(f'<Relationship Id="{key}" Type="{REL}/{kind}" Target="{target}"/>' for key, kind, target in rows)
    return f'<Relationships xmlns="{PACKAGE}">{inner}</Relationships>'


_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
    for name, full in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"),
                       ("presentation", "presentation"))
)  # fmt: skip
_ODT = (
    '<text:h text:outline-level="1">Arbeitsordnung</text:h><text:p>Gültig ab<text:s/>1. Juli.</text:p>'
    '<text:h text:outline-level="2">§ 1 Ausweis</text:h><text:p>Der Ausweis ist offen zu tragen.</text:p>'
    "<table:table><table:table-row><table:table-cell><text:p>Werk</text:p></table:table-cell>"
    "<table:table-cell><text:p>Tor</text:p></table:table-cell></table:table-row>"
    "<table:table-row><table:table-cell><text:p>Nord</text:p></table:table-cell>"
    "<table:table-cell><text:p>2</text:p></table:table-cell></table:table-row></table:table>"
)


def odt(*, body: str = _ODT, kind: str = "text", meta: str = "", pictures: Mapping[str, bytes] | None = None) -> bytes:
    """Headings, a paragraph, a list, a table; or another body, of a "presentation" or "spreadsheet"."""
    inner = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = (
        f'<office:document-content {_ODF} xmlns:dc="http://purl.org/dc/elements/1.1/">{inner}</office:document-content>'
    )
    members: dict[str, str | bytes] = {"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content}
    return zipped(members | ({"meta.xml": meta} if meta else {}) | dict(pictures or {}))


def eml() -> bytes:
    """A mail with a text body, an HTML twin and two attachments, one of them named to climb out."""
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Angebot Härten", "Jonas <jonas@x.example>", "gesa@x.example"
    message.set_content("Sehr geehrte Frau Tiedemann,\n\nanbei unser Angebot über 1.250 €, gültig bis 31. März.\n")
    message.add_alternative("<p>anbei unser <b>Angebot</b></p>", subtype="html")
    message.add_attachment(
        pdf([[Line("Angebot 25-1102")]]), maintype="application", subtype="pdf", filename="angebot.pdf"
    )
    message.add_attachment("Größe;1\n".encode(), maintype="text", subtype="csv", filename="../../etc/liste.csv")
    return message.as_bytes()
