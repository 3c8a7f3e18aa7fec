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

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe() -> str:
    spec = find_spec("axe_playwright_python")
    packaged = Path(spec.origin).with_name("axe.min.js") if spec is not None and spec.origin else None
    path = Path(os.environ["AXE_CORE"]) if "AXE_CORE" in os.environ else packaged
    if path is None or not path.is_file():
        pytest.skip("axe-core is not installed: set AXE_CORE or install axe-playwright-python")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_no_state_of_the_page_has_a_barrier_axe_knows(
    house: House, browser: Any, axe: str, scheme: str, width: int
) -> None:
    written = (sentence("Belegt.", cited(house.passages[0], 1)), sentence("Unbelegt."))
    with served(house) as address:
        context = browser.new_context(
            locale="de", color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(address)
        page.evaluate(axe)
        assert barriers(page) == []
        for outcome in Outcome:
            house.script = ending(outcome, *(written if outcome in (Outcome.ANSWERED, Outcome.INCOMPLETE) else ()))
            page.fill("#question", f"Was gilt bei {outcome}?")
            page.keyboard.press("Enter")
            page.wait_for_selector(f".answer:first-child[data-outcome={outcome}]")
            assert barriers(page) == [], outcome
        page.click(".cite >> nth=0")
        page.wait_for_selector("mark")
        assert barriers(page) == []
        context.close()


def barriers(page: Any) -> list[str]:
    """What axe finds, each with the element it was found on."""
    found = page.evaluate("(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", RULES)[
        "violations"
    ]
    return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
