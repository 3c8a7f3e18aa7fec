"""Figures of a text, written one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.figures import figures_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.200,50 Euro", "1,200.50 euros"),
        ("1.234.567,89", "1,234,567.89"),
        ("1'200 Franken", "1200 francs"),
        ("10 000 Euro", "10.000 Euro"),
        ("1 234 567,89 €", "1.234.567,89 €"),
        ("am 24.12.24.", "am 24. Dezember 2024"),
        ("am 24. 12. 2024", "am 24.12.2024"),
        ("0,50 mm", "0.5 mm"),
        ("vier Tage", "four days"),
        ("4 Tage", "vier Tage"),
        ("einundzwanzig Tage", "twenty-one days"),
        ("dreißig Tage", "30 days"),
        ("am dritten Tag", "on the 3. day"),
        ("14.30 Uhr", "14:30"),
        ("14 Uhr", "14:00"),
        ("09:05 Uhr", "9:05"),
        ("24. Dezember 2024", "24.12.2024"),
        ("December 24, 2024", "2024-12-24"),
        ("bis 31.03. des Jahres", "bis 31. März des Jahres"),
        ("am Montag", "on Mondays"),
        ("–20 °C", "-20 °C"),
        ("007", "7"),
    ],
)
def test_two_spellings_of_the_same_are_the_same(one: str, other: str) -> None:
    assert figures_of(one) == figures_of(other) != frozenset()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0,125 mm", "125 mm"),
        ("1.200,500", "1.200.500"),
        ("12,5 %", "125 %"),
        ("24. Dezember", "24. November"),
        ("am Montag", "am Dienstag"),
        ("-20 °C", "20 °C"),
        ("dreißig Tage", "vierzig Tage"),
        ("am dritten Tag", "am vierten Tag"),
        ("14:30", "14:03"),
        ("24.12.2024", "12.24.2024"),
        ("10 000 Euro", "10 Euro"),
        ("2024 120 Leute", "2024120 Leute"),
    ],
)
def test_two_different_figures_are_different(one: str, other: str) -> None:
    assert figures_of(one) != figures_of(other)


@pytest.mark.parametrize("text", ["ein Tag", "one day", "eine Woche", "you may go", "Danke", "achten Sie darauf"])
def test_an_article_or_a_word_is_no_figure(text: str) -> None:
    assert figures_of(text) == frozenset()


def test_a_month_called_may_is_one_beside_a_number_only() -> None:
    assert figures_of("until 31 May") == {"31", "month 5"}
    assert figures_of("May I go at 5?") == {"5"}


@given(st.integers(0, 10**9))
def test_grouping_a_number_the_german_or_the_english_way_does_not_change_it(number: int) -> None:
    english = f"{number:,}"
    assert figures_of(english) == figures_of(english.replace(",", ".")) == figures_of(english.replace(",", "'"))
    assert figures_of(english) == {str(number)}


@given(st.integers(0, 999_999), st.integers(1, 99))
def test_a_decimal_is_the_same_with_comma_and_point(whole: int, cents: int) -> None:
    english = f"{whole:,}.{cents:02d}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert figures_of(english) == figures_of(german) == {f"{whole}.{cents:02d}".rstrip("0")}
