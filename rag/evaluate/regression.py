"""Logistic regression with an L2 penalty, and how well it does on cases it has not seen. Pure, plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.errors import SettingsError
from rag.evaluate.intervals import Numbers

LEAST = 40
"""Fewer cases than this say nothing about the next one."""

LEAST_OF_A_KIND = 10

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Penalties that are tried."""

Labels: TypeAlias = NDArray[np.bool_]

_FOLDS = 5
_STEPS = 100
_STILL = 1e-9
_SEED = 7


def fit(
    features: Numbers, labels: Sequence[bool] | Labels, weights: Sequence[float] | Numbers, *, strength: float = 1.0
) -> tuple[Numbers, float]:
    """Coefficients (d,) and intercept for `features` (n, d); each case counts as its weight says.

    The probability of a case is ``1 / (1 + exp(-(features @ coefficients + intercept)))``. `strength` penalises the
    coefficients of the features scaled to deviation 1, not the intercept; weights are scaled to mean 1. A feature that
    is the same everywhere gets 0. Newton's method, as in Hastie, Tibshirani and Friedman, "The Elements of Statistical
    Learning", 2nd edition, 4.4.1.

    Raises:
        SettingsError: see `enough`.
    """
    truth = np.asarray(labels, np.bool_)
    enough(truth)
    return _fit(np.asarray(features, np.float64), truth, np.asarray(weights, np.float64), strength)


def enough(labels: Labels) -> None:
    """See that there is enough to learn from.

    Raises:
        SettingsError: there are too few cases, or too few of one label; says what to add.
    """
    right, all_of_them = int(labels.sum()), len(labels)
    if all_of_them < LEAST:
        raise SettingsError(
            f"{all_of_them} questions are too few to calibrate on. Give at least {LEAST}, some of them such as no "
            f"document answers."
        )
    if min(right, all_of_them - right) < LEAST_OF_A_KIND:
        kind = "that the documents answer" if right < all_of_them - right else "that no document answers"
        raise SettingsError(
            f"Only {min(right, all_of_them - right)} of the {all_of_them} questions are such {kind}. Give at least "
            f"{LEAST_OF_A_KIND} of them."
        )


def chosen(features: Numbers, labels: Labels, weights: Numbers) -> tuple[float, Numbers]:
    """The strength that does best on cases left out, and the probability (n,) of each case from a fit without it."""
    folds = _folds(labels)
    tried = {strength: _left_out(features, labels, weights, folds, strength) for strength in STRENGTHS}
    best = min(tried, key=lambda strength: _loss(tried[strength], labels, weights))
    return best, tried[best]


def probabilities(logits: Numbers) -> Numbers:
    """``1 / (1 + exp(-logits))`` without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)))


def _fit(features: Numbers, truth: Labels, weights: Numbers, strength: float) -> tuple[Numbers, float]:
    counted = weights / weights.mean()
    middle = np.average(features, axis=0, weights=counted)
    scale = np.sqrt(np.average((features - middle) ** 2, axis=0, weights=counted))
    scale[scale < _STILL] = np.inf
    matrix = np.column_stack([(features - middle) / scale, np.ones(len(truth))])
    found = _newton(matrix, truth.astype(np.float64), counted, strength)
    coefficients = found[:-1] / scale
    return coefficients, float(found[-1] - coefficients @ middle)


def _newton(matrix: Numbers, truth: Numbers, counted: Numbers, strength: float) -> Numbers:
    """The least penalised loss; a step that does not lead down is halved until it does."""
    penalty = np.full(matrix.shape[1], strength)
    penalty[-1] = _STILL
    found = np.zeros(matrix.shape[1])
    loss = _penalised(matrix, truth, counted, penalty, found)
    for _ in range(_STEPS):
        chances = probabilities(matrix @ found)
        slope = matrix.T @ (counted * (chances - truth)) + penalty * found
        bend = (matrix.T * (counted * chances * (1 - chances))) @ matrix + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        while (lower := _penalised(matrix, truth, counted, penalty, found - step)) > loss:
            step = step / 2
            if np.abs(step).max() < _STILL:
                return found
        found, gained, loss = found - step, loss - lower, lower
        if gained < _STILL * max(1.0, loss):
            break
    return found


def _penalised(matrix: Numbers, truth: Numbers, counted: Numbers, penalty: Numbers, found: Numbers) -> float:
    logits = matrix @ found
    return float(counted @ (np.logaddexp(0, logits) - truth * logits) + penalty @ found**2 / 2)


def _left_out(
    features: Numbers, labels: Labels, weights: Numbers, folds: NDArray[np.int64], strength: float
) -> Numbers:
    found = np.empty(len(labels))
    for fold in range(_FOLDS):
        left = folds == fold
        coefficients, intercept = _fit(features[~left], labels[~left], weights[~left], strength)
        found[left] = probabilities(features[left] @ coefficients + intercept)
    return found


def _folds(labels: Labels) -> NDArray[np.int64]:
    """A fold for each case (n,), dealt evenly among the cases of either label."""
    generator = np.random.default_rng(_SEED)
    folds = np.empty(len(labels), np.int64)
    for label in (False, True):
        places = generator.permutation(np.flatnonzero(labels == label))
        folds[places] = np.arange(len(places)) % _FOLDS
    return folds


def _loss(chances: Numbers, labels: Labels, weights: Numbers) -> float:
    """Log loss of the probabilities."""
    likely = np.clip(np.where(labels, chances, 1 - chances), 1e-12, 1)
    return float(-(weights @ np.log(likely)))
