"""A statement in a model's own words, as it answers a question: what it says with another compound, and where it
repeats a name that only the document's headings hold. And what looks like it and is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.answers import Passage
from rag.ask.check import Checker
from rag.ask.flaws import Flaw
from rag.store.words import WordIndex
from tests.ask.test_cite import passage

LEAVE = (
    "Vollzeitbeschäftigte mit einer Fünftagewoche haben Anspruch auf 30 Arbeitstage Erholungsurlaub im Kalenderjahr. "
    "Beschäftigte in der Wechselschicht erhalten zwei Zusatztage. Die Probezeit dauert 6 Monate."
)
SICK = "| Length of service | Full pay |\n| --- | --- |\n| Up to 2 years | 4 weeks |\n| More than 2 years | 10 weeks |"
WHOLE_PATH = ("Employee Handbook for the Leeds Office", "4 Sickness", "4.2 Company sick pay")

Ask = Callable[..., Flaw]


@pytest.fixture
def words(tmp_path: Path) -> Iterator[WordIndex]:
    index = WordIndex(tmp_path / "words")
    yield index
    index.close()


@pytest.fixture
def asked(words: WordIndex) -> Ask:
    def flaw(statement: str, given: Passage, question: str) -> Flaw:
        return Checker([given], stems=words.stems, question=question).check(statement).flaw

    return flaw


@pytest.mark.parametrize(
    "statement",
    [
        "Für Vollzeitstelle stehen mir 30 Urlaubstage zu.",
        "Bei einer Vollzeitstelle stehen Ihnen 30 Urlaubstage zu.",
        "Ihnen stehen 30 Tage Urlaub zu.",
    ],
)
def test_another_compound_for_the_same_thing_is_supported(asked: Ask, statement: str) -> None:
    given = replace(passage(LEAVE), title="Richtlinie Urlaub")
    assert asked(statement, given, "Wie viele Urlaubstage stehen mir bei einer Vollzeitstelle zu?") is Flaw.NONE


@pytest.mark.parametrize(
    "statement",
    [
        "Bei einer Teilzeitstelle stehen Ihnen 30 Urlaubstage zu.",
        "Bei einer Vollzeitstelle stehen Ihnen 28 Urlaubstage zu.",
        "Die Elternzeit dauert 6 Monate.",
    ],
)
def test_a_compound_of_something_else_is_not(asked: Ask, statement: str) -> None:
    given = replace(passage(LEAVE), title="Richtlinie Urlaub")
    assert asked(statement, given, "Wie viele Urlaubstage stehen mir bei einer Vollzeitstelle zu?") is not Flaw.NONE


def test_a_name_may_stand_in_any_heading_above_and_no_other_name_may(asked: Ask) -> None:
    plain = passage(SICK, context="Employee Handbook\n4 Sickness\n4.2 Company sick pay")
    given = replace(plain, chunk=replace(plain.chunk, headings=WHOLE_PATH))
    question = "How many weeks of full sick pay do colleagues in Leeds get after more than two years?"
    said = "Colleagues in Leeds get 10 weeks of full sick pay after more than two years."
    assert asked(said, given, question) is Flaw.NONE
    assert asked(said.replace("Leeds", "Dayton"), given, question) is Flaw.NAME


def test_two_words_that_stand_there_joined_by_a_hyphen_are_no_other_name(asked: Ask) -> None:
    table = "| Anlass | PPAP-Stufe | Teile |\n| --- | --- | --- |\n| Lieferantenwechsel Härterei | 4 | 8 |"
    given = passage(table, context="Erstmusterprüfung und PPAP\nQM-VA-11 Umfang")
    assert asked("PPAP Stufe bei Wechsel der Härterei: 4", given, "PPAP Stufe bei Wechsel der Härterei") is Flaw.NONE


def test_the_figure_of_another_thing_of_its_sort_is_not_lent(words: WordIndex) -> None:
    prices = "| Item | Unit price |\n| --- | --- |\n| MKS-6, 200 mm | EUR 31.40 |\n| MKS-8, 200 mm | EUR 53.20 |"
    plans = "Für die MKS-4 sind Entwicklungskosten von 640.000 Euro angesetzt."
    checker = Checker([passage(prices), passage(plans, number=1)], stems=words.stems)
    assert not checker.check("The unit price of the MKS-4 is EUR 31.40.").supported
    assert checker.check("The unit price of the MKS-6 is EUR 31.40.").supported


def test_what_a_question_measures_by_is_no_subject_of_the_answer(asked: Ask) -> None:
    table = "| Bereich | Budget 2024 | Budget 2025 |\n| --- | --- | --- |\n| Weiterbildung | 160000 | 175000 |"
    said = "Das Weiterbildungsbudget 2025 beträgt 175000 Euro."
    assert asked(said, passage(table), "Wie hoch ist das Weiterbildungsbudget 2025?") is Flaw.NONE


@pytest.mark.parametrize(("word", "flaw"), [("Kundenlogo", Flaw.NONE), ("Pohlert", Flaw.NAME)])
def test_a_compound_that_begins_with_a_common_noun_is_no_name(asked: Ask, word: str, flaw: Flaw) -> None:
    given = passage("Die Laserbeschriftung der Spindeln mit Zeichen des Bestellers kostet 1,20 Euro.")
    assert asked(f"Die Laserbeschriftung der Spindeln mit {word} kostet 1,20 Euro.", given, "") is flaw


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("After four years of service, you get 27 days of leave.", Flaw.NONE),
        ("After four years of service, you get 25 days of leave.", Flaw.FIGURE),
        ("After seven years of service, you get 27 days of leave.", Flaw.FIGURE),
    ],
)
def test_a_case_of_the_question_finds_the_range_it_lies_in(asked: Ask, statement: str, flaw: Flaw) -> None:
    table = "| Length of service | Days of leave |\n| --- | --- |\n| Up to 2 years | 25 |\n| 3 to 5 years | 27 |"
    assert asked(statement, passage(table), "How many days of leave do I get after four years?") is flaw
