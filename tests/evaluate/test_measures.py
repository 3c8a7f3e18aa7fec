"""Figures of one ranking, counted by hand and held to their laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evaluate import figures

NAMES = "abcdefghijklmnop"
rankings = st.lists(st.sampled_from(NAMES), unique=True, max_size=14)
needs_of = st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3), min_size=1, max_size=12)
one, two, three = frozenset("a"), frozenset("b"), frozenset("xy")


@pytest.mark.parametrize(
    ("ranking", "needs", "recall_at_2", "ndcg", "reciprocal"),
    [
        ("abc", [one], 1.0, 1.0, 1.0),
        ("bca", [one], 0.0, 0.5, 1 / 3),
        ("bac", [one, two], 1.0, 1.0, 1.0),
        ("acb", [one, two], 0.5, (1 + 0.5) / (1 + 1 / math.log2(3)), 1.0),
        ("cya", [three], 1.0, 1 / math.log2(3), 0.5),
        ("xyc", [three], 1.0, 1.0, 1.0),
        ("", [one], 0.0, 0.0, 0.0),
    ],
)
def test_a_ranking_is_counted_as_by_hand(
    ranking: str, needs: list[frozenset[str]], recall_at_2: float, ndcg: float, reciprocal: float
) -> None:
    assert figures.recall(ranking, needs, 2) == pytest.approx(recall_at_2)
    assert figures.ndcg(ranking, needs, 10) == pytest.approx(ndcg)
    assert figures.reciprocal_rank(ranking, needs, 10) == pytest.approx(reciprocal)


def test_what_stands_below_the_tenth_place_counts_nothing() -> None:
    ranking = [*"bcdefghijk", "a"]
    assert figures.ndcg(ranking, [one], 10) == figures.reciprocal_rank(ranking, [one], 10) == 0
    assert figures.first_rank(ranking, [one]) == 11


def test_a_document_named_twice_counts_where_it_stands_first() -> None:
    assert figures.first_rank("abca", [one]) == 1


def test_ten_of_twelve_right_documents_are_the_best_that_ten_places_can_hold() -> None:
    needs = [frozenset(name) for name in NAMES[:12]]
    assert figures.ndcg(NAMES[:10], needs, 10) == 1
    assert figures.recall(NAMES[:10], needs, 10) == pytest.approx(10 / 12)


@given(ranking=rankings, needs=needs_of)
def test_every_figure_is_a_share_and_recall_grows_with_depth(ranking: list[str], needs: list[frozenset[str]]) -> None:
    shares = [figures.recall(ranking, needs, k) for k in (1, 5, 10)]
    assert shares == sorted(shares)
    for value in (*shares, figures.ndcg(ranking, needs, 10), figures.reciprocal_rank(ranking, needs, 10)):
        assert 0 <= value <= 1


@given(ranking=rankings.filter(lambda r: len(r) > 1), needs=needs_of, place=st.integers(0, 12))
def test_moving_a_right_document_up_never_costs_anything(
    ranking: list[str], needs: list[frozenset[str]], place: int
) -> None:
    place %= len(ranking) - 1
    right = frozenset().union(*needs)
    before = ranking[place : place + 2]
    if before[0] in right or before[1] not in right:
        return
    moved = [*ranking[:place], *reversed(before), *ranking[place + 2 :]]
    assert figures.ndcg(moved, needs, 10) >= figures.ndcg(ranking, needs, 10)
    assert figures.reciprocal_rank(moved, needs, 10) >= figures.reciprocal_rank(ranking, needs, 10)
