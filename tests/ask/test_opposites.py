"""A word for its opposite, an end of a range for the whole, a paragraph or a class for another: none is supported."""

from __future__ import annotations

import pytest

from rag.ask.flaws import Flaw
from tests.ask.conftest import Checked


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("Das Gehalt beträgt 3.000 Euro brutto im Monat.", "Das Gehalt beträgt 3.000 Euro netto im Monat."),
        ("Bis zu 20 Arbeitstage unbezahlte Freistellung im Jahr sind möglich.",
         "Bis zu 20 Arbeitstage bezahlte Freistellung im Jahr sind möglich."),
        ("Der Vertrag ist unbefristet und kann mit 4 Wochen Frist gekündigt werden.",
         "Der Vertrag ist befristet und kann mit 4 Wochen Frist gekündigt werden."),
        ("Die Kosten trägt der Arbeitgeber.", "Die Kosten trägt der Arbeitnehmer."),
        ("Die Kündigungsfrist beträgt für den Mieter drei Monate.",
         "Die Kündigungsfrist beträgt für den Vermieter drei Monate."),
        ("Der Preis versteht sich zuzüglich 19 % Mehrwertsteuer.",
         "Der Preis versteht sich inklusive 19 % Mehrwertsteuer."),
        ("Die Teilnahme an der Schulung ist freiwillig.", "Die Teilnahme an der Schulung ist verpflichtend."),
        ("Der Raum ist vormittags von 8 bis 12 Uhr geöffnet.", "Der Raum ist nachmittags von 8 bis 12 Uhr geöffnet."),
        ("The training is mandatory for external staff.", "The training is optional for external staff."),
        ("The training is mandatory for external staff.", "The training is mandatory for internal staff."),
        ("Der Zuschlag beträgt ein Drittel des Grundlohns.", "Der Zuschlag beträgt die Hälfte des Grundlohns."),
        ("Ein Tag wird gutgeschrieben.", "Ein Monat wird gutgeschrieben."),
        ("Die Wartung der Anlage erfolgt monatlich.", "Die Wartung der Anlage erfolgt jährlich."),
        ("Nur Führungskräfte dürfen den Raum betreten.", "Führungskräfte dürfen den Raum nicht betreten."),
        ("Nur Führungskräfte dürfen den Raum betreten.", "Alle Mitarbeiter dürfen den Raum betreten."),
    ],
)  # fmt: skip
def test_a_word_for_its_opposite_is_not_supported(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, source).supported
    assert checked(source, statement).flaw in (Flaw.OPPOSITE, Flaw.WORDS, Flaw.NAME)


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("Der Zutritt zum Lager ist nur mit Ausweis gestattet.",
         "Der Zutritt zum Lager ist ohne Ausweis nicht gestattet."),
        ("Der Arbeitgeber zahlt den Beschäftigten einen Zuschuss.",
         "Den Zuschuss zahlt der Arbeitgeber den Mitarbeitern."),
        ("Der Arbeitgeber gewährt im Kalenderjahr 30 Arbeitstage Urlaub.",
         "Mitarbeiter erhalten im Kalenderjahr 30 Arbeitstage Urlaub."),
        ("The employer grants 25 days of paid annual leave.", "Employees get 25 days of paid annual leave."),
        ("Je Kalenderjahr stehen 30 Arbeitstage Urlaub zu.", "Jährlich stehen 30 Arbeitstage Urlaub zu."),
        ("Der Preis ist netto angegeben, brutto kostet er 119 Euro.", "Der Preis beträgt brutto 119 Euro."),
    ],
)  # fmt: skip
def test_the_same_said_with_the_other_word_stays_supported(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, statement).flaw is Flaw.NONE


WEEKS = "Die Lieferzeit beträgt 2 bis 4 Wochen."


