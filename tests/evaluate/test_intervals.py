"""Intervals and abstention: by hand, and by the laws they keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.evaluate import abstention, intervals

few = settings(max_examples=25, deadline=None)
evidences = st.lists(st.floats(0, 1).map(lambda value: round(value, 2)), min_size=1, max_size=30)
RIGHT, WRONG = [0.9, 0.8, 0.4, 0.7], [0.1, 0.4, 0.75]


@few
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_an_interval_holds_its_mean_and_no_value_beyond_the_extremes(values: list[float]) -> None:
    figure = intervals.mean(values)
    assert figure is not None
    assert figure.low <= figure.value <= figure.high
    assert min(values) - 1e-6 <= figure.low
    assert figure.high <= max(values) + 1e-6


def test_an_interval_is_as_wide_as_theory_says_and_the_same_every_time() -> None:
    figure = intervals.mean([0.0] * 200 + [1.0] * 200)
    assert figure is not None
    assert (figure.value, figure.n) == (0.5, 400)
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.08)
    assert intervals.mean([0.0] * 200 + [1.0] * 200) == figure


@pytest.mark.parametrize(("cases", "reach"), [(1, 0.975), (6, 0.459), (100, 0.036)])
def test_few_cases_that_are_all_alike_leave_doubt(cases: int, reach: float) -> None:
    never, always = intervals.share([0.0] * cases), intervals.share([1.0] * cases)
    assert never is not None and always is not None
    assert (never.value, never.low, never.high) == (0.0, 0.0, pytest.approx(reach, abs=1e-3))
    assert (always.value, always.low, always.high) == (1.0, pytest.approx(1 - reach, abs=1e-3), 1.0)
    same = intervals.mean([0.0] * cases)
    assert same is not None and same.high == 0.0, "differences that are all 0 are no share"


def test_an_area_of_1_over_few_questions_leaves_doubt() -> None:
    figure = abstention.auroc([0.9, 0.8, 0.7], [0.1, 0.2, 0.3, 0.4])
    assert figure is not None
    assert (figure.value, figure.high) == (1.0, 1.0)
    assert figure.low == pytest.approx(0.292, abs=1e-3)


def test_nothing_has_no_mean_and_one_kind_alone_no_area() -> None:
    assert intervals.mean([]) is None
    assert abstention.auroc([0.5], []) is None
    assert abstention.false_answers_allowing([], [0.5]) is None
    assert abstention.curve([0.5], []) == []


def test_the_area_counts_pairs_and_halves_ties() -> None:
    figure = abstention.auroc(RIGHT, WRONG)
    assert figure is not None
    assert figure.value == pytest.approx((3 + 3 + 1.5 + 2) / 12)


@few
@given(right=evidences, wrong=evidences)
def test_the_area_of_reversed_scores_is_the_rest(right: list[float], wrong: list[float]) -> None:
    one, other = abstention.auroc(right, wrong), abstention.auroc([-v for v in right], [-v for v in wrong])
    assert one is not None
    assert other is not None
    assert one.value == pytest.approx(1 - other.value)
    assert one.low <= one.value <= one.high


def test_false_answers_are_those_left_when_a_tenth_may_be_refused() -> None:
    right = [0.05, *(0.5 + place / 100 for place in range(9))]
    figure = abstention.false_answers_allowing(right, [0.1, 0.45, 0.5, 0.6])
    assert figure is not None
    assert figure.value == 0.5, "up to 0.5 one of ten is refused; 0.5 itself is still answered"


@few
@given(right=evidences, wrong=evidences)
def test_a_higher_threshold_refuses_more_and_answers_less(right: list[float], wrong: list[float]) -> None:
    points = abstention.curve(right, wrong)
    assert [p.wrong_refusals for p in points] == sorted(p.wrong_refusals for p in points)
    assert [p.false_answers for p in points] == sorted((p.false_answers for p in points), reverse=True)
    assert (points[0].wrong_refusals, points[0].false_answers) == (0, 1)
    assert (points[-1].wrong_refusals, points[-1].false_answers) == (1, 0)
    for point in points:
        refused, answered = abstention.refused(right, point.threshold), abstention.answered(wrong, point.threshold)
        assert refused is not None
        assert answered is not None
        assert (refused.value, answered.value) == pytest.approx((point.wrong_refusals, point.false_answers))


def test_a_thinned_curve_keeps_its_ends_and_is_short() -> None:
    right, wrong = [place / 997 for place in range(997)], [place / 1009 for place in range(1009)]
    points = abstention.curve(right, wrong)
    thin = abstention.thinned(points, most=50)
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert len(thin) <= 52
    assert set(thin) <= set(points)
