"""Words of one family: what a compound shares with another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.kin import kin, share

WORDS = st.text("abcdefghijklmnoprstuvwz", min_size=1, max_size=14)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vollzeitstell", "vollzeitbeschaftigt"),
        ("urlaub", "erholungsurlaub"),
        ("urlaubstag", "erholungsurlaub"),
        ("urlaub", "urlaubsanspruch"),
        ("kundigungsfrist", "kundigungszeitraum"),
    ],
)
def test_what_is_about_the_same_thing_is_kin(one: str, other: str) -> None:
    assert kin(one, other) and kin(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("reisekost", "fahrtkost"),  # two things of one sort
        ("teilzeitstell", "vollzeitbeschaftigt"),
        ("vollzeit", "teilzeit"),
        ("probezeit", "elternzeit"),
        ("tag", "tagessatz"),  # too short to tell anything
        ("vertrag", "vertragt"),  # an ending, no second part
        ("rl-2024-03", "rl-2024-07"),
        ("2024", "20245"),
    ],
)
def test_what_only_looks_alike_is_not(one: str, other: str) -> None:
    assert not kin(one, other) and not kin(other, one)


def test_kin_counts_half_and_the_word_itself_whole() -> None:
    there = {"vollzeitbeschaftigt", "anspruch", "erholungsurlaub"}
    assert share({"anspruch", "vollzeitstell", "gehalt"}, there) == 1.5


@given(st.sets(WORDS), st.sets(WORDS))
def test_the_share_is_between_none_and_all_and_all_of_what_is_there(words: set[str], there: set[str]) -> None:
    assert len(words & there) <= share(words, there) <= len(words)
    assert share(words, words | there) == len(words)
