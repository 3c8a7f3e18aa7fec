"""What becomes of words: spellings meet, identifiers stay whole, compounds are seen through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.store.analysis import RUN, content_words, german, identifiers, normalise, runs
from rag.store.compounds import held, parts

CORPUS = {"urlaub", "tag", "antrag", "reise", "kosten", "arbeit", "zeit", "national", "hymne"}


def stem(word: str) -> str:
    return word.lower().removesuffix("e") if word.lower().removesuffix("e") in CORPUS else word.lower()


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("Kuendigung", "Kündigung"),
        ("Mueller", "Müller"),
        ("Aerzte", "Ärzte"),
        ("oeffentlich", "öffentlich"),
        ("neue Steuer", "neue Steuer"),
        ("Frauen, Bauer, Quelle", "Frauen, Bauer, Quelle"),
        ("Bua\u0308ume", "Buäume"),
    ],
)
def test_an_umlaut_spelled_out_is_the_umlaut(spelled: str, meant: str) -> None:
    assert german(spelled) == unicodedata.normalize("NFC", meant)


def test_composed_and_decomposed_letters_meet() -> None:
    assert normalise(unicodedata.normalize("NFD", "Übergrößenträger")) == "Übergrößenträger"


@pytest.mark.parametrize("name", ["RL-2024-07", "HX-40", "2859-1", "12.3", "A/320"])
def test_joined_identifiers_stay_whole(name: str) -> None:
    assert identifiers(f"nach {name} gilt") == [name.lower()]


def test_single_words_and_bare_numbers_are_none() -> None:
    assert identifiers("Der Urlaub beträgt nach BUrlG 30 Tage im Jahr 2024, on-site.") == []


def test_question_words_tell_nothing() -> None:
    assert content_words("Wie viele Tage Urlaub hat man im Jahr?") == ["Tage", "Urlaub", "Jahr"]


def test_a_word_within_a_compound_shares_its_runs() -> None:
    asked = set(runs("Urlaub"))
    assert asked <= set(runs("Erholungsurlaub")) and asked <= set(runs("Urlaubsantrag"))
    assert set(runs("Universitaet")) & set(runs("university"))
    assert not set(runs("Urlaub")) & set(runs("Kantine"))


@given(st.text(max_size=200))
def test_runs_are_of_one_length_and_within_words(text: str) -> None:
    for run in runs(text):
        assert len(run) == RUN
        assert not any(letter.isspace() for letter in run)


def test_a_compound_has_the_parts_the_corpus_knows() -> None:
    def known(word: str) -> bool:
        return word in CORPUS

    assert parts("urlaubstage", stem=stem, known=known) == ("urlaub", "tag")
    assert parts("arbeitszeit", stem=stem, known=known) == ("arbeit", "zeit")
    assert parts("nationalhymne", stem=lambda word: word, known=known) == ("national", "hymne")
    assert parts("mondrakete", stem=stem, known=known) == ()
    assert parts("tag", stem=stem, known=known) == ()


def test_a_word_is_held_whole_by_its_parts_or_within_another() -> None:
    assert held("urlaub", (), {"urlaub"}) == 1.0
    assert held("urlaubstag", ("urlaub", "tag"), {"tag", "urlaub"}) == 1.0
    assert held("urlaubstag", ("urlaub", "tag"), {"tag"}) == 0.5
    assert 0.5 < held("urlaub", (), {"erholungsurlaub"}) < 1.0
    assert held("urlaub", (), {"kantine"}) == 0.0
    assert held("tag", (), {"montag"}) == 0.0
