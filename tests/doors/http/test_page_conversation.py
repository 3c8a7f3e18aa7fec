"""Follow-up questions on the page: what was said before goes with the next question, until a new one is begun."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from rag.answers import AnswerEvent, Done, Found, Passage
from rag.ask.conversation import MAX_TURN_CHARS, MAX_TURNS, Turn
from rag.question import MAX_QUESTION
from tests.doors.http.conftest import served
from tests.doors.http.house import House, answered, cited, done, sentence, unquoting

FIRST, SECOND, READ_AS = "Wie lang ist der Urlaub?", "Und für Azubis?", "Wie lang ist der Urlaub für Azubis?"
SAID = "Der Urlaub beträgt 24 Werktage. Eine Bescheinigung ist ab dem dritten Tag vorzulegen."

Shown = Callable[[], Any]


@pytest.fixture
def shown(house: House, browser: Any) -> Iterator[Callable[[], Any]]:
    """A page of the house, in a tab of its own."""
    with served(house) as address:
        contexts = []

        def page() -> Any:
            contexts.append(browser.new_context(locale="de"))
            opened = contexts[-1].new_page()
            opened.set_default_timeout(30_000)
            opened.goto(address)
            return opened

        yield page
        for context in contexts:
            context.close()


def ask(page: Any, question: str) -> None:
    number = page.locator(".answer").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_function(
        "(n) => document.querySelectorAll('.answer').length > n && !document.querySelector('#send').hidden", arg=number
    )


def test_the_first_question_comes_with_nothing_and_the_next_with_what_was_said(house: House, shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    ask(page, SECOND)
    assert house.conversations == [(), (Turn(role="user", content=FIRST), Turn(role="assistant", content=SAID))]


def test_what_was_searched_for_without_its_quotation_marks_stands_under_the_answer(house: House, shown: Shown) -> None:
    house.script = unquoting("Jahresurlaub", "<b>AZV</b>")
    page = shown()
    ask(page, "Wie lang ist der „Jahresurlaub“ nach „<b>AZV</b>“?")
    assert page.inner_text(".answer:first-child .remarks") == (
        "Keine Stelle enthält wörtlich „Jahresurlaub“ und „<b>AZV</b>“. Gesucht wurde ohne die Anführungszeichen."
    )


def test_how_a_follow_up_was_read_stands_under_the_answer_and_goes_on_with_the_conversation(
    house: House, shown: Shown
) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        for event in answered(question, passages):
            if isinstance(event, Done) and question == SECOND:
                event = Done(answer=replace(event.answer, asked=READ_AS))
            yield event

    house.script = script
    page = shown()
    ask(page, FIRST)
    assert not page.is_visible(".answer:first-child .remarks")
    ask(page, SECOND)
    assert page.inner_text(".answer:first-child .remarks") == f"Verstanden als: {READ_AS}"
    ask(page, "Und im ersten Jahr?")
    assert house.conversations[-1][2] == Turn(role="user", content=READ_AS)


def test_the_longest_conversation_that_is_read_is_not_too_large(client: Any, house: House) -> None:
    turns = [{"role": "assistant", "content": "🌞" * MAX_TURN_CHARS}] * MAX_TURNS
    question = "🌞" * MAX_QUESTION
    asked = client.post("/api/ask", json={"question": question, "conversation": turns})
    assert asked.request.headers["content-type"] == "application/json"
    assert asked.status_code == 200
    body = json.dumps({"question": question, "conversation": turns})  # every sun as two escapes
    asked = client.post("/api/ask", content=body, headers={"Content-Type": "application/json"})
    assert asked.status_code == 200
    assert [len(turns) for turns in house.conversations] == [MAX_TURNS, MAX_TURNS]


def test_a_new_question_begins_anew(house: House, shown: Shown) -> None:
    page = shown()
    assert not page.is_visible("#fresh")
    ask(page, FIRST)
    page.get_by_role("button", name="Neue Frage").click()
    assert page.evaluate("document.activeElement.id") == "question"
    assert not page.is_visible("#fresh")
    ask(page, SECOND)
    assert house.conversations[-1] == ()


def test_another_tab_and_a_page_loaded_again_know_nothing_of_it(house: House, shown: Shown) -> None:
    page = shown()
    ask(page, FIRST)
    page.reload()
    ask(page, SECOND)
    ask(shown(), SECOND)
    assert house.conversations == [(), (), ()]


def test_a_question_that_failed_is_not_part_of_it(house: House, shown: Shown) -> None:
    page = shown()
    page.route("**/api/ask", lambda route: route.abort())
    ask(page, FIRST)
    page.unroute("**/api/ask")
    ask(page, SECOND)
    assert house.conversations == [()]


def test_a_long_conversation_goes_on_with_its_newest_turns(house: House, shown: Shown) -> None:
    def long(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        said = [sentence("Ein größerer Satz. " * 300, cited(passages[0], 1))]
        yield said[0]
        yield done(question, passages, said)

    house.script = long
    page = shown()
    for number in range(MAX_TURNS // 2 + 2):
        ask(page, f"Frage {number}?")
    last = house.conversations[-1]
    assert len(last) == MAX_TURNS
    assert last[0] == Turn(role="user", content="Frage 1?")
    assert {len(turn.content) for turn in last if turn.role == "assistant"} == {MAX_TURN_CHARS}
    assert page.locator(".answer:first-child .words").count() == 1
