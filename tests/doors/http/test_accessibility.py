"""The page under axe-core, in each state a person meets. Needs axe.min.js: $AXE_CORE or axe-playwright-python."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rag.answers import Outcome
from tests.doors.http.conftest import served
from tests.doors.http.house import House, cited, ending, sentence
from tests.doors.http.test_page_rooms import HOURS, STATUS

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe() -> str:
    spec = find_spec("axe_playwright_python")
    packaged = Path(spec.origin).with_name("axe.min.js") if spec is not None and spec.origin else None
    path = Path(os.environ["AXE_CORE"]) if "AXE_CORE" in os.environ else packaged
    if path is None or not path.is_file():
        pytest.skip("axe-core is not installed: set AXE_CORE or install axe-playwright-python")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_state_of_the_question_page_has_a_barrier_axe_knows(
    house: House, browser: Any, axe: str, language: str, width: int
) -> None:
    written = (sentence("Belegt.", cited(house.passages[0], 1)), sentence("Unbelegt."))
    with served(house) as address:
        page = opened(browser, language=language, width=width)
        page.goto(address)
        page.evaluate(axe)
        assert barriers(page) == []
        for part in ("#filters", "#history"):
            page.click(f"{part} summary")
        page.wait_for_selector("#filter-type option[value=pdf]", state="attached")
        page.fill("#filter-path", "personal/")
        assert barriers(page) == [], "with filters and history open"
        page.fill("#filter-path", "")
        for outcome in Outcome:
            house.script = ending(outcome, *(written if outcome in (Outcome.ANSWERED, Outcome.INCOMPLETE) else ()))
            page.fill("#question", f"Was gilt bei {outcome}?")
            page.keyboard.press("Enter")
            page.wait_for_selector(f".answer:first-child[data-outcome={outcome}]")
        page.locator(".feedback [value=wrong]").first.click()
        page.wait_for_function("() => document.querySelector('.thanks').textContent")
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert barriers(page) == [], "with every outcome, everything open"
        page.locator(".cite").first.click()
        page.wait_for_selector("#panel-text p", state="attached")
        assert barriers(page) == [], "with a source open"
        page.context.close()


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_state_of_the_list_of_documents_has_a_barrier_axe_knows(
    many: House, browser: Any, axe: str, language: str, width: int
) -> None:
    many.ledger.source_offline("einkauf", "Host is down")
    with served(many) as address:
        page = opened(browser, language=language, width=width)
        page.goto(address + "/documents?sort=title")
        page.evaluate(axe)
        page.wait_for_selector("#list .failure", state="attached")
        page.wait_for_selector("#progress:visible")
        assert barriers(page) == []
        page.locator("#list button.title").first.click()
        page.wait_for_selector("#panel-text p")
        assert barriers(page) == [], "with a document open"
        page.keyboard.press("Escape")
        page.fill("#wanted-text", "gibt es nicht")
        page.wait_for_selector("#unmatched:visible")
        assert barriers(page) == [], "with nothing to list"
        page.context.close()


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_state_of_the_status_page_has_a_barrier_axe_knows(
    house: House, browser: Any, axe: str, language: str, width: int
) -> None:
    with served(house) as address:
        page = opened(browser, language=language, width=width)
        page.route("**/api/status", lambda route: route.fulfill(json=STATUS))
        page.route("**/api/recent", lambda route: route.fulfill(json={"since": "", "hours": HOURS}))
        page.goto(address + "/status")
        page.evaluate(axe)
        page.wait_for_selector("#outcomes svg rect")
        for summary in page.locator("figure summary").all():
            summary.click()
        assert barriers(page) == []
        page.click("#held-list button")
        assert barriers(page) == [], "while being asked"
        page.context.close()


def opened(browser: Any, *, language: str, width: int) -> Any:
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    return page


def barriers(page: Any) -> list[str]:
    """What axe finds in light and in dark, each with the element it was found on."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        run = page.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", RULES)
        found += [
            f"{scheme}: {rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in run["violations"]
            for node in rule["nodes"]
        ]
    return found
