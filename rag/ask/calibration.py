"""Is there enough evidence to answer? A calibrated probability, not a cut-off on a score.

Two questions are asked of the features, each by a logistic regression's sum: is this what the question is about, and
does the best stretch hold the very fact? Each sum is cut off where it says enough, so that no abundance of the one
makes up for want of the other; what remains is turned into a probability.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.ask.evidence import Features
from rag.errors import SettingsError
from rag.models.adapter import passages_of
from rag.store.backup import CALIBRATION

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A weighted sum of features, cut off at `most`."""

    weights: Mapping[str, float]
    intercept: float
    most: float = math.inf

    def of(self, features: Features) -> float:
        """The sum, in logits; a feature that is None counts 0."""
        total = sum(weight * (getattr(features, name) or 0.0) for name, weight in self.weights.items())
        return min(self.most, self.intercept + total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Features to a probability. `slopes` weigh the two sums in the logit of the probability, `shift` moves it;
    `origin` says what it was fitted on, `embedder` with which: its fingerprint, "" where nobody noted it."""

    topic: Sum
    fact: Sum
    slopes: tuple[float, float]
    shift: float
    origin: str = ""
    embedder: str = ""

    def sums(self, features: Features) -> tuple[float, float]:
        """What speaks for the topic and for the fact, in logits."""
        return self.topic.of(features), self.fact.of(features)

    def probability(self, features: Features) -> float:
        """The probability, 0 to 1, that the passages answer the question."""
        topic, fact = self.sums(features)
        return 1.0 / (1.0 + math.exp(-(self.slopes[0] * topic + self.slopes[1] * fact + self.shift)))

    def fits(self, embedder: str) -> bool:
        """Whether it speaks of what this embedder (its fingerprint) finds. One that nobody noted the embedder of was
        fitted without an adapter."""
        return embedder == self.embedder if self.embedder else embedder == passages_of(embedder)

    def as_json(self) -> str:
        """As it is kept in a file."""
        form = asdict(self)
        for name in ("topic", "fact"):
            form[name]["most"] = None if math.isinf(form[name]["most"]) else form[name]["most"]
        return json.dumps(form, indent=1, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrations:
    """One for embedders that tell of single tokens, one for those that do not."""

    reading: Calibration
    plain: Calibration

    def probability(self, features: Features) -> float:
        """By the one that fits the features."""
        return self.fitting(features).probability(features)

    def fitting(self, features: Features) -> Calibration:
        """The one that fits the features."""
        return self.plain if features.stretch is None else self.reading


_NO_FACT = Sum(weights={}, intercept=0.0)

SHIPPED = Calibrations(
    reading=Calibration(
        topic=Sum(
            weights={"stretch": 30.185, "similarity": -2.112, "margin": 3.759, "widest": 1.327},
            intercept=-11.974,
            most=4.0,
        ),
        fact=Sum(weights={"stretch": 2.541, "figures": -1.506, "least": 4.305}, intercept=-3.314, most=1.0),
        slopes=(1.0, 0.5),
        shift=0.0,
        origin="XQuAD with every third article removed, data/golden, SQuAD 2.0",
    ),
    plain=Calibration(
        topic=Sum(
            weights={
                "similarity": 3.448,
                "margin": 3.797,
                "widest": 3.950,
                "second_coverage": 2.408,
                "agreement": 1.238,
            },
            intercept=-4.662,
        ),
        fact=_NO_FACT,
        slopes=(1.0, 0.0),
        shift=0.0,
    ),
)
"""The topic is fitted on XQuAD with every third article removed (German, English, both ways across) and on data/golden,
whose questions are asked as people ask; each set weighs the same. The fact is fitted on SQuAD 2.0, whose unanswerable
questions are about a passage that is there. The shift sets the odds so that 0.25 refuses one answerable golden question
in twelve. The plain one knows no fact. Figures: README, by `make bench BENCH=retrieval`."""


def calibrations(home: Path, *, embedder: str) -> Calibrations:
    """The shipped ones, or the home's own for the kind it was fitted for, where it was fitted with this embedder (its
    fingerprint): with another one, or another adapter, similarities are others.

    Raises:
        SettingsError: the home's file cannot be used; the message says how to be rid of it.
    """
    own = own_of(home)
    if own is None:
        return SHIPPED
    if not own.fits(embedder):
        _log.warning(
            "The evidence was calibrated with another embedder; the shipped calibration decides until it is fitted "
            "anew with `rag eval calibrate`",
            extra={"action": "calibration_left_out"},
        )
        return SHIPPED
    kind = "reading" if "stretch" in own.topic.weights else "plain"
    return Calibrations(**{"reading": SHIPPED.reading, "plain": SHIPPED.plain, kind: own})


def own_of(home: Path) -> Calibration | None:
    """The home's own, whatever it was fitted with; None where it has none.

    Raises:
        SettingsError: its file cannot be used.
    """
    path = home / CALIBRATION
    if not path.exists():
        return None
    try:
        return _calibration(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} is no calibration ({error}). Make it anew with `rag eval calibrate`, or delete it: the shipped "
            f"one then decides again."
        ) from error


def _calibration(form: Mapping[str, object]) -> Calibration:
    known = set(Features.__dataclass_fields__)
    sums = {}
    for name in ("topic", "fact"):
        part = form[name]
        weights = {str(key): float(value) for key, value in part["weights"].items()}  # type: ignore[index]  # checked by use
        if unknown := weights.keys() - known:
            raise ValueError(f"unknown features {', '.join(sorted(unknown))}")
        most = part["most"]  # type: ignore[index]  # checked by use
        sums[name] = Sum(
            weights=weights,
            intercept=float(part["intercept"]),  # type: ignore[index]  # checked by use
            most=math.inf if most is None else float(most),
        )
    topic, fact = (float(value) for value in form["slopes"])  # type: ignore[attr-defined]  # checked by use
    numbers = (topic, fact, float(form["shift"]), *sums["topic"].weights.values(), *sums["fact"].weights.values())  # type: ignore[arg-type]  # checked by use
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a weight is no finite number")
    return Calibration(
        topic=sums["topic"],
        fact=sums["fact"],
        slopes=(topic, fact),
        shift=numbers[2],
        origin=str(form.get("origin", "")),
        embedder=str(form.get("embedder", "")),
    )
