"""Does the evidence tell questions that can be answered from those that cannot? Pure.

A question is refused where its evidence is below a threshold. A wrong refusal is one that could have been answered; a
false answer is one given although nothing in the documents answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from rag.evaluate.intervals import Counts, Figure, Numbers, of_two, share

_ALLOWED = 0.1
"""Share of wrong refusals at which false answers are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one threshold brings: shares of the answerable and of the unanswerable questions."""

    threshold: float
    wrong_refusals: float
    false_answers: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of both kinds of questions, in order of rising distinct value.

    `right` and `wrong` hold, for each question, the place of its value among `values`.
    """

    values: Numbers
    right: Counts
    wrong: Counts

    @classmethod
    def of(cls, answerable: Sequence[float], unanswerable: Sequence[float]) -> Evidence:
        """From the evidence itself."""
        values, places = np.unique(np.asarray([*answerable, *unanswerable], np.float64), return_inverse=True)
        return cls(values, places[: len(answerable)].astype(np.int64), places[len(answerable) :].astype(np.int64))

    def below(self, places: Counts, counts: Counts) -> Numbers:
        """Share of questions whose evidence is below each value, and, last, below something greater than all."""
        held = np.bincount(places, weights=counts, minlength=self.values.size)
        return np.asarray(np.concatenate([[0.0], np.cumsum(held)]) / counts.sum())


def auroc(answerable: Sequence[float], unanswerable: Sequence[float]) -> Figure | None:
    """Chance that an answerable question has more evidence than an unanswerable one, ties counting half, 0 to 1.

    None where either kind is missing. Source: Hanley and McNeil, Radiology 143(1), 1982.
    """
    return of_two(partial(_area, Evidence.of(answerable, unanswerable)), (len(answerable), len(unanswerable)))


def false_answers_allowing(
    answerable: Sequence[float], unanswerable: Sequence[float], *, wrong_refusals: float = _ALLOWED
) -> Figure | None:
    """The least share of false answers at any threshold with no more than that share of wrong refusals.

    None where either kind is missing.
    """
    evidence = Evidence.of(answerable, unanswerable)
    return of_two(partial(_least_false, evidence, wrong_refusals), (len(answerable), len(unanswerable)))


def curve(answerable: Sequence[float], unanswerable: Sequence[float]) -> list[Point]:
    """Every threshold that changes something, rising: from answering all to refusing all."""
    if not answerable or not unanswerable:
        return []
    evidence = Evidence.of(answerable, unanswerable)
    refused = evidence.below(evidence.right, np.ones(len(answerable), np.int64))
    answered = 1 - evidence.below(evidence.wrong, np.ones(len(unanswerable), np.int64))
    thresholds = [*evidence.values.tolist(), float(np.nextafter(evidence.values[-1], np.inf))]
    return [
        Point(threshold=threshold, wrong_refusals=float(one), false_answers=float(other))
        for threshold, one, other in zip(thresholds, refused, answered, strict=True)
    ]


def refused(evidence: Sequence[float], threshold: float) -> Figure | None:
    """Share of questions that a threshold refuses: of answerable ones, the wrong refusals."""
    return share([float(value < threshold) for value in evidence])


def answered(evidence: Sequence[float], threshold: float) -> Figure | None:
    """Share of questions that a threshold lets be answered: of unanswerable ones, the false answers."""
    return share([float(value >= threshold) for value in evidence])


def thinned(points: Sequence[Point], most: int = 200) -> list[Point]:
    """As few points as are needed to draw the curve: its ends, and of what lies between no more than `most`."""
    if len(points) <= most:
        return list(points)
    corners = [b for (a, b) in pairwise(points) if a.false_answers != b.false_answers]
    step = max(1, -(-len(corners) // most))
    return [points[0], *corners[::step], points[-1]]


def _area(evidence: Evidence, right: Counts, wrong: Counts) -> float:
    below = evidence.below(evidence.wrong, wrong)
    held = np.bincount(evidence.right, weights=right, minlength=evidence.values.size) / right.sum()
    return float(held @ (below[:-1] + below[1:]) / 2)


def _least_false(evidence: Evidence, allowed: float, right: Counts, wrong: Counts) -> float:
    refusals = evidence.below(evidence.right, right)
    last = int(np.searchsorted(refusals, allowed + 1e-12, side="right")) - 1
    return float(1 - evidence.below(evidence.wrong, wrong)[last])
