"""Pages of PDFs as pictures, with the cited words marked where they stand: drawn by the real child, of the version that
is indexed, for whoever may read it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from starlette.testclient import TestClient

from rag.ingest.parse import ParserPool
from rag.ingest.parse.ocr import OFF, available
from tests.doors.http.archive import HANDBOOK, LEAVE, SAMPLE, Archive, pdf

SIGNATURES = SAMPLE / "finanzen" / "unterschriftenregelung.pdf"


def _turned(degrees: int) -> bytes:
    """A page whose Rotate says it is to be turned, as scanners and landscape exports write it."""

    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(degrees)
        canvas.setFont("Helvetica", 14)
        canvas.drawString(100, 400, "Der Rabatt gilt bis zum Ende des Jahres.")

    return pdf(draw)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive(tmp_path_factory.mktemp("archive")) as opened:
        opened.put("haus/urlaub.pdf", LEAVE.read_bytes())
        opened.put("haus/unterschriften.pdf", SIGNATURES.read_bytes())
        opened.put("haus/handbook.docx", HANDBOOK.read_bytes())
        for degrees in (90, 180, 270):
            opened.put(f"haus/gedreht-{degrees}.pdf", _turned(degrees))
        opened.put("tresor/geheim.pdf", pdf("Das Gehalt beträgt 4711 Euro im Monat."))
        opened.sync()
        yield opened


def picture(client: TestClient, key: str, page: int = 1, **asked: Any) -> Image.Image:
    response = client.get(f"/api/documents/{key}/pages/{page}", params=asked)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png"), response.text
    return Image.open(io.BytesIO(response.content)).convert("L")


def marked(archive: Archive, document: str, words: str, page: int = 1) -> dict[str, Any]:
    client, key = archive.as_("anna"), archive.key(document)
    text = client.get(f"/api/documents/{key}/text").json()["text"]
    letters = map(re.escape, "".join(words.split()))
    found = re.search(r"\s*".join(letters), text)  # what is read of a turned page has its own spaces
    assert found is not None, text[:500]
    return client.get(
        f"/api/documents/{key}/pages/{page}/marks", params={"span": f"{found.start()}-{found.end()}"}
    ).json()


def ink(image: Image.Image, box: list[float]) -> float:
    """How much of a box is dark, per cent."""
    width, height = image.size
    cut = image.crop((int(box[0] * width), int(box[1] * height), int(box[2] * width) + 1, int(box[3] * height) + 1))
    return 100 * sum(cut.histogram()[:128]) / (cut.width * cut.height)


@pytest.mark.parametrize(
    ("document", "page", "words"),
    [
        ("haus:urlaub.pdf", 1, "Der Betrieb ruht vom 24. Dezember"),
        ("haus:unterschriften.pdf", 1, "In Döbernitz darf die Werkleitung allein"),
        ("haus:gedreht-90.pdf", 1, "Der Rabatt gilt bis zum Ende des Jahres."),
        ("haus:gedreht-180.pdf", 1, "Der Rabatt gilt bis zum Ende des Jahres."),
        ("haus:gedreht-270.pdf", 1, "Der Rabatt gilt bis zum Ende des Jahres."),
    ],
)
def test_the_words_stand_where_the_marks_are(archive: Archive, document: str, page: int, words: str) -> None:
    """There is ink in every box, and on a page that holds nothing else, none outside of them."""
    found = marked(archive, document, words, page)
    image = picture(archive.as_("anna"), archive.key(document), page, width=800)
    assert found["found"] and found["share"] == 1 and not found["by_ocr"]
    width, height = found["size"]
    assert abs(image.width / image.height - width / height) < 0.01
    assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in found["boxes"])
    assert all(ink(image, box) > 4 for box in found["boxes"])
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in found["boxes"])
    assert area < 0.05, "the words, not the page"
    if "gedreht" in document:
        for left, top, right, bottom in found["boxes"]:
            edges = (left * image.width - 8, top * image.height - 8, right * image.width + 8, bottom * image.height + 8)
            image.paste(255, tuple(round(edge) for edge in edges))
        assert image.getextrema() == (255, 255)


def test_a_table_row_is_marked_row_by_row(archive: Archive) -> None:
    found = marked(archive, "haus:unterschriften.pdf", "| Wert bis | Freigabe durch | Angebote |")
    assert found["share"] == 1
    assert len(found["boxes"]) == 3, "a box a cell"
    assert len({round(box[1], 3) for box in found["boxes"]}) == 1, "on one line"


def test_a_span_of_another_page_comes_without_a_mark_and_says_so(archive: Archive) -> None:
    found = marked(archive, "haus:urlaub.pdf", "Der Betrieb ruht vom 24. Dezember", page=3)
    assert (found["found"], found["boxes"], found["share"]) == (False, [], 0)
    assert found["pages"] == 3


@pytest.mark.skipif(available() == OFF, reason="no OCR engine")
def test_a_scans_words_are_marked_where_they_were_read(tmp_path: Path) -> None:
    with Archive(tmp_path, ocr=True, ingest="timeout_s = 300") as archive:
        archive.put("haus/scan.pdf", (SAMPLE / "qualitaet" / "calibration-certificate-scan.pdf").read_bytes())
        archive.sync("haus")
        client, key = archive.as_("anna"), archive.key("haus:scan.pdf")
        text = client.get(f"/api/documents/{key}/text").json()["text"]
        start = text.index("\n\n") + 2
        end = text.index("\n", start + 30)
        found = client.get(f"/api/documents/{key}/pages/1/marks", params={"span": f"{start}-{end}"}).json()
        assert found["by_ocr"] and found["found"] and found["share"] > 0.6
        image = picture(client, key, width=800)
        assert all(ink(image, box) > 2 for box in found["boxes"])


def test_a_picture_is_as_wide_as_was_asked_for(archive: Archive) -> None:
    key = archive.key("haus:urlaub.pdf")
    assert picture(archive.as_("anna"), key, width=300).width in (299, 300, 301)
    assert archive.as_("anna").get(f"/api/documents/{key}/pages/1", params={"width": 5000}).status_code == 422


def test_a_huge_page_becomes_a_small_picture(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:

        def draw(canvas: Canvas) -> None:
            canvas.setPageSize((14400, 14400))
            canvas.drawString(72, 14000, "Ein Plakat so gross wie ein Haus.")

        archive.put("haus/plakat.pdf", pdf(draw))
        archive.sync("haus")
        image = picture(archive.as_("anna"), archive.key("haus:plakat.pdf"), width=2400)
        assert image.width * image.height <= 6_100_000


@pytest.mark.parametrize("page", [0, 4, 99_999])
def test_a_page_that_is_not_there_is_not_found(archive: Archive, page: int) -> None:
    for end in ("", "/marks"):
        status = (
            archive.as_("anna").get(f"/api/documents/{archive.key('haus:urlaub.pdf')}/pages/{page}{end}").status_code
        )
        assert status == (422 if page == 0 else 404)


def test_a_document_without_pages_says_so(archive: Archive) -> None:
    response = archive.as_("anna").get(f"/api/documents/{archive.key('haus:handbook.docx')}/pages/1")
    assert (response.status_code, response.json()["code"]) == (409, "no_page_pictures")


@pytest.mark.parametrize("span", ["9-5", "0-999999", "a-b", "-1-5", "5", "٣-٥"])
def test_what_is_no_span_is_refused(archive: Archive, span: str) -> None:
    address = f"/api/documents/{archive.key('haus:urlaub.pdf')}/pages/1/marks"
    assert archive.as_("anna").get(address, params={"span": span}).status_code == 422


def test_a_file_that_changed_is_not_shown_as_what_was_cited(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        path = archive.put("haus/blatt.pdf", pdf("Erste Fassung."))
        archive.sync()
        address = f"/api/documents/{archive.key('haus:blatt.pdf')}/pages/1"
        path.write_bytes(pdf("Zweite Fassung."))
        response = archive.as_("anna").get(address)
        assert (response.status_code, response.json()["code"]) == (409, "document_changed")


def test_a_picture_that_is_kept_is_given_to_readers_alone(archive: Archive) -> None:
    """And is no other version's."""
    key = archive.key("tresor:geheim.pdf")
    assert picture(archive.as_("boss"), key).width
    for end in ("", "/marks?span=0-5"):
        refused, unknown = (archive.as_("anna").get(f"/api/documents/{one}/pages/1{end}") for one in (key, "f" * 24))
        assert refused.status_code == 404
        assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


