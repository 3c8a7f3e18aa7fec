"""Who pays, who decides, who signs: what a passage says of one is not believed of another."""

from __future__ import annotations

import pytest

from rag.ask.flaws import Flaw
from rag.ask.parties import other_party
from tests.ask.conftest import Checked

COSTS = "Die Kosten der Schulung trägt der Arbeitgeber."
APPROVAL = "Den Antrag genehmigt die Personalabteilung innerhalb von 3 Tagen."


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        (COSTS, "Die Kosten der Schulung trägt der Kunde."),
        (COSTS, "Die Kosten der Schulung trägt der Betriebsrat."),
        (APPROVAL, "Den Antrag genehmigt der Betriebsrat innerhalb von 3 Tagen."),
        (APPROVAL, "Den Antrag genehmigt die Geschäftsführung innerhalb von 3 Tagen."),
        ("Der Lieferant haftet für Mängel 24 Monate.", "Der Kunde haftet für Mängel 24 Monate."),
        ("Die Aufklärung unterschreibt der Arzt.", "Die Aufklärung unterschreibt der Patient."),
        ("The supplier pays for the transport.", "The customer pays for the transport."),
        ("Rechnungen über 500 Euro prüft die Buchhaltung.", "Rechnungen über 500 Euro prüft der Einkauf."),
        ("Line managers approve the expenses.", "The works council approves the expenses."),
    ],
)
def test_what_is_said_of_one_is_not_believed_of_another(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, statement).flaw in (Flaw.OPPOSITE, Flaw.WORDS)


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        (COSTS, COSTS),
        ("Das Unternehmen trägt die Kosten der Schulung.", "Der Arbeitgeber trägt die Kosten der Schulung."),
        ("Führungskräfte genehmigen den Urlaub.", "Vorgesetzte genehmigen den Urlaub."),
        ("Ihre Teamleitung genehmigt den Urlaub, bevor Mitarbeiter buchen.", "Vorgesetzte genehmigen den Urlaub."),
        ("Azubis legen das Berichtsheft monatlich vor.", "Auszubildende legen das Berichtsheft monatlich vor."),
        ("Sie melden sich beim Vorgesetzten krank.", "Mitarbeiter melden sich beim Vorgesetzten krank."),
        ("Gäste melden sich am Empfang an.", "Besucher melden sich am Empfang an."),
        ("Der Besteller rügt Mängel binnen 8 Tagen.", "Der Kunde rügt Mängel binnen 8 Tagen."),
        ("Der Hersteller gewährt 24 Monate Garantie.", "Der Lieferant gewährt 24 Monate Garantie."),
        ("The GP signs the form.", "The doctor signs the form."),
        ("HR files the form.", "Human resources files the form."),
    ],
)
def test_another_word_for_the_same_one_is_believed(source: str, statement: str) -> None:
    assert not other_party(statement, [source], [])


def test_who_is_spoken_of_elsewhere_in_the_passage_is_no_stranger() -> None:
    source = "Für Kunden gilt dies. Die Rechnung geht an die Buchhaltung."
    assert not other_party(
        "Kunden senden die Rechnung an das Werk.", ["Die Rechnung geht an die Buchhaltung."], [source]
    )
    assert other_party("Kunden prüfen die Rechnung.", ["Die Rechnung geht an die Buchhaltung."], [])


LIMIT = "In Döbernitz darf die Werkleitung allein bis 8.000 € bestellen, wenn sonst die Fertigung stillsteht."
GATE = "The guard may open the gate if the visitor rings."


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        (LIMIT, "Die Fertigung darf bis 8.000 € bestellen, wenn sonst die Fertigung stillsteht."),
        (GATE, "The visitor may open the gate."),
        (
            "Der Auftraggeber zahlt die Anfahrt, sobald der Monteur vor Ort ist.",
            "Der Monteur zahlt die Anfahrt, sobald er vor Ort ist.",
        ),
    ],
)
def test_who_is_only_spoken_of_is_not_who_may_or_pays(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, statement).flaw is Flaw.OPPOSITE


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        (LIMIT, "Die Werkleitung darf in Döbernitz bis 8.000 € bestellen."),
        (LIMIT, "Die Leitung des Werks darf bis 8.000 € bestellen."),
        (GATE, "The guard may open the gate."),
        ("Der Urlaub muss vom Vorgesetzten genehmigt werden.", "Der Vorgesetzte muss den Urlaub genehmigen."),
        ("Der Urlaub muss vom Vorgesetzten genehmigt werden.", "Der Vorgesetzte muss ihn genehmigen."),
        ("Den Antrag muss der Vorgesetzte genehmigen.", "Der Vorgesetzte muss den Antrag genehmigen."),
        ("Sie dürfen die Halle nur mit Helm betreten.", "Die Halle dürfen Sie nur mit Helm betreten."),
        ("Die Werkleitung und die Einkäufer dürfen bestellen.", "Die Einkäufer dürfen bestellen."),
    ],
)
def test_a_sentence_turned_round_keeps_its_subject(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, statement).flaw in (Flaw.NONE, Flaw.WORDS)
