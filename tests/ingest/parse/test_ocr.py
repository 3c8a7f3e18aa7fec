"""Pictures of text are read where the caller wants it, and said to be left out where not."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from rag.errors import EmptyDocument
from rag.ingest.parse import ParserPool
from rag.ingest.parse import ocr as ocr_engines
from tests.ingest.parse import makers
from tests.ingest.parse.makers import Line

engine = pytest.mark.skipif(ocr_engines.available() == ocr_engines.OFF, reason="no OCR engine on this machine")
SCAN = [[Line("Prüfbericht über die Größe der Härteöfen", y=700, size=14)]]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool() as opened:
        yield opened


def png() -> bytes:
    import pypdfium2

    document, out = pypdfium2.PdfDocument(makers.pdf(SCAN)), io.BytesIO()
    document[0].render(scale=200 / 72).to_pil().save(out, format="PNG")
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


def test_a_machine_without_an_engine_is_told_apart_from_ocr_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_engines, "available", lambda: ocr_engines.OFF)
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
