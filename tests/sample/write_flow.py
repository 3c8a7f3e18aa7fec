"""Write the sample's flowing formats: PDF, scanned PDF, HTML, plain text and mail."""

from __future__ import annotations

import email.policy
import html
import io
import random
from collections.abc import Mapping
from email.message import EmailMessage

import pypdfium2
from PIL import Image, ImageFilter
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
from reportlab.platypus.doctemplate import BaseDocTemplate
from reportlab.platypus.flowables import Flowable
from source_text import Block, Source, bold_runs, plain

SCAN_DPI = 200
MIME = {
    ".pdf": ("application", "pdf"),
    ".docx": ("application", "vnd.openxmlformats-officedocument.wordprocessingml.document"),
}
FONTS = {
    "helvetica": ("Helvetica", "Helvetica-Bold"),
    "vera": ("Vera", "VeraBd"),
    "times": ("Times-Roman", "Times-Bold"),
}


def pdf(source: Source) -> bytes:
    """A text PDF (A4), or its scan when the option ``scan`` is set."""
    data = _text_pdf(source)
    return _scanned(data, source) if source.options.get("scan") else data


def text(source: Source) -> bytes:
    """Plain text in the option ``encoding`` (UTF-8 if none), with CRLF for cp1252 as Windows writes it."""
    encoding = source.options.get("encoding", "utf-8")
    body = plain(source.body)
    return (body.replace("\n", "\r\n") if encoding == "cp1252" else body).encode(encoding)


def web_page(source: Source) -> bytes:
    """An intranet page with navigation and footer around the article."""
    lang = source.options["lang"]
    nav = "Startseite · Richtlinien · Formulare · Kontakt" if lang == "de" else "Home · Policies · Forms · Contact"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="{lang}">',
        f'<head><meta charset="utf-8"><title>{html.escape(source.title)}</title>',
        "<style>body{font-family:sans-serif} td,th{border:1px solid #999;padding:2px 6px}</style></head>",
        f"<body><nav>{nav}</nav>",
        "<main>",
        *_html_blocks(source.blocks),
        "</main>",
        f"<footer>Hainbrecht Feinwerk GmbH · Intranet · {source.options['date']}</footer>",
        "</body></html>",
    ]
    return ("\n".join(parts) + "\n").encode()


def mail(source: Source, attachments: Mapping[str, bytes]) -> bytes:
    """A MIME mail with the given attachments (name → content)."""
    message = EmailMessage(policy=email.policy.SMTP)
    for header in ("From", "To", "Cc", "Subject", "Date", "Message-ID"):
        if value := source.options.get(header):
            message[header] = value
    message.set_content(plain(source.body), cte="quoted-printable")
    for name, content in sorted(attachments.items()):
        main, sub = MIME["." + name.rsplit(".", 1)[1]]
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    if attachments:
        message.set_boundary("=_hainbrecht_" + source.path.name.split(".")[0])
    return message.as_bytes()


def _html_blocks(blocks: tuple[Block, ...]) -> list[str]:
    parts: list[str] = []
    lists = {"bullet": "ul", "number": "ol"}
    open_list = ""
    for block in blocks:
        wanted = lists.get(block.kind, "")
        if wanted != open_list:
            parts += [f"</{open_list}>"] * bool(open_list) + [f"<{wanted}>"] * bool(wanted)
            open_list = wanted
        parts.append(_html_block(block))
    return parts + [f"</{open_list}>"] * bool(open_list)


def _html_block(block: Block) -> str:
    if block.kind == "heading":
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if block.kind in ("bullet", "number"):
        return f"<li>{_inline(block.text)}</li>"
    if block.kind == "table":
        rows = [
            "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>"
            for tag, row in zip(["th"] + ["td"] * len(block.rows), block.rows, strict=False)
        ]
        return "<table>" + "\n".join(rows) + "</table>"
    return f"<p>{_inline(block.text)}</p>" if block.kind == "paragraph" else ""


def _inline(text: str, tag: str = "b") -> str:
    return "".join(
        f"<{tag}>{html.escape(piece, quote=False)}</{tag}>" if bold else html.escape(piece, quote=False)
        for piece, bold in bold_runs(text)
    )


