"""The pages over the whole product: real files, parser, index, audit and Chromium; only the model is scripted."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rag.app import App
from rag.service.operations import Service
from rag.settings.file import load
from tests.doors.conftest import Line, Writer
from tests.doors.http.conftest import served
from tests.standins import says

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
TRUE = "Der Urlaub beträgt bei einer Vollzeitbeschäftigung im Kalenderjahr 30 Arbeitstage."
QUESTION = "Wie viele Arbeitstage Urlaub bei einer Vollzeitbeschäftigung im Kalenderjahr?"
YELLOW = (255, 222, 100)

Shown = Callable[..., Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Iterator[App]:
    """A house of a PDF, a letter and a file that cannot be read, brought in by the product itself."""
    line = Line(tmp_path_factory.mktemp("whole"), config)
    folder = line.folder / "personal"
    folder.mkdir()
    shutil.copy(SAMPLE / "personal" / "urlaubsrichtlinie-2024.pdf", folder)
    (folder / "kantine.txt").write_text("Die Kantine öffnet um elf Uhr dreißig.")
    (folder / "kaputt.pdf").write_bytes(b"%PDF-1.7 this is no such thing")
    settings = load(config=line.config, home=line.home, environ={"RAG_MODELS": str(line.folder / "no-models")})
    with App(settings) as opened:
        for _ in Service(opened).call("ingest", {"paths": [str(folder)]}):
            pass
        yield opened


@pytest.fixture
def shown(app: App, browser: Any) -> Iterator[Shown]:
    with served(app) as address:
        contexts = []

        def page(path: str = "/", **options: Any) -> Any:
            contexts.append(browser.new_context(**{"locale": "de", "reduced_motion": "reduce", **options}))
            opened = contexts[-1].new_page()
            opened.set_default_timeout(60_000)
            opened.faults = []
            opened.on("pageerror", lambda error: opened.faults.append(str(error)))
            opened.goto(address + path)
            return opened

        yield page
        for context in contexts:
            faults = [fault for opened in context.pages for fault in opened.faults]
            context.close()
            assert faults == []


def asked(page: Any, said: Writer, text: str = TRUE) -> None:
    said.pieces = (says(text),)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[data-step=done]")


def test_a_citation_of_a_pdf_opens_its_page_with_the_words_marked(shown: Shown, said: Writer) -> None:
    page = shown()
    asked(page, said)
    page.click(".cite")
    page.wait_for_selector("#panel-picture img")
    assert page.get_attribute("#panel-picture img", "alt") == "Seite 1 als Bild. Die Fundstelle ist darauf markiert."
    sheet, box = page.locator(".sheet"), page.locator(".sheet rect").first
    inside, around = box.bounding_box(), sheet.bounding_box()
    assert around["x"] < inside["x"] and inside["x"] + inside["width"] < around["x"] + around["width"]
    seen = np.asarray(Image.open(io.BytesIO(sheet.screenshot())).convert("RGB"), dtype=int)
    near = (np.abs(seen - YELLOW) < 60).all(axis=2)
    assert near.sum() > 500, "the mark is not seen"
    assert page.inner_text("#picture-number").startswith("Seite 1 von ")
    page.get_by_role("button", name="Text", exact=True).click()
    assert "30 Arbeitstage" in page.inner_text("#panel-text mark")
    assert not page.is_visible("#panel-picture")


def test_the_pages_of_a_pdf_are_turned_by_the_keyboard_and_only_the_cited_one_is_marked(
    shown: Shown, said: Writer
) -> None:
    page = shown()
    asked(page, said)
    page.click(".cite")
    page.wait_for_selector(".sheet rect")
    before, after = page.get_by_role("button", name="Vorige Seite"), page.get_by_role("button", name="Nächste Seite")
    assert before.is_disabled()
    if after.is_disabled():
        pytest.fail("the sample has one page only: there is nothing to turn")
    after.press("Enter")
    page.wait_for_selector("#panel-picture img[alt='Seite 2 als Bild.']")
    assert page.locator(".sheet rect").count() == 0
    before.press("Enter")
    page.wait_for_selector(".sheet rect")


def link_to(app: App, words: str = "") -> str:
    """As a bot in a chat posts it."""
    (entry,) = [one for one in app.ledger.entries() if one.id.endswith("urlaubsrichtlinie-2024.pdf")]
    document = app.ledger.document(entry.key)
    assert document is not None
    start = document.text.index(words)
    return f"/?document={entry.key}" + (f"&span={start}-{start + len(words)}" if words else "")


def test_a_link_from_a_chat_opens_the_document_at_its_place(app: App, shown: Shown) -> None:
    page = shown(link_to(app, "30 Arbeitstage"))
    page.wait_for_selector(".sheet rect")
    assert page.get_attribute("#panel-picture img", "alt") == "Seite 1 als Bild. Die Fundstelle ist darauf markiert."
    page.get_by_role("button", name="Text", exact=True).click()
    assert "30 Arbeitstage" in page.inner_text("#panel-text mark")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent").startswith("Über einen Link geöffnet: ")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sheet rect")


def test_a_link_without_a_place_opens_the_document_and_one_to_nothing_says_so(app: App, shown: Shown) -> None:
    page = shown(link_to(app))
    page.wait_for_selector("#panel-picture img")
    nowhere = shown("/?document=" + "f" * 24)
    nowhere.get_by_text("gibt es nicht mehr, oder Sie dürfen es nicht lesen").wait_for()
    assert not nowhere.is_visible("#panel")


def test_the_original_is_one_press_away(shown: Shown, said: Writer) -> None:
    page = shown(accept_downloads=True)
    asked(page, said)
    page.click(".cite")
    page.wait_for_selector(".sheet rect")
    with page.expect_download() as download:
        page.get_by_role("link", name="Original öffnen").click()
    assert download.value.suggested_filename == "urlaubsrichtlinie-2024.pdf"
    assert Path(download.value.path()).read_bytes() == (SAMPLE / "personal" / "urlaubsrichtlinie-2024.pdf").read_bytes()


def test_what_a_reader_thinks_of_an_answer_is_kept_with_its_receipt(app: App, shown: Shown, said: Writer) -> None:
    page = shown()
    asked(page, said)
    page.get_by_role("button", name="Veraltet").click()
    page.get_by_text("Danke, das ist notiert.").wait_for()
    page.get_by_label("Was stimmt nicht?").fill("Seit Januar sind es 31.")
    page.get_by_role("button", name="Absenden").click()
    page.wait_for_selector(".why", state="hidden")
    receipt = page.inner_text(".meta").rpartition("Beleg ")[2]
    (row,) = [row for row in app.ledger.rows("SELECT * FROM feedback") if row["receipt"] == receipt]
    assert (row["verdict"], row["reason"]) == ("outdated", "Seit Januar sind es 31.")


def test_the_documents_are_listed_with_what_failed_and_open(shown: Shown) -> None:
    page = shown("/documents")
    page.wait_for_selector("#list tbody tr")
    assert page.inner_text("#count") == "3 Dokumente, 1 davon konnten nicht gelesen werden"
    broken = page.locator("#list tr", has_text="kaputt")
    assert "beschädigt" in broken.inner_text() and "speichern Sie sie neu" in broken.inner_text()
    assert broken.get_by_role("button").count() == 0
    page.locator("#list button.title", has_text="kantine").click()
    page.get_by_text("Die Kantine öffnet um elf Uhr dreißig.").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == "kantine"


def test_the_status_page_tells_of_the_real_service(shown: Shown) -> None:
    page = shown("/status")
    page.wait_for_selector("#sources tbody tr")
    assert "writer" in page.inner_text("#model")
    assert page.inner_text("#sources tbody .title") == "personal"
    assert "beschädigt" in page.inner_text("#failures-list")
    assert page.inner_text("#index").split("\n")[:2] == ["Dokumente", "3"]
    assert page.inner_text("#queue").split("\n") == ["In Arbeit", "0 / 1", "Warten", "0"]
