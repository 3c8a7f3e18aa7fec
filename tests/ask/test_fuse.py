"""Two rankings into one: what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.fuse import fuse
from rag.documents import ChunkId

SCORES = st.floats(0.0, 1.0, allow_nan=False).map(lambda score: round(score, 3))
RANKING = st.dictionaries(st.sampled_from([ChunkId(name) for name in "abcdefgh"]), SCORES, max_size=8).map(
    lambda scores: sorted(scores.items(), key=lambda entry: -entry[1])
)
WEIGHT, WIDTH = st.floats(0, 1), st.floats(0.01, 2)


@given(RANKING, RANKING, WEIGHT, WIDTH)
def test_every_hit_of_either_list_is_there_once_best_first(
    dense: list[tuple[ChunkId, float]], lexical: list[tuple[ChunkId, float]], weight: float, width: float
) -> None:
    fused = fuse(dense, lexical, weight=weight, width=width)
    assert fused.keys() == dict(dense).keys() | dict(lexical).keys()
    assert list(fused.values()) == sorted(fused.values(), reverse=True)


@given(RANKING, RANKING, WIDTH)
def test_words_that_are_not_trusted_change_no_order_of_the_dense_list(
    dense: list[tuple[ChunkId, float]], lexical: list[tuple[ChunkId, float]], width: float
) -> None:
    fused = fuse(dense, lexical, weight=0.0, width=width)
    assert [name for name in fused if name in dict(dense)] == [name for name, _ in dense]
    assert all(fused[name] == 0.0 for name in fused.keys() - dict(dense).keys())


@given(RANKING, RANKING, WEIGHT, WIDTH)
def test_who_stands_higher_in_both_lists_stands_higher_in_the_fused_one(
    dense: list[tuple[ChunkId, float]], lexical: list[tuple[ChunkId, float]], weight: float, width: float
) -> None:
    fused, by_meaning, by_words = fuse(dense, lexical, weight=weight, width=width), dict(dense), dict(lexical)
    both = by_meaning.keys() & by_words.keys()
    for one in both:
        for other in both:
            if by_meaning[one] >= by_meaning[other] and by_words[one] >= by_words[other]:
                assert fused[one] >= fused[other]


@given(RANKING, RANKING, WEIGHT, WIDTH, st.floats(-0.5, 0.5))
def test_a_dense_list_moved_as_a_whole_gives_the_same_scores(
    dense: list[tuple[ChunkId, float]],
    lexical: list[tuple[ChunkId, float]],
    weight: float,
    width: float,
    shift: float,
) -> None:
    moved = [(name, score + shift) for name, score in dense]
    fused = fuse(dense, lexical, weight=weight, width=width)
    assert fuse(moved, lexical, weight=weight, width=width) == pytest.approx(fused, abs=1e-9)


def test_equals_keep_the_order_of_first_appearance() -> None:
    dense = [(ChunkId(name), 0.5) for name in "cab"]
    assert list(fuse(dense, [(ChunkId("d"), 0.0)], weight=1.0, width=1.0)) == ["c", "a", "b", "d"]


@pytest.mark.parametrize(("weight", "width"), [(-0.1, 1.0), (1.1, 1.0), (0.5, 0.0), (0.5, -1.0)])
def test_a_weight_or_a_width_that_means_nothing_is_refused(weight: float, width: float) -> None:
    with pytest.raises(ValueError, match=r"weight is 0 to 1|width is positive"):
        fuse([], [], weight=weight, width=width)
