"""Dates, superseded versions, hidden text: what stands beside a passage; and documents that disagree."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rag.access import LOOPBACK
from rag.answers import Answer, Done
from rag.identity import person
from rag.text.dates import stated_date
from tests.standins import ScriptedModel, Shelf, says

QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"


def ask(
    shelf: Shelf, *said: str, question: str = QUESTION, name: str = "anna", passages: int = 8
) -> tuple[Answer, ScriptedModel]:
    model = ScriptedModel(says(*said))
    *_, done = shelf.answerer(model, evidence=0.0, passages=passages).ask(
        question, principal=person(name, {}), channel=LOOPBACK
    )
    assert isinstance(done, Done)
    return done.answer, model


def urlaub(days: int) -> str:
    return f"Der Urlaub beträgt im Kalenderjahr {days} Arbeitstage."


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Urlaub. Stand: 01.03.2024", datetime(2024, 3, 1, tzinfo=UTC)),
        ("gültig ab 1. März 2024 für alle", datetime(2024, 3, 1, tzinfo=UTC)),
        ("Valid from 12 March 2024.", datetime(2024, 3, 12, tzinfo=UTC)),
        ("Stand: März 2024", datetime(2024, 3, 1, tzinfo=UTC)),
        ("Der Stand der Dinge", None),
        ("Stand: 31.02.2024", None),
        ("Am 01.03.2024 war Sommerfest", None),
    ],
)
def test_a_document_that_states_its_date_is_dated_by_it(text: str, date: datetime | None) -> None:
    assert stated_date(text) == date


def test_the_older_version_is_shown_with_the_one_that_superseded_it_and_not_given_to_the_model(
    own_shelf: Shelf,
) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", urlaub(30))
    answer, model = ask(own_shelf, urlaub(30))
    by = {one.chunk.document_id: one.superseded_by for one in answer.passages}
    assert by == {"house:urlaub-2022.txt": "house:urlaub-2024.txt", "house:urlaub-2024.txt": None}
    assert "28 Arbeitstage" not in model.prompts[0][-1].content
    assert answer.citations[0].as_json()["superseded_by"] is None


def test_the_version_a_question_names_speaks_and_is_labelled(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", urlaub(30))
    answer, model = ask(own_shelf, urlaub(28), question="Wie viele Arbeitstage betrug der Urlaub 2022?")
    assert "superseded" in model.prompts[0][-1].content
    assert answer.citations[0].superseded_by == "house:urlaub-2024.txt"
    assert answer.citations[0].as_json()["modified"].startswith("2024-03-12")


def test_a_newer_version_that_was_not_found_still_supersedes(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", "Ganz anderer Wortlaut ohne gemeinsame Begriffe.")
    answer, _ = ask(own_shelf, urlaub(28), passages=1)
    assert [(one.chunk.document_id, one.superseded_by) for one in answer.passages] == [
        ("house:urlaub-2022.txt", "house:urlaub-2024.txt")
    ]


def test_a_version_to_come_that_was_not_found_supersedes_nothing_yet(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", f"Gültig ab 1. Januar 2999. {urlaub(30)}")
    answer, _ = ask(own_shelf, urlaub(28))
    assert {one.superseded_by for one in answer.passages} == {None}


def test_a_newer_version_the_reader_may_not_read_is_not_told(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", urlaub(30), readers=("user:chef",))
    answer, _ = ask(own_shelf, urlaub(28))
    assert [one.superseded_by for one in answer.passages] == [None]
    chefs, _ = ask(own_shelf, urlaub(30), name="chef")
    assert "house:urlaub-2024.txt" in {one.superseded_by for one in chefs.passages}


def test_one_title_twice_with_another_date_is_an_older_version(own_shelf: Shelf) -> None:
    text = "Regelung über den Urlaub der Beschäftigten. Stand: {date}. Der Antrag ist vorher zu stellen. {said}"
    own_shelf.put("alt/Urlaub der Beschäftigten.txt", text.format(date="01.03.2021", said=urlaub(28)))
    own_shelf.put("neu/Urlaub der Beschäftigten.txt", text.format(date="01.03.2024", said=urlaub(30)))
    answer, _ = ask(own_shelf, urlaub(30))
    by = {one.chunk.document_id.split("/")[0]: one.superseded_by for one in answer.passages}
    if len({one.title for one in answer.passages}) == 1:
        assert by["house:alt"] == "house:neu/Urlaub der Beschäftigten.txt" and by["house:neu"] is None


def test_a_passage_with_hidden_text_says_so_and_hides_nothing_from_the_check(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub.txt", "Der Ur\u200blaub beträgt im Kalen\u2060derjahr 30 Arbeitstage.")
    answer, model = ask(own_shelf, urlaub(30))
    assert answer.passages[0].as_json()["hidden_text"] is True
    assert answer.outcome == "answered"
    assert urlaub(30) in model.prompts[0][-1].content


def test_two_current_documents_that_give_different_figures_are_told(own_shelf: Shelf) -> None:
    own_shelf.put("ordnung.txt", urlaub(30))
    own_shelf.put("handbuch.txt", "Im Kalenderjahr beträgt der Urlaub 28 Arbeitstage.")
    answer, _ = ask(own_shelf, urlaub(30))
    (found,) = answer.disagreements
    assert {found.one.document_id, found.other.document_id} == {"house:ordnung.txt", "house:handbuch.txt"}
    assert "Die Dokumente widersprechen sich" in answer.text and "12.03.2024" in answer.text
    assert len(answer.as_json()["disagreements"][0]) == 2


@pytest.mark.parametrize(
    "other",
    [
        urlaub(30),
        "Der Urlaub beträgt in Leeds im Kalenderjahr 28 Arbeitstage.",
        "Der Sonderurlaub beträgt im Kalenderjahr 2 Arbeitstage.",
        "Der Urlaub beträgt im Kalenderjahr 6 Wochen.",
        "Der Urlaub nach RL-2022-03 beträgt im Kalenderjahr 28 Arbeitstage.",
    ],
)
def test_what_speaks_of_something_else_is_no_disagreement(own_shelf: Shelf, other: str) -> None:
    own_shelf.put("ordnung.txt", urlaub(30))
    own_shelf.put("handbuch.txt", other)
    assert ask(own_shelf, urlaub(30))[0].disagreements == ()


def test_a_superseded_version_is_no_disagreement(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub-2022.txt", urlaub(28))
    own_shelf.put("urlaub-2024.txt", urlaub(30))
    assert (
        ask(own_shelf, urlaub(30), question="Wie viele Arbeitstage beträgt der Urlaub, früher und heute?")[
            0
        ].disagreements
        == ()
    )
