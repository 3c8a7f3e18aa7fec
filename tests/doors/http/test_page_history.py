"""What was asked before: in the browser alone, bounded, cleared and switched off, and never another reader's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.api.page import reader_tag
from tests.doors.http.conftest import served
from tests.doors.http.house import House

Shown = Callable[..., Any]
FIRST, SECOND = "Wie lang ist der Urlaub?", "Wann ist eine Bescheinigung vorzulegen?"
STORED = "() => JSON.parse(localStorage.getItem('archivar.history'))"


@pytest.fixture
def shown(house: House, browser: Any) -> Iterator[Shown]:
    """A page of the house, in a browser that keeps what the last test's kept of nothing."""
    with served(house) as address:
        context = browser.new_context(locale="de")

        def page() -> Any:
            opened = context.new_page()
            opened.set_default_timeout(30_000)
            opened.goto(address)
            return opened

        yield page
        context.close()


def ask(page: Any, question: str) -> None:
    number = page.locator(".answer").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_function("(n) => document.querySelectorAll('.answer[data-step=done]').length > n", arg=number)


def past(page: Any) -> list[str]:
    return list(page.locator(".asked-before").all_text_contents())


def test_a_question_is_remembered_and_asked_again_the_newest_first_and_each_once(house: House, shown: Shown) -> None:
    page = shown()
    for question in (FIRST, SECOND, FIRST):
        ask(page, question)
    page.reload()
    assert past(page) == [FIRST, SECOND]
    page.click("#history summary")
    page.get_by_role("button", name=f"Noch einmal: {SECOND}").click()
    page.wait_for_selector(".answer[data-step=done]")
    assert house.asked[-1][0] == SECOND
    assert past(page) == [SECOND, FIRST]


def test_only_questions_are_kept_and_no_word_of_an_answer_or_a_name(shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    kept = page.evaluate(STORED)
    assert set(kept) == {"reader", "on", "asked"}
    assert [set(one) for one in kept["asked"]] == [{"question", "at"}]
    assert kept["reader"] == reader_tag("local") != "local"
    assert "24 Werktage" not in json.dumps(page.evaluate("() => ({...localStorage, ...sessionStorage})"))


def test_switched_off_it_forgets_at_once_and_keeps_nothing_more(shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    page.click("#history summary")
    page.get_by_label("Meine Fragen in diesem Browser merken").uncheck()
    assert page.evaluate(STORED)["asked"] == []
    ask(page, SECOND)
    page.reload()
    assert past(page) == []
    assert not page.is_checked("#history-on")


def test_it_is_cleared_at_once(shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    page.click("#history summary")
    page.get_by_role("button", name="Alle löschen").click()
    assert past(page) == []
    assert page.evaluate(STORED)["asked"] == []
    assert page.is_checked("#history-on")


def test_another_reader_of_the_same_browser_finds_nothing_and_what_was_there_is_gone(shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    page.evaluate("() => localStorage.setItem('archivar.history', localStorage.getItem('archivar.history')"
                  ".replace(/\"reader\":\"[^\"]+\"/, '\"reader\":\"somebody else\"'))")  # fmt: skip
    page.reload()
    assert past(page) == []
    assert FIRST not in json.dumps(page.evaluate(STORED))


def test_fifty_questions_of_thirty_days_are_kept_at_most(shown: Shown) -> None:
    page = shown()
    page.evaluate(
        """(reader) => {
      const day = 24 * 3600 * 1000;
      const asked = Array.from({ length: 70 }, (_, n) => ({ question: `Frage ${n}`, at: Date.now() - n * day / 2 }));
      localStorage.setItem("archivar.history", JSON.stringify({ reader, on: true, asked }));
    }""",
        reader_tag("local"),
    )
    page.reload()
    assert len(past(page)) == 50
    ask(page, FIRST)
    assert len(page.evaluate(STORED)["asked"]) == 50
    assert past(page)[0] == FIRST
    page.evaluate(
        """(reader) => localStorage.setItem("archivar.history", JSON.stringify({ reader, on: true,
      asked: [{ question: "alt", at: Date.now() - 31 * 24 * 3600 * 1000 }] }))""",
        reader_tag("local"),
    )
    page.reload()
    assert past(page) == []


@pytest.mark.parametrize(
    "stored",
    ["{", "null", "[]", '{"asked": 5}', '{"asked": [null, 1, {"question": 5, "at": 1e99}, {"question": "x"}]}',
     '{"asked": [{"question": "' + "x" * 2001 + '", "at": 9e15}]}'],
)  # fmt: skip
def test_what_was_meddled_with_is_not_believed(shown: Shown, stored: str) -> None:
    page = shown()
    stored = stored.replace('{"asked"', f'{{"reader": "{reader_tag("local")}", "asked"')
    page.evaluate("(text) => localStorage.setItem('archivar.history', text)", stored)
    page.reload()
    assert past(page) == []
    ask(page, FIRST)
    assert past(page) == [FIRST]


def test_a_browser_that_keeps_nothing_still_asks_and_remembers_as_long_as_the_page_is_open(shown: Shown) -> None:
    page = shown()
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    page.reload()
    for question in (FIRST, SECOND):
        ask(page, question)
    assert past(page) == [SECOND, FIRST]
