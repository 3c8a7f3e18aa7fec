"""The regression behind the evidence, and what a calibration is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.ask.calibration import own_of
from rag.ask.evidence import Features
from rag.cli.evaluation import kept
from rag.errors import SettingsError
from rag.evaluate import calibrate, regression
from rag.evaluate.calibrate import Example
from rag.evaluate.questions import Question
from rag.evaluate.runs import Result


def drawn(*shape: int) -> np.random.Generator:
    """The same numbers in every test, whichever ran before."""
    return np.random.default_rng([11, *shape])


def cases(n: int = 4000, *, coefficients: tuple[float, ...] = (2.0, -1.0, 0.0), intercept: float = 0.5):  # type: ignore[no-untyped-def]  # three arrays
    random = drawn(n)
    features = random.normal(size=(n, len(coefficients))) * [1.0, 3.0, 10.0] + [0.0, 5.0, -2.0]
    chances = regression.probabilities(features @ np.asarray(coefficients) + intercept)
    return features, random.random(n) < chances, np.ones(n)


def test_a_fit_finds_what_the_cases_were_made_with() -> None:
    features, labels, weights = cases()
    coefficients, intercept = regression.fit(features, labels, weights, strength=0.001)
    assert coefficients == pytest.approx([2.0, -1.0, 0.0], abs=0.2)
    assert intercept == pytest.approx(0.5, abs=0.8)


def test_a_fit_is_where_no_small_step_leads_further_down() -> None:
    features, labels, weights = cases(200)
    coefficients, intercept = regression.fit(features, labels, weights, strength=1e-9)
    wrong = regression.probabilities(features @ coefficients + intercept) - labels
    assert wrong @ features == pytest.approx([0, 0, 0], abs=1e-2)
    assert wrong.sum() == pytest.approx(0, abs=1e-3)


def test_a_case_twice_is_a_case_of_twice_the_weight() -> None:
    features, labels, _ = cases(120)
    twice = np.where(np.arange(120) < 40, 2.0, 1.0)
    doubled = np.concatenate([np.arange(120), np.arange(40)])
    one = regression.fit(features, labels, twice, strength=1e-6)
    other = regression.fit(features[doubled], labels[doubled], np.ones(160), strength=1e-6)
    assert one[0] == pytest.approx(other[0], rel=1e-3)
    assert one[1] == pytest.approx(other[1], rel=1e-3)


def test_a_stronger_penalty_gives_smaller_coefficients_and_parted_cases_no_infinite_ones() -> None:
    features = np.linspace(-1, 1, 60).reshape(-1, 1)
    labels = features[:, 0] > 0
    sizes = [abs(regression.fit(features, labels, np.ones(60), strength=s)[0][0]) for s in regression.STRENGTHS]
    assert sizes == sorted(sizes, reverse=True)
    assert np.isfinite(sizes).all()


def test_the_strongest_penalty_leaves_the_share_of_right_ones() -> None:
    features, labels, weights = cases(200)
    coefficients, intercept = regression.fit(features, labels, weights, strength=1e9)
    assert coefficients == pytest.approx([0, 0, 0], abs=1e-4)
    assert regression.probabilities(np.asarray(intercept)) == pytest.approx(labels.mean(), abs=1e-3)


def test_a_feature_that_never_changes_counts_nothing() -> None:
    features, labels, weights = cases(200)
    features[:, 1] = 7.0
    coefficients, _ = regression.fit(features, labels, weights)
    assert coefficients[1] == 0


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [(20, 19, "39 questions are too few"), (60, 9, "no document answers"), (9, 60, "that the documents answer")],
)
def test_too_few_or_one_sided_questions_are_refused(right: int, wrong: int, said: str) -> None:
    labels = [True] * right + [False] * wrong
    with pytest.raises(SettingsError, match=said):
        regression.fit(drawn(right).normal(size=(right + wrong, 2)), labels, [1.0] * (right + wrong))


def test_cross_validation_judges_cases_by_fits_that_have_not_seen_them() -> None:
    random, weights = drawn(60), np.ones(60)
    features, labels = random.normal(size=(60, 50)), random.random(60) < 0.5
    _, left_out = regression.chosen(features, labels, weights)
    coefficients, intercept = regression.fit(features, labels, weights, strength=0.001)
    seen = regression.probabilities(features @ coefficients + intercept)
    assert ((seen > 0.5) == labels).mean() > 0.9, "noise is learnt by heart"
    assert ((left_out > 0.5) == labels).mean() < 0.75, "and does not help with what was left out"


NONE = Features(similarity=0.0, margin=0.0, coverage=0.0, widest=0.0, second_coverage=0.0, agreement=0.0, figures=0.0)


def examples(n: int = 400, *, sign: float = 1.0) -> list[Example]:
    """Searches whose similarity tells, in part, whether they answer."""
    random = drawn(n)
    values = random.random(n)
    answering = random.random(n) < regression.probabilities(sign * 12 * (values - 0.5))
    return [
        Example(
            features=replace(NONE, similarity=float(value)),
            answers=bool(answers),
            evidence=0.5,
            set="large" if place > 100 else "small",
        )
        for place, (value, answers) in enumerate(zip(values, answering, strict=True))
    ]


def test_a_calibration_says_what_it_brings() -> None:
    fitted = calibrate.calibrate(examples(), threshold=0.25)
    assert fitted.before["auroc"].value == 0.5
    assert fitted.after["auroc"].value > 0.9
    assert (fitted.examples, fitted.calibration.origin) == (400, "400 questions of large, small")


def test_a_calibration_that_decides_worse_is_not_kept(tmp_path: Path) -> None:
    told = [replace(one, evidence=float(one.answers)) for one in examples()]
    assert kept(calibrate.calibrate(told, threshold=0.25), tmp_path) is None
    assert own_of(tmp_path) is None
    better = calibrate.calibrate(examples(), threshold=0.25)
    assert kept(better, tmp_path) == tmp_path / "calibration.json"
    assert own_of(tmp_path) == better.calibration


def test_a_calibration_is_as_sure_as_the_questions_bear_out() -> None:
    made = examples()
    calibration = calibrate.calibrate(made, threshold=0.25).calibration
    likely = [one for one in made if calibration.probability(one.features) > 0.5]
    assert 0.8 < sum(one.answers for one in likely) / len(likely) < 1.0
    total = sum(calibration.probability(one.features) for one in made)
    assert total == pytest.approx(sum(one.answers for one in made), rel=0.1)


def test_evidence_that_says_the_opposite_is_refused() -> None:
    with pytest.raises(SettingsError, match="right way round"):
        calibrate.calibrate(examples(sign=-1.0), threshold=0.25)


def test_a_search_answers_where_a_right_passage_is_among_those_shown() -> None:
    question = Question(id="q", text="Was?", answerable=True, needs=(frozenset("a"),))
    results = [
        Result(question=question, ranking=("a",), passage_rank=rank, evidence=0.3, retrieve_ms=1, features=NONE)
        for rank in (1, 8, 9, None)
    ]
    assert [one.answers for one in calibrate.examples_of("s", results, shown=8)] == [True, True, False, False]