def _text_pdf(source: Source) -> bytes:
    for name in ("Vera", "VeraBd"):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="VeraBd", italic="Vera", boldItalic="VeraBd")
    regular, bold = FONTS[source.options.get("font", "vera")]
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out,
        pagesize=A4,
        invariant=1,
        title=source.title,
        author=source.options.get("author", "Hainbrecht Feinwerk GmbH"),
        leftMargin=25 * mm,
        rightMargin=22 * mm,
        topMargin=27 * mm,
        bottomMargin=22 * mm,
    )

    def frame(canvas: Canvas, document: BaseDocTemplate) -> None:
        page = "Page" if source.options["lang"] == "en" else "Seite"
        canvas.saveState()
        canvas.setFont(regular, 8)
        canvas.drawString(25 * mm, 282 * mm, source.options.get("header", "Hainbrecht Feinwerk GmbH"))
        canvas.drawRightString(188 * mm, 12 * mm, f"{page} {document.page}")
        canvas.drawString(25 * mm, 12 * mm, source.options.get("footer", ""))
        canvas.restoreState()

    size = float(source.options.get("size", "9.5"))
    template.build(_flowables(source.blocks, regular, bold, size), onFirstPage=frame, onLaterPages=frame)
    return out.getvalue()


def _flowables(blocks: tuple[Block, ...], regular: str, bold: str, size: float) -> list[Flowable]:
    base = ParagraphStyle("base", fontName=regular, fontSize=size, leading=size + 4, spaceAfter=6, alignment=TA_LEFT)
    item = ParagraphStyle("item", base, leftIndent=14, bulletIndent=3, spaceAfter=3)
    cell = ParagraphStyle("cell", base, fontSize=size - 1, leading=size + 1.5, spaceAfter=0)
    head = {
        n: ParagraphStyle(
            f"h{n}", base, fontName=bold, fontSize=points, leading=points + 5, spaceBefore=8, keepWithNext=1
        )
        for n, points in ((1, 17), (2, 12.5), (3, 10.5))
    }
    flow: list[Flowable] = []
    for block in blocks:
        if block.kind == "page":
            flow.append(PageBreak())
        elif block.kind == "table":
            rows = [[Paragraph(_inline(c if i else f"**{c}**"), cell) for c in row] for i, row in enumerate(block.rows)]
            grid = TableStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ]
            )
            flow += [Table(rows, repeatRows=1, style=grid, hAlign="LEFT"), Spacer(1, 8)]
        elif block.kind == "heading":
            flow.append(Paragraph(_inline(block.text), head[block.level]))
        elif block.kind == "paragraph":
            flow.append(Paragraph(_inline(block.text), base))
        else:
            mark = "•" if block.kind == "bullet" else f"{block.level}."
            flow.append(Paragraph(_inline(block.text), item, bulletText=mark))
    return flow


def _scanned(data: bytes, source: Source) -> bytes:
    """Render each page, tilt it, soften it, add grain, and keep only the picture."""
    chance = random.Random(source.path.name)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle("Scan")
    canvas.setProducer("MFP Weilersbrunn EG")
    document = pypdfium2.PdfDocument(data)
    for page in document:
        picture = page.render(scale=SCAN_DPI / 72, grayscale=True).to_pil().convert("L")
        angle = chance.choice((-1, 1)) * chance.uniform(0.4, 0.9)
        picture = picture.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=246)
        picture = picture.filter(ImageFilter.GaussianBlur(0.6))
        picture = _grain(picture, chance).point(lambda level: min(250, int(level * 0.88 + 22)))
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=38, optimize=True)
        canvas.drawImage(ImageReader(io.BytesIO(jpeg.getvalue())), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _grain(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Paper grain (a coarse noise blended in) and a few dark specks."""
    small = (picture.width // 6, picture.height // 6)
    noise = Image.frombytes("L", small, chance.randbytes(small[0] * small[1])).resize(picture.size)
    grainy = Image.blend(picture, noise, 0.045)
    for _ in range(140):
        x, y = chance.randrange(picture.width - 2), chance.randrange(picture.height - 2)
        grainy.paste(chance.randrange(60, 150), (x, y, x + chance.choice((1, 2)), y + chance.choice((1, 2))))
    return grainy
