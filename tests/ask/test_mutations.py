"""What is true is believed, and with one thing changed it no longer is; on passages of a small house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.ask.check import Checker
from rag.ask.flaws import Flaw
from rag.store.words import WordIndex
from tests.ask.mutations import KINDS, mutants
from tests.ask.test_cite import passage

TEXTS = (
    "Vollzeitbeschäftigte haben Anspruch auf 30 Arbeitstage Erholungsurlaub. Höchstens acht Tage werden übertragen. "
    "Übertragene Tage müssen bis zum 30. Juni 2025 genommen sein. Der Antrag ist spätestens vier Wochen vor dem "
    "Urlaub zu stellen. Den Antrag genehmigt Frau Krahl nach RL-2024-03. Der Sonderurlaub beträgt 2 Arbeitstage. "
    "Die Kosten der Anreise trägt der Arbeitgeber.",
    "Das Pfand für den Werkzeugwagen beträgt 50 Euro. Bei Verlust werden 25 Prozent einbehalten. Rauchen ist in der "
    "Halle nicht gestattet. Das Ladegerät darf in Döbernitz nicht unbeaufsichtigt laufen. Die Prüfung dauert "
    "mindestens "
    "15 Minuten.",
    "The probationary period in Leeds is five months. Notice must be given at least 14 days before the end of the "
    "month. Visitors may not enter the clean room without an escort. A new badge costs £15. Norvang receives "
    "the report "
    "within 48 hours.",
    "| Ziel | Tagessatz | Übernachtung |\n| --- | --- | --- |\n| Wien | 38 € | 145 € |\n| Leeds | 52 € | 180 € |",
)
TRUE = (
    "Vollzeitbeschäftigte haben Anspruch auf 30 Arbeitstage Erholungsurlaub.",
    "Der Erholungsurlaub für Vollzeitbeschäftigte beträgt 30 Arbeitstage.",
    "Es werden höchstens acht Tage übertragen.",
    "Übertragene Tage müssen bis zum 30. Juni 2025 genommen sein.",
    "Übertragene Tage müssen bis zum 30.06.2025 genommen sein.",
    "Der Antrag ist spätestens vier Wochen vor dem Urlaub zu stellen.",
    "Frau Krahl genehmigt den Antrag nach RL-2024-03.",
    "Der Sonderurlaub beträgt zwei Arbeitstage.",
    "Vollzeitbeschäftigte haben Anspruch auf 30 Urlaubstage Erholungsurlaub.",
    "Die Kosten der Anreise trägt der Arbeitgeber.",
    "Das Pfand für den Werkzeugwagen beträgt 50 Euro.",
    "Für den Werkzeugwagen fällt ein Pfand von 50 € an.",
    "Bei Verlust werden 25 % einbehalten.",
    "In der Halle ist Rauchen nicht gestattet.",
    "Das Ladegerät darf in Döbernitz nicht unbeaufsichtigt laufen.",
    "Die Prüfung dauert mindestens 15 Minuten.",
    "The probationary period in Leeds is five months.",
    "In Leeds the probationary period is 5 months.",
    "Notice must be given at least 14 days before the end of the month.",
    "Visitors may not enter the clean room without an escort.",
    "A new badge costs £15.",
    "Norvang receives the report within 48 hours.",
    "Der Tagessatz für Wien beträgt 38 €.",
)
PASSAGES = [passage(text, number=number) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    """Real stems, no vectors: what words alone can tell."""
    words = WordIndex(Path(tmp_path_factory.mktemp("words")))
    yield Checker(PASSAGES, stems=words.stems)
    words.close()


@pytest.mark.parametrize("statement", TRUE)
def test_it_believes_what_the_passages_say(checker: Checker, statement: str) -> None:
    assert checker.check(statement).flaw is Flaw.NONE


def test_it_catches_every_kind_of_change_and_nearly_every_number_and_name(checker: Checker) -> None:
    made, missed = Counter[str](), list[tuple[str, str]]()
    for statement in TRUE:
        for kind, changed in mutants(statement, [unit.text for unit in checker.units]):
            made[kind] += 1
            if checker.check(changed).supported:
                missed.append((kind, changed))
    assert set(made) == set(KINDS)
    assert not [entry for entry in missed if entry[0] in ("number", "date", "name", "unit", "denial")], missed
    assert len(missed) <= 0.05 * sum(made.values()), missed


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("Vollzeitbeschäftigte haben Anspruch auf 30 Stunden Erholungsurlaub.", Flaw.FIGURE),
        ("Vollzeitbeschäftigte haben Anspruch auf 30 Kalendertage Erholungsurlaub.", Flaw.FIGURE),
        ("Das Pfand für den Werkzeugwagen beträgt 50 Prozent.", Flaw.FIGURE),
        ("Das Pfand für den Werkzeugwagen beträgt 50 Dollar.", Flaw.FIGURE),
        ("Der Sonderurlaub beträgt 30 Arbeitstage.", Flaw.FIGURE),
        ("Übertragene Tage müssen bis zum 30. Juli 2025 genommen sein.", Flaw.FIGURE),
        ("Frau Krahl genehmigt den Antrag nach RL-2024-04.", Flaw.FIGURE),
        ("Frau Beyer genehmigt den Antrag nach RL-2024-03.", Flaw.NAME),
        ("Das Ladegerät darf in Hamburg nicht unbeaufsichtigt laufen.", Flaw.NAME),
        ("Calderbrook receives the report within 48 hours.", Flaw.NAME),
        ("Das Ladegerät darf in Döbernitz unbeaufsichtigt laufen.", Flaw.DENIAL),
        ("In der Halle ist Rauchen gestattet.", Flaw.DENIAL),
        ("Das Pfand für den Werkzeugwagen beträgt nicht 50 Euro.", Flaw.DENIAL),
        ("Die Prüfung dauert höchstens 15 Minuten.", Flaw.DIRECTION),
        ("Das Pfand für den Werkzeugwagen beträgt höchstens 50 Euro.", Flaw.DIRECTION),
        ("Notice must be given at most 14 days before the end of the month.", Flaw.DIRECTION),
        ("Der Antrag ist spätestens vier Wochen nach dem Urlaub zu stellen.", Flaw.DIRECTION),
        ("Frau Krahl genehmigt den Antrag (krahl@house.example).", Flaw.ADDRESS),
        ("Frau Krahl genehmigt den Antrag, Telefon 0731 5550123.", Flaw.FIGURE),
        ("Der Tagessatz für Wien beträgt 52 €.", Flaw.FIGURE),
    ],
)
def test_it_says_what_is_wrong(checker: Checker, statement: str, flaw: Flaw) -> None:
    assert checker.check(statement).flaw is flaw


@pytest.mark.parametrize(
    ("source", "statement", "flaw"),
    [
        ("A new test is due after nine months instead of twelve months.",
         "A new test is due after nine months instead of nine months.", Flaw.FIGURE),
        ("Die Frist beginnt am 3. November 2024 und endet am 24. Dezember 2024.",
         "Die Frist endet am 24. November 2024.", Flaw.DATE),
        ("Den Antrag genehmigt Jana Krahl, die Abrechnung prüft Peter Loh.",
         "Den Antrag genehmigt Peter Krahl.", Flaw.NAME),
    ],
)  # fmt: skip
def test_parts_that_stand_there_but_not_together_are_noticed(
    checker: Checker, source: str, statement: str, flaw: Flaw
) -> None:
    found = Checker([passage(source)], stems=checker._stems)
    assert found.check(source).supported
    assert found.check(statement).flaw is flaw


def test_a_short_answer_takes_its_subject_from_the_question(checker: Checker) -> None:
    asked = Checker(PASSAGES, stems=checker._stems, question="Wie hoch ist das Pfand für den Werkzeugwagen?")
    assert asked.check("50 Euro.").supported
    assert not asked.check("15 Euro.").supported
    assert not asked.check("Ja.").supported


@pytest.mark.parametrize(("said", "other"), [("Wie viel Uhr ist es?", "Wie ist es?"), ("What is 1+1?", "What is it?")])
def test_a_sentence_without_a_telling_word_is_supported_only_letter_by_letter(
    checker: Checker, said: str, other: str
) -> None:
    checker = Checker([passage(f"Danke. {said}")], stems=checker._stems)
    found = checker.check(said)
    assert found.supported
    assert [unit.text for unit in found.units] == [said]
    assert not checker.check(other).supported
