"""Pictures of text are read where the caller wants it, and said to be left out where not."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator, Sequence

import pytest

from rag.errors import EmptyDocument
from rag.ingest.parse import ParserPool, media_type_of, pictures
from rag.ingest.parse import ocr as ocr_engines
from rag.ingest.parse.draft import Draft
from tests.ingest.parse import makers
from tests.ingest.parse.makers import Line, members_of

engine = pytest.mark.skipif(ocr_engines.available() == ocr_engines.OFF, reason="no OCR engine on this machine")
SCAN = [[Line("Prüfbericht über die Größe der Härteöfen", y=700, size=14)]]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool() as opened:
        yield opened


def png(lines: Sequence[Line] = SCAN[0], *, turned: int = 0, height: int | None = None) -> bytes:
    """A page as a picture, turned clockwise by so many degrees; only its upper part where `height` says (in points)."""
    import pypdfium2

    document, out = pypdfium2.PdfDocument(makers.pdf([lines])), io.BytesIO()
    picture = document[0].render(scale=200 / 72).to_pil()
    if height is not None:
        picture = picture.crop((0, 0, picture.width, int(height * 200 / 72)))
    picture.rotate(-turned, expand=True).save(out, format="PNG")
    document.close()
    return out.getvalue()


@engine
def test_each_request_says_whether_scans_are_read(pool: ParserPool) -> None:
    body = makers.scan(SCAN)
    for _ in range(2):  # by the same child
        with pytest.raises(EmptyDocument, match=r"^no text: scan and OCR is off$"):
            pool.parse(body, media_type="application/pdf", name="scan.pdf", ocr=False)
        assert "Härteöfen" in pool.parse(body, media_type="application/pdf", name="scan.pdf", ocr=True).text
        assert "Härteöfen" in pool.parse(body, media_type="application/pdf", name="scan.pdf").text


def test_a_picture_with_ocr_off_says_so(pool: ParserPool) -> None:
    with pytest.raises(EmptyDocument, match=r"^no text: picture and OCR is off$"):
        pool.parse(png(), media_type="image/png", name="tafel.png", ocr=False)


def test_a_pool_without_ocr_reads_no_scan_whatever_the_request_says() -> None:
    with ParserPool(ocr=False) as pool, pytest.raises(EmptyDocument, match="OCR is off"):
        pool.parse(makers.scan(SCAN), media_type="application/pdf", name="scan.pdf", ocr=True)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine without what it reads pictures with: no program is on its path, the module is not to be found."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    ocr_engines.available.cache_clear()
    yield
    ocr_engines.available.cache_clear()


@pytest.mark.usefixtures("no_engine")
def test_a_machine_without_an_engine_is_told_apart_from_ocr_off() -> None:
    assert ocr_engines.available() == ocr_engines.OFF
    with (
        ParserPool() as pool,
        pytest.raises(EmptyDocument, match=r"^no text: picture and this machine has no OCR engine$"),
    ):
        pool.parse(png(), media_type="image/png", name="tafel.png")


def test_a_pdf_with_one_scanned_page_gives_the_others_and_a_note(pool: ParserPool) -> None:
    import pypdfium2

    both = pypdfium2.PdfDocument.new()
    for part in (makers.pdf([[Line("Diese Seite trägt Text, nicht nur ein Bild.")]]), makers.scan(SCAN)):
        with pypdfium2.PdfDocument(part) as opened:
            both.import_pages(opened)
    out = io.BytesIO()
    both.save(out)
    both.close()
    parsed = pool.parse(out.getvalue(), media_type="application/pdf", name="a.pdf", ocr=False)
    assert "Diese Seite trägt Text" in parsed.text
    assert parsed.notes == ("1 page left out: scanned, and OCR is off",)


@engine
def test_the_recipe_with_ocr_is_another_than_without(pool: ParserPool) -> None:
    assert pool.recipe() == pool.recipe(ocr=True) == pool.fingerprint
    assert pool.recipe(ocr=False) != pool.fingerprint
    with ParserPool(ocr=False) as off:
        assert off.recipe(ocr=True) == off.recipe(ocr=False) == pool.recipe(ocr=False)


PROSE = makers.paragraph(
    ["Der Urlaub beträgt jährlich mindestens vierundzwanzig", "Werktage, sofern nichts anderes vereinbart ist.",
     "Resttage verfallen am 31. März des Folgejahres."], y=760, size=13,
)  # fmt: skip


@engine
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_turned_picture_is_read(pool: ParserPool, turned: int) -> None:
    text = pool.parse(png(PROSE, turned=turned), media_type="image/png", name="tafel.png").text
    assert "mindestens vierundzwanzig Werktage" in " ".join(text.split())
    assert "verfallen am 31. März" in text


@engine
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_scan_on_a_turned_page_is_read(pool: ParserPool, turned: int) -> None:
    import pypdfium2

    document, out = pypdfium2.PdfDocument(makers.scan([PROSE])), io.BytesIO()
    document[0].set_rotation(turned)
    document.save(out)
    document.close()
    text = pool.parse(out.getvalue(), media_type="application/pdf", name="scan.pdf").text
    assert "mindestens vierundzwanzig Werktage" in " ".join(text.split())


NOTICE = [Line("Hinweis am Tor Nord: Schutzhelm tragen", y=800, size=16)]


def in_docx(picture: bytes) -> bytes:
    import docx

    made, out = docx.Document(), io.BytesIO()
    made.add_heading("Sicherheit", 1)
    made.add_paragraph("Der Aushang:")
    made.add_picture(io.BytesIO(picture))
    made.save(out)
    return out.getvalue()


def in_pptx(picture: bytes) -> bytes:
    import pptx

    made, out = pptx.Presentation(), io.BytesIO()
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "Sicherheit"
    slide.shapes.add_picture(io.BytesIO(picture), 0, 0)
    made.save(out)
    return out.getvalue()


def in_odt(picture: bytes) -> bytes:
    frame = (
        '<text:p><draw:frame xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0">'
        '<draw:image xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="Pictures/a.png"/></draw:frame></text:p>'
    )
    return makers.odt(
        body=f'<text:h text:outline-level="1">Sicherheit</text:h>{frame}', pictures={"Pictures/a.png": picture}
    )


def in_html(picture: bytes) -> bytes:
    data = base64.b64encode(picture).decode()
    return f'<h1>Sicherheit</h1><p>Der Aushang: <img src="data:image/png;base64,{data}"></p>'.encode()


def in_pdf(picture: bytes) -> bytes:
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(72, 780, "Sicherheit")
    canvas.setFont("Helvetica", 10)
    canvas.drawString(72, 740, "Der Aushang am Eingang ist zu beachten, er hat diesen Wortlaut:")
    canvas.drawImage(ImageReader(io.BytesIO(picture)), 72, 500, width=450, height=60)
    canvas.save()
    return out.getvalue()


@engine
@pytest.mark.parametrize("profile", ["default", "fallback"])
@pytest.mark.parametrize(
    ("name", "make"),
    [("a.docx", in_docx), ("a.pptx", in_pptx), ("a.odt", in_odt), ("a.html", in_html), ("a.pdf", in_pdf)],
)
def test_a_picture_inside_a_document_is_read_where_it_stands(profile: str, name: str, make: object) -> None:
    body = make(png(NOTICE, height=80))  # type: ignore[operator]  # a function
    with ParserPool(profile=profile) as pool:
        parsed = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)
        unread = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name, ocr=False)
    found = next(each for each in parsed.sections if "Schutzhelm tragen" in each.span.of(parsed.text))
    assert found.headings == ("Sicherheit",)
    assert parsed.notes == ("1 picture read by OCR",)
    assert "Schutzhelm" not in unread.text
    assert unread.notes == ("1 picture left out: OCR is off",)


@engine
def test_a_logo_on_every_slide_is_read_once(pool: ParserPool) -> None:
    import pptx

    made, out, picture = pptx.Presentation(), io.BytesIO(), png(NOTICE, height=80)
    for number in range(3):
        slide = made.slides.add_slide(made.slide_layouts[5])
        slide.shapes.title.text = f"Folie {number}"
        slide.shapes.add_picture(io.BytesIO(picture), 0, 0)
    made.save(out)
    parsed = pool.parse(out.getvalue(), media_type=media_type_of("a.pptx", out.getvalue()), name="a.pptx")
    assert parsed.text.count("Schutzhelm") == 1


def test_a_broken_picture_costs_itself_and_not_the_document(pool: ParserPool) -> None:
    body = in_docx(png(NOTICE, height=80))
    members = {
        name: data[: len(data) // 2] if name.endswith(".png") else data for name, data in members_of(body).items()
    }
    parsed = pool.parse(makers.zipped(members), media_type=media_type_of("a.docx", body), name="a.docx")
    assert "Der Aushang:" in parsed.text


@engine
def test_a_document_full_of_pictures_has_the_first_of_them_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MAX_INSIDE", 2)
    draft, inside = Draft(), pictures.PicturesInside(ocr_engines.Ocr(ocr_engines.available()))
    for word in ("Schutzhelm", "Handschuhe", "Schutzbrille", "Gehörschutz"):
        inside.write(draft, png([Line(f"Hier bitte immer {word} tragen", y=800, size=16)], height=80))
    inside.finish(draft)
    parsed = draft.parsed()
    assert "Handschuhe" in parsed.text
    assert "Schutzbrille" not in parsed.text
    assert parsed.notes == ("2 pictures read by OCR", "2 pictures left out")


def test_a_photograph_is_not_taken_for_text() -> None:
    from PIL import Image

    shades = bytes((x * 3 + y * 2 + (x * y) % 37) % 256 for y in range(300) for x in range(300))
    assert not pictures._has_a_ground(Image.frombytes("L", (300, 300), shades))
    assert pictures._has_a_ground(Image.open(io.BytesIO(png(NOTICE, height=80))))
