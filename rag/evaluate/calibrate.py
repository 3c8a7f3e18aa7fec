"""Fits the evidence calibration on the user's own questions: what was found for each, and whether it answered.

What speaks for the topic and what for the fact stays as it ships: a few dozen questions could not teach that. Fitted is
how much each counts in this house, and where the odds are even.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rag.access import Principal
from rag.app import App
from rag.ask.calibration import SHIPPED, Calibration
from rag.ask.evidence import Features
from rag.errors import SettingsError
from rag.evaluate import abstention, regression, runs
from rag.evaluate.intervals import Figure, Numbers
from rag.evaluate.questions import Question
from rag.evaluate.runs import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One search: its features, whether its passages answered the question, the evidence it was given, and its set.
    Sets weigh the same, however many questions they hold."""

    features: Features
    answers: bool
    evidence: float
    set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A calibration and what it brings. `before` are the figures of the evidence as it is, `after` those of the new one
    on questions left out of its fit."""

    calibration: Calibration
    strength: float
    examples: int
    answering: int
    before: Mapping[str, Figure]
    after: Mapping[str, Figure]

    @property
    def worse(self) -> bool:
        """Whether it decides worse: of the questions left out, more are answered or refused wrongly."""
        return _wrong(self.after) > _wrong(self.before)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "slopes": [round(value, 6) for value in self.calibration.slopes],
            "shift": round(self.calibration.shift, 6),
            "strength": self.strength,
            "examples": self.examples,
            "answering": self.answering,
            "worse": self.worse,
            "before": {name: figure.as_json() for name, figure in self.before.items()},
            "after": {name: figure.as_json() for name, figure in self.after.items()},
        }


def examples_of(name: str, results: Sequence[Result], *, shown: int) -> list[Example]:
    """Searches as examples: one answers where a right document is among the `shown` passages of an answer."""
    return [
        Example(
            features=result.features,
            answers=result.passage_rank is not None and result.passage_rank <= shown,
            evidence=result.evidence,
            set=name,
        )
        for result in results
        if result.features is not None
    ]


def calibrate(examples: Sequence[Example], *, threshold: float, embedder: str = "") -> Fitted:
    """Fit on all of them; `threshold` is the evidence below which nothing is answered, `embedder` the fingerprint of
    what they were found with.

    Raises:
        SettingsError: too few examples, or too few of one kind, or the evidence says the opposite of the truth.
    """
    labels = np.asarray([one.answers for one in examples], np.bool_)
    regression.enough(labels)
    base = SHIPPED.fitting(examples[0].features)
    sums = np.asarray([base.sums(one.features) for one in examples], np.float64)
    held = Counter(one.set for one in examples)
    weights = np.asarray([1 / held[one.set] for one in examples])
    used = _speaking(sums, labels, weights)
    strength, left_out = regression.chosen(sums * used, labels, weights)
    slopes, shift = regression.fit(sums * used, labels, weights, strength=strength)
    origin = f"{len(examples)} questions of {', '.join(sorted(held))}"
    return Fitted(
        calibration=replace(
            base, slopes=(float(slopes[0]), float(slopes[1])), shift=shift, origin=origin, embedder=embedder
        ),
        strength=strength,
        examples=len(examples),
        answering=int(labels.sum()),
        before=_figures([one.evidence for one in examples], labels, threshold),
        after=_figures(left_out.tolist(), labels, threshold),
    )


def _speaking(sums: Numbers, labels: regression.Labels, weights: Numbers) -> Numbers:
    """1 for the sums that speak for an answer in these examples, 0 for one that would count against it: chance, in few
    examples, and never a reason to hold good evidence against a question."""
    used = np.ones(sums.shape[1])
    slopes, _ = regression.fit(sums, labels, weights, strength=1.0)
    while (slopes < 0).any():
        used[int(np.argmin(slopes))] = 0.0
        slopes, _ = regression.fit(sums * used, labels, weights, strength=1.0)
    if (slopes > 0).any():
        return used
    raise SettingsError(
        "The searches look better for the questions that nothing answers than for the others. Are the questions marked "
        "the right way round, and the documents they are about indexed?"
    )


def without_answers(app: App, questions: Sequence[Question], principal: Principal) -> list[Result]:
    """Questions that nothing answers, made of those that something does by taking away what answers them."""
    found = [runs.masked(app, question, principal) for question in questions if question.needs]
    return [
        replace(one, question=replace(one.question, answerable=False, needs=()), passage_rank=None) for one in found
    ]


def _wrong(figures: Mapping[str, Figure]) -> float:
    """Wrong decisions at the threshold, both kinds of questions weighing the same."""
    return figures["false_answers"].value + figures["wrong_refusals"].value


def _figures(evidence: Sequence[float], labels: regression.Labels, threshold: float) -> dict[str, Figure]:
    right = [value for value, label in zip(evidence, labels, strict=True) if label]
    wrong = [value for value, label in zip(evidence, labels, strict=True) if not label]
    found = {
        "auroc": abstention.auroc(right, wrong),
        "false_answers@10": abstention.false_answers_allowing(right, wrong),
        "false_answers": abstention.answered(wrong, threshold),
        "wrong_refusals": abstention.refused(right, threshold),
    }
    return {name: figure for name, figure in found.items() if figure is not None}
