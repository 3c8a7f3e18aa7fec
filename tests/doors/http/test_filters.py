"""What a question can be limited to: over HTTP, and with the page's controls in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from rag.answers import Outcome
from rag.filters import NONE, TYPES, Filters
from rag.text.sentences import LANGUAGES, texts
from tests.doors.http.conftest import served
from tests.doors.http.house import House, Paper, ending

Shown = Callable[..., Any]


@pytest.fixture
def shown(house: House, browser: Any) -> Iterator[Callable[..., Any]]:
    """A page of the house with its filters open."""
    with served(house) as address:
        contexts = []

        def page(*, locale: str = "de", **options: Any) -> Any:
            contexts.append(browser.new_context(locale=locale, **options))
            opened = contexts[-1].new_page()
            opened.set_default_timeout(30_000)
            opened.goto(address)
            with opened.expect_response("**/api/filters"):
                opened.click("#filters summary")
            opened.wait_for_selector("#filter-type option:nth-child(2)", state="attached")
            return opened

        yield page
        for context in contexts:
            context.close()


def asked(page: Any, house: House, question: str = "Wie lang ist der Urlaub?") -> Filters:
    before = len(house.filters)
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_selector(".answer:first-child[data-step=done]")
    (filters,) = house.filters[before:]
    return filters


def test_only_what_may_be_read_is_offered(client: Any) -> None:
    assert client.get("/api/filters").json() == {
        "sources": ["house"],
        "types": ["docx", "pdf"],
        "languages": ["de", "en", "other"],
    }


def test_a_question_without_a_choice_is_limited_by_nothing(house: House, shown: Shown) -> None:
    page = shown()
    assert asked(page, house) == NONE
    assert page.inner_text(".scope") == ""


def test_every_choice_reaches_the_search_and_stands_over_the_answer(house: House, shown: Shown) -> None:
    page = shown()
    page.get_by_label("Dokumentart").select_option(label="PDF")
    page.get_by_label("Sprache der Dokumente").select_option(label="Deutsch")
    page.get_by_label("Stand ab").fill("2024-03-01")
    page.get_by_label("Ordner").fill(" ./personal/ ")
    filters = asked(page, house)
    assert filters == Filters(
        types=frozenset(TYPES["pdf"]),
        languages=frozenset({"de"}),
        since=date(2024, 3, 1),
        paths=frozenset({"personal/"}),
    )
    assert page.inner_text(".scope") == "Eingegrenzt auf Deutsch · PDF · ab 01.03.2024 · personal/"
    assert page.inner_text("#filters summary") == "Eingrenzen: Deutsch · PDF · ab 01.03.2024 · personal/"


def test_the_sources_are_offered_where_there_are_several(house: House, shown: Shown) -> None:
    assert not shown().is_visible("#filter-source")
    other = Paper(
        key="e" * 24, title="Satzung", name="satzung.txt", text="Die Satzung gilt.", found="Die Satzung gilt."
    )
    house.add(other, source="verein")
    page = shown()
    page.get_by_label("Ablage", exact=True).select_option("verein")
    assert asked(page, house) == Filters(sources=frozenset({"verein"}))


@pytest.mark.parametrize("outcome", [Outcome.NOTHING_FOUND, Outcome.UNSUPPORTED])
def test_where_nothing_is_found_under_filters_the_question_can_be_asked_without(
    house: House, shown: Shown, outcome: Outcome
) -> None:
    house.script = ending(outcome)
    page = shown()
    page.get_by_label("Dokumentart").select_option("pdf")
    asked(page, house)
    house.script = None
    page.get_by_role("button", name="Ohne Eingrenzung fragen").click()
    page.wait_for_selector(".answer:first-child .cite")
    assert house.filters[-1] == NONE
    assert page.inner_text("#filters summary") == "Eingrenzen"


def test_an_answer_without_filters_does_not_offer_to_leave_them_out(house: House, shown: Shown) -> None:
    house.script = ending(Outcome.NOTHING_FOUND)
    page = shown()
    asked(page, house)
    assert not page.is_visible(".wider")


def test_the_filters_stay_for_the_next_question_and_are_cleared_at_once(house: House, shown: Shown) -> None:
    page = shown()
    page.get_by_label("Ordner").fill("hr/")
    asked(page, house)
    assert asked(page, house).paths == {"hr/"}
    assert not page.is_visible(".controls"), "the answer has the room"
    page.click("#filters summary")
    page.get_by_role("button", name="Nichts eingrenzen").click()
    assert asked(page, house) == NONE
    assert not page.is_visible("#unfilter")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_has_a_name_in_every_language(language: str) -> None:
    assert {key.removeprefix("js.type.") for key in texts(language) if key.startswith("js.type.")} == set(TYPES)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_controls_fit_the_screen_and_each_has_a_name(shown: Shown, width: int) -> None:
    page = shown(locale="en", viewport={"width": width, "height": 740})
    page.get_by_label("Folder").fill("personal/protokolle/" * 12)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for label in ("Kind of document", "Language of documents", "Dated on or after", "Folder"):
        assert page.get_by_label(label).is_visible()


def test_a_service_that_offers_nothing_leaves_the_page_usable(house: House, browser: Any) -> None:
    with served(house) as address:
        context = browser.new_context(locale="de")
        page = context.new_page()
        page.route("**/api/filters", lambda route: route.abort())
        page.goto(address)
        page.click("#filters summary")
        page.get_by_label("Sprache der Dokumente").select_option("en")
        assert asked(page, house).languages == {"en"}
        context.close()
