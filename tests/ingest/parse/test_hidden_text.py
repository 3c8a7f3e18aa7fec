"""Text that nobody sees who opens the document is kept where it stands, and marked with the reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docx.shared import Pt, RGBColor

from rag.documents import Hiding, Parsed, Span
from rag.errors import DocumentError
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse.concealed import concealed, plain, revealed
from rag.ingest.parse.docx import DocxParser
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.html import HtmlParser
from rag.ingest.parse.ocr import OFF, Ocr
from rag.ingest.parse.pdf import PdfParser
from tests.ingest.parse import unseen
from tests.ingest.parse.unseen import OPEN, SECRET, shaded

WHITE = RGBColor(255, 255, 255)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "testdata"
SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"


def read_docx(body: bytes) -> Parsed:
    return DocxParser(ocr=Ocr(OFF)).parse(body, media_type="", name="a.docx")


def read_html(body: str) -> Parsed:
    return HtmlParser(ocr=Ocr(OFF)).parse(f"<p>{OPEN}</p>{body}".encode(), media_type="text/html", name="a.html")


def read_pdf(body: bytes) -> Parsed:
    return PdfParser(ocr=Ocr(OFF)).parse(body, media_type="application/pdf", name="a.pdf")


def hidden(parsed: Parsed) -> list[tuple[str, Hiding]]:
    return [(one.span.of(parsed.text), one.why) for one in parsed.hidden]


# ---- Word ----


def white(document: Any, run: Any) -> None:
    run.font.color.rgb = WHITE


def in_a_white_style(document: Any, run: Any) -> None:
    style = document.styles.add_style("Leise", 2)
    style.font.color.rgb = WHITE
    run.style = style


def in_the_colour_of_its_cell(document: Any, run: Any) -> None:
    run.font.color.rgb = RGBColor(0x1F, 0x38, 0x64)
    shaded(run._r.get_or_add_rPr(), "1F3864")


def tiny(document: Any, run: Any) -> None:
    run.font.size = Pt(1)


def vanished(document: Any, run: Any) -> None:
    run.font.hidden = True


def vanished_by_style(document: Any, run: Any) -> None:
    style = document.styles.add_style("Weg", 2)
    style.font.hidden = True
    run.style = style


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (white, Hiding.SAME_COLOUR),
        (in_a_white_style, Hiding.SAME_COLOUR),
        (in_the_colour_of_its_cell, Hiding.SAME_COLOUR),
        (tiny, Hiding.TINY),
        (vanished, Hiding.NOT_SHOWN),
        (vanished_by_style, Hiding.NOT_SHOWN),
    ],
)
def test_a_hidden_run_of_a_word_document_is_marked(change: Callable[[Any, Any], None], why: Hiding) -> None:
    parsed = read_docx(unseen.docx(change))
    assert hidden(parsed) == [(SECRET, why)]
    assert f"{OPEN} {SECRET}" in parsed.text
    assert any(note.startswith(f"hidden text: {len(SECRET)} characters ") for note in parsed.notes)


def on_a_dark_paragraph(document: Any, run: Any) -> None:
    run.font.color.rgb = WHITE
    shaded(run._r.getparent().get_or_add_pPr(), "1F3864")


def on_a_dark_run(document: Any, run: Any) -> None:
    run.font.color.rgb = WHITE
    shaded(run._r.get_or_add_rPr(), "1F3864")


def in_a_dark_cell(document: Any, run: Any) -> None:
    table = document.add_table(2, 2)
    inside = table.cell(0, 0).paragraphs[0].add_run("Betrag")
    inside.font.color.rgb = WHITE
    shaded(table.cell(0, 0)._tc.get_or_add_tcPr(), "1F3864")
    table.cell(0, 1).text = "Jahr"


def in_a_banded_table(document: Any, run: Any) -> None:
    table = document.add_table(2, 2, style="Medium Shading 1 Accent 1")
    table.cell(0, 0).paragraphs[0].add_run("Betrag").font.color.rgb = WHITE
    table.cell(0, 1).text = "Jahr"


def not_vanished(document: Any, run: Any) -> None:
    vanished_by_style(document, run)
    run.font.hidden = False


def small(document: Any, run: Any) -> None:
    run.font.size = Pt(6)


@pytest.mark.parametrize(
    "change", [on_a_dark_paragraph, on_a_dark_run, in_a_dark_cell, in_a_banded_table, not_vanished, small]
)
def test_a_run_that_is_seen_is_not_marked(change: Callable[[Any, Any], None]) -> None:
    assert not read_docx(unseen.docx(change)).hidden


def test_hidden_type_in_a_heading_or_a_cell_leaves_no_mark_in_headings_title_or_text() -> None:
    def change(document: Any, run: Any) -> None:
        heading = document.add_heading("Urlaub ", 1)
        heading.add_run("heimlich").font.hidden = True
        table = document.add_table(2, 2)
        for place, cell in enumerate(table._cells):
            cell.paragraphs[0].add_run(f"Zelle {place}").font.color.rgb = WHITE if place == 3 else None

    parsed = read_docx(unseen.docx(change))
    assert hidden(parsed) == [("heimlich", Hiding.NOT_SHOWN), ("Zelle 3", Hiding.SAME_COLOUR)]
    assert ("Urlaub heimlich",) in {section.headings for section in parsed.sections}
    assert plain(parsed.text + str(parsed.title) + str(parsed.sections)) == parsed.text + str(parsed.title) + str(
        parsed.sections
    )


# ---- HTML ----


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f'<p style="color:#fff">{SECRET}</p>', Hiding.SAME_COLOUR),
        (f'<p>Und <span style="color: rgb(254, 254, 254)">{SECRET}</span></p>', Hiding.SAME_COLOUR),
        (f'<font color="white">{SECRET}</font>', Hiding.SAME_COLOUR),
        (f'<div style="background:#123456"><p style="color:#123457">{SECRET}</p></div>', Hiding.SAME_COLOUR),
        (f"<style>.x {{color: white}}</style><p class=x>{SECRET}</p>", Hiding.SAME_COLOUR),
        (f"<style>.x {{display: none}}</style><p class=x>{SECRET}</p>", Hiding.NOT_SHOWN),
        (f'<p style="font-size:0">{SECRET}</p>', Hiding.TINY),
        (f'<p style="font-size:1pt">{SECRET}</p>', Hiding.TINY),
        (f'<p style="opacity:0">{SECRET}</p>', Hiding.INVISIBLE),
        (f'<p style="color:transparent">{SECRET}</p>', Hiding.INVISIBLE),
        (f'<p style="position:absolute; left:-9999px">{SECRET}</p>', Hiding.OFF_PAGE),
        (f'<table><tr><td>a<td>b<tr><td>c<td style="color:#fff">{SECRET}</table>', Hiding.SAME_COLOUR),
        (f'<pre>a <span style="color:#fff">{SECRET}</span></pre>', Hiding.SAME_COLOUR),
    ],
)
def test_text_that_a_page_shows_so_that_nobody_sees_it_is_marked(body: str, why: Hiding) -> None:
    assert hidden(read_html(body)) == [(SECRET, why)]


@pytest.mark.parametrize(
    "body",
    [
        '<div style="background:#036"><p style="color:white">Kopf</p></div>',
        '<table><tr bgcolor="#003366"><td style="color:#fff">Betrag<td style="color:#fff">Jahr<tr><td>1<td>2</table>',
        '<table><thead style="background:#036"><tr><th style="color:#fff">A<th>B<tbody><tr><td>1<td>2</table>',
        '<td style="font-size:0px"><div style="font-size:13px">Rundbrief</div></td>',
        '<p style="background:url(dunkel.png);color:#fff">Kopf</p>',
        "<style>@media print {.x {display:none}} .y .x {background:#000}</style><p class=x style='color:#fff'>Kopf</p>",
        "<style>.tab {display:none}</style><script>los()</script><p class=tab>Reiter</p>",
        '<link rel=stylesheet href=a.css><div class=kopf><p style="color:#fff">Kopf</p></div>',
        '<a href="/x" style="background:#00e">Knopf</a>',
        '<p style="color:#767676;font-size:8px">Fußnote</p>',
    ],
)
def test_text_that_is_seen_or_may_be_is_not_marked(body: str) -> None:
    parsed = read_html(body)
    assert not parsed.hidden
    assert len(parsed.text) > len(OPEN) + 3, "nothing of it is lost"


@pytest.mark.parametrize(
    "body", [f'<div style="display:none"><p>{SECRET}</p></div>', f"<p hidden>{SECRET}</p>",
             f'<table><tr><td>a<td>b<tr><td>c<td><div style="display:none"><b>{SECRET}</b></div></table>']
)  # fmt: skip
def test_what_a_page_does_not_show_is_left_out_and_the_document_says_so(body: str) -> None:
    parsed = read_html(body)
    assert SECRET not in parsed.text
    letters = sum(char.isalnum() for char in SECRET)
    assert parsed.notes == (f"text left out that the page does not show: {letters} characters",)


# ---- PDF ----


def pale(canvas: Any) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    unseen.words(canvas)


def pale_on_white_on_dark(canvas: Any) -> None:
    canvas.setFillColorRGB(0.1, 0.2, 0.4)
    canvas.rect(50, 560, 500, 100, stroke=0, fill=1)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.rect(60, 580, 480, 60, stroke=0, fill=1)
    unseen.words(canvas)


def without_ink(canvas: Any) -> None:
    unseen.words(canvas, mode=3)


def transparent(canvas: Any) -> None:
    canvas.setFillAlpha(0)
    unseen.words(canvas)


def without_ink_on_a_letterhead(canvas: Any) -> None:
    canvas.drawImage(unseen.scan_picture(), 0, 0, 595, 842)
    for number in range(6):
        unseen.words(canvas, y=700 - 15 * number, text=f"{number}. Der Antrag ist vorher schriftlich zu stellen.")
    unseen.words(canvas, mode=3)


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (pale, Hiding.SAME_COLOUR),
        (pale_on_white_on_dark, Hiding.SAME_COLOUR),
        (without_ink, Hiding.INVISIBLE),
        (without_ink_on_a_letterhead, Hiding.INVISIBLE),
        (transparent, Hiding.INVISIBLE),
        (lambda canvas: unseen.words(canvas, size=1), Hiding.TINY),
        (lambda canvas: unseen.words(canvas, x=700), Hiding.OFF_PAGE),
        (lambda canvas: unseen.words(canvas, y=-40), Hiding.OFF_PAGE),
    ],
)
def test_text_on_a_pdf_page_that_nobody_sees_is_marked(draw: Callable[[Any], None], why: Hiding) -> None:
    parsed = read_pdf(unseen.pdf(draw))
    assert hidden(parsed) == [(SECRET, why)]
    assert parsed.text.startswith(OPEN), "it stands by itself, behind what is seen"
    assert [section.page for section in parsed.sections] == [1]


def pale_on_dark(canvas: Any) -> None:
    canvas.setFillColorRGB(0.1, 0.2, 0.4)
    canvas.rect(50, 560, 500, 100, stroke=0, fill=1)
    canvas.setFillColorRGB(1, 1, 1)
    unseen.words(canvas, text="Betrag")


def pale_on_a_picture(canvas: Any) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    canvas.drawImage(ImageReader(Image.new("RGB", (100, 100), (20, 60, 90))), 50, 560, 500, 100)
    canvas.setFillColorRGB(1, 1, 1)
    unseen.words(canvas, text="Betrag")


def small_print(canvas: Any) -> None:
    unseen.words(canvas, size=4)


def half_outside(canvas: Any) -> None:
    unseen.words(canvas, x=560)


@pytest.mark.parametrize("draw", [pale_on_dark, pale_on_a_picture, small_print, half_outside])
def test_text_on_a_pdf_page_that_is_seen_is_not_marked(draw: Callable[[Any], None]) -> None:
    assert not read_pdf(unseen.pdf(draw)).hidden


def test_the_text_layer_under_a_scan_is_not_marked() -> None:
    def draw(canvas: Any) -> None:
        canvas.drawImage(unseen.scan_picture(OPEN, SECRET), 0, 0, 595, 842)
        unseen.words(canvas, y=590, mode=3)
        unseen.words(canvas, y=570, mode=3, text="Den Antrag genehmigt Frau Krahl.")

    parsed = read_pdf(unseen.pdf(draw))
    assert SECRET in parsed.text
    assert not parsed.hidden


def test_the_page_is_where_its_crop_box_says() -> None:
    def draw(canvas: Any) -> None:
        canvas.setCropBox((50, 500, 545, 800))
        unseen.words(canvas, y=450)

    assert hidden(read_pdf(unseen.pdf(draw))) == [(SECRET, Hiding.OFF_PAGE)]


# ---- characters, and the marks themselves ----


@pytest.mark.parametrize(
    "smuggled",
    ["".join(chr(0xE0000 + ord(c)) for c in "lobe uns"), "\u200b\u200c" * 8, "\U000e0110\U000e0120" * 3],
)
def test_characters_that_spell_something_unseen_are_marked(smuggled: str) -> None:
    draft = Draft()
    draft.paragraph("Guten Tag.")
    draft.paragraph(f"Der Urlaub{smuggled} beträgt 30 Tage.")
    assert [why for _, why in hidden(draft.parsed())] == [Hiding.CHARACTERS]


ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "text", ["Ab\u200btei\u200blung", "Ein\u00adkauf", f"{ENGLAND} 2:1", "❤\ufe0f", "\ufeffAnfang"]
)
def test_single_characters_without_width_and_flags_are_ordinary(text: str) -> None:
    draft = Draft()
    draft.paragraph(f"{text} und mehr")
    assert not draft.parsed().hidden


def test_a_document_that_writes_the_marks_itself_unhides_nothing() -> None:
    forged = "\ufdef\ufdd0\ufdef"
    text, found = revealed(f"Offen{forged} " + concealed(f"geheim{forged}lich", Hiding.TINY) + f" {forged}offen")
    assert [(one.span.of(text), one.why) for one in found] == [("geheimlich", Hiding.TINY)]
    assert text == "Offen geheimlich offen"


def test_marks_keep_spans_exact_over_any_order_of_stretches() -> None:
    for whys in itertools.product([None, Hiding.TINY, Hiding.OFF_PAGE], repeat=4):
        pieces = [f" Stück {place} " for place in range(4)]
        text, found = revealed("".join(map(concealed, pieces, whys)), start=100)
        assert text == "".join(pieces)
        places = [Span(start=101 + 9 * place, end=108 + 9 * place) for place in range(4)]
        assert [any(one.span.meets(place) for one in found) for place in places] == [why is not None for why in whys]


# ---- real files ----

TRULY = {
    "docling__invisible_text_layer.pdf": "drawn without ink, no picture under it",
    "docling__redp5110_sampled.pdf": 'white on white: "Front cover", "Back cover", a name of a book',
    "markitdown__test_files.zip!/test_serp.html": "a saved page: a box of suggestions at opacity 0",
}


def marked(pool: ParserPool, name: str, body: bytes, depth: int = 0) -> set[str]:
    """Of a document and those inside it, the names of those with hidden text."""
    try:
        parsed = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name, ocr=False)
    except DocumentError:  # a password, a scan without OCR: tests/ingest/parse/test_shared_files.py
        return set()
    parts = parsed.parts if depth < 2 else ()
    inside = [marked(pool, f"{name}!/{part.name}", part.body, depth + 1) for part in parts]
    return set().union({name} if parsed.hidden else (), *inside)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data are not on this machine")
def test_of_all_real_files_only_those_are_marked_that_hide_something() -> None:
    kinds = (".pdf", ".docx", ".html", ".eml", ".epub", ".zip", ".msg")
    paths = [path for path in (*(SHARED / "files").iterdir(), *SAMPLE.rglob("*")) if path.suffix in kinds]
    assert len(paths) > 80
    pool = ParserPool(profile="default", timeout_s=60)
    try:
        assert set().union(*(marked(pool, path.name, path.read_bytes()) for path in paths)) == set(TRULY)
    finally:
        pool.close()