def test_a_kept_picture_costs_no_reading(archive: Archive) -> None:
    key = archive.key("haus:unterschriften.pdf")
    first = archive.as_("anna").get(f"/api/documents/{key}/pages/1").content
    hidden = (archive.base / "haus").rename(archive.base / "weg")
    try:
        assert archive.as_("carla").get(f"/api/documents/{key}/pages/1").content == first
        assert archive.as_("carla").get(f"/api/documents/{key}/pages/2").status_code == 503
    finally:
        hidden.rename(archive.base / "haus")


def test_a_page_that_crashes_the_child_costs_that_page(archive: Archive) -> None:
    with ParserPool(profile="probe", timeout_s=60, memory_mb=200) as pool:
        with pytest.raises(Exception, match="damaged"):
            pool.picture(b"%PDF-1.4 nothing", page=1, width=500)
        assert pool.picture(LEAVE.read_bytes(), page=1, width=500).png


def test_who_looked_at_a_page_is_recorded(archive: Archive) -> None:
    key = archive.key("haus:urlaub.pdf")
    archive.as_("carla").get(f"/api/documents/{key}/pages/2")
    record = [one for one in archive.app.audit.records() if one["event"] == "viewed"][-1]
    assert (record["user"], record["document"], record["page"]) == (archive.app.audit.pseudonym("carla"), key, 2)


def test_a_version_whose_file_can_no_longer_be_read_has_no_pages_but_the_new_file(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive:
        path = archive.put("haus/blatt.pdf", pdf("Erste Fassung."))
        archive.sync("haus")
        path.write_bytes(b"%PDF-1.4 broken")
        archive.sync("haus")
        client, key = archive.as_("anna"), archive.key("haus:blatt.pdf")
        assert client.get(f"/api/documents/{key}").json()["state"] == "outdated"
        for end in ("pages/1", "pages/1/marks?span=0-5"):
            response = client.get(f"/api/documents/{key}/{end}")
            assert (response.status_code, response.json()["code"]) == (409, "document_changed")
        assert client.get(f"/api/documents/{key}/original").content == b"%PDF-1.4 broken"