@pytest.mark.parametrize(
    "statement",
    [
        "Die Lieferzeit beträgt 2 Wochen.",
        "Die Lieferzeit beträgt vier Wochen.",
        "Die Lieferzeit beträgt mindestens 4 Wochen.",
        "Die Lieferzeit beträgt 4 bis 2 Wochen.",
    ],
)
def test_an_end_of_a_range_is_not_the_range(checked: Checked, statement: str) -> None:
    assert checked(WEEKS, statement).flaw is Flaw.FIGURE


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        (WEEKS, "Die Lieferzeit beträgt 2–4 Wochen."),
        (WEEKS, "Die Lieferzeit beträgt höchstens 4 Wochen."),
        (WEEKS, "Die Lieferzeit beträgt mindestens 2 Wochen."),
        ("Delivery takes 2 to 4 weeks.", "Delivery takes at least 2 weeks."),
        ("Delivery takes 2 to 4 weeks.", "Delivery takes at most 4 weeks."),
        (WEEKS, "Die Lieferzeit beträgt bis zu 4 Wochen."),
        ("Bei 2 bis 5 Jahren Zugehörigkeit beträgt die Frist einen Monat.",
         "Bei 2 Jahren Zugehörigkeit beträgt die Frist einen Monat."),
        ("Der Empfang ist von 8 bis 12 Uhr geöffnet.", "Der Empfang ist ab 8 Uhr geöffnet."),
        ("Die Lieferzeit beträgt 2 bis 4 Wochen, im Inland 2 Wochen.", "Die Lieferzeit im Inland beträgt 2 Wochen."),
    ],
)  # fmt: skip
def test_a_range_and_its_limits_stay_supported(checked: Checked, source: str, statement: str) -> None:
    assert checked(source, statement).flaw is Flaw.NONE


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        ("Die Gebühr beträgt 10 000 € je Auftrag.", "Die Gebühr beträgt 10.000 € je Auftrag.",
         "Die Gebühr beträgt 10 € je Auftrag."),
        ("Die Gebühr beträgt 1'200 CHF je Auftrag.", "Die Gebühr beträgt 1200 CHF je Auftrag.",
         "Die Gebühr beträgt 200 CHF je Auftrag."),
        ("Das Budget beträgt 2,5 Mio. Euro.", "Das Budget beträgt 2,5 Millionen Euro.",
         "Das Budget beträgt 2,5 Euro."),
        ("Die Frist endet am 24.12.24.", "Die Frist endet am 24. Dezember 2024.",
         "Die Frist endet am 24. Dezember 2023."),
        ("Die Frist endet am 24. 12. 2024.", "Die Frist endet am 24.12.2024.", "Die Frist endet am 12.12.2024."),
        ("Nach § 3 Abs. 2 ist der Antrag schriftlich zu stellen.",
         "Der Antrag ist nach § 3 Absatz 2 schriftlich zu stellen.",
         "Der Antrag ist nach § 2 Abs. 3 schriftlich zu stellen."),
    ],
)  # fmt: skip
def test_german_and_swiss_ways_to_write_figures_are_read(checked: Checked, source: str, right: str, wrong: str) -> None:
    assert checked(source, right).flaw is Flaw.NONE
    assert not checked(source, wrong).supported


def test_a_row_of_another_class_is_not_cited_for_this_one(checked: Checked) -> None:
    table = "| Klasse | Satz | Frist |\n| --- | --- | --- |\n| A | 30 € | 2 Wochen |\n| B | 45 € | 4 Wochen |"
    assert checked(table, "In Klasse B beträgt die Frist 4 Wochen.").supported
    assert checked(table, "Die Frist in Klasse A beträgt 4 Wochen.").flaw is Flaw.NAME


def test_a_figure_of_the_passages_under_a_name_they_do_not_know_is_not_supported(checked: Checked) -> None:
    contract = (
        "Die Lieferzeit beträgt 25 Werktage. Ziel ist eine niedrige Fehlerquote. Vereinbart sind 120 ppm je Halbjahr."
    )
    assert checked(contract, "Der Mindestbestellwert beträgt 120 ppm je Halbjahr.").flaw is Flaw.WORDS
    assert checked(contract, "Die vereinbarte Fehlerquote beträgt 120 ppm je Halbjahr.").supported
    assert checked(contract, "Die Lieferzeit beträgt 25 Werktage.").supported


@pytest.mark.parametrize(
    ("source", "fact", "plan"),
    [
        ("Geplant sind sechs feststehende Kameras ohne Ton.", "Es gibt 6 feststehende Kameras ohne Ton.",
         "Es sollen sechs feststehende Kameras ohne Ton hängen."),
        ("Der Betriebsrat schlägt einen Zuschuss von 2,00 € je Tag vor.", "Der Zuschuss beträgt 2,00 € je Tag.",
         "Der Betriebsrat schlägt einen Zuschuss von 2 € je Tag vor."),
        ("The opening of a second site in Leeds is planned for 2027.", "A second site opened in Leeds in 2027.",
         "A second site in Leeds will open in 2027."),
    ],
)  # fmt: skip
def test_a_plan_is_not_supported_as_a_fact(checked: Checked, source: str, fact: str, plan: str) -> None:
    assert checked(source, fact).flaw is Flaw.PLAN
    assert checked(source, plan).supported
    assert checked(source, source).supported
