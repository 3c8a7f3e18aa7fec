"""A run against an earlier one, question by question: what got better, what got worse, and whether it is more than
chance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.evaluate import intervals
from rag.evaluate.intervals import Figure
from rag.evaluate.runs import METRICS

_EQUAL = 1e-5  # rows are rounded to six places


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One question's nDCG@10, before and now."""

    id: str
    text: str
    before: float
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One set, now less before. `signs` is, by metric, the chance of a split at least as uneven between better and
    worse if neither were likelier (two-sided sign test). `apart` counts questions only one of the runs has."""

    name: str
    compared: int
    apart: int
    differences: Mapping[str, Figure]
    signs: Mapping[str, float]
    better: tuple[Change, ...]
    worse: tuple[Change, ...]

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "compared": self.compared,
            "only_in_one": self.apart,
            "differences": {
                name: figure.as_json() | {"sign_test_p": round(self.signs[name], 6)}
                for name, figure in self.differences.items()
            },
            "better": [_change_json(change) for change in self.better],
            "worse": [_change_json(change) for change in self.worse],
        }


def read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of an earlier run's ``eval.json``, by set.

    Raises:
        SettingsError: it is none.
    """
    try:
        sets = json.loads(path.read_text(encoding="utf-8"))["sets"]
        found = {name: [dict(row) for row in own["rows"]] for name, own in sets.items()}
        if not all(isinstance(row["id"], str) and "text" in row for rows in found.values() for row in rows):
            raise ValueError("a row without id and text")
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no eval.json with a row for each question. `rag eval … --out DIR` writes one."
        ) from error
    return found


def compare(name: str, before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> Comparison | None:
    """The rows of one set in two runs; None where no question is in both. One whose text or gold changed is another
    question."""
    old = {row["id"]: row for row in before}
    pairs = [(old[row["id"]], row) for row in now if row["id"] in old and _same(old[row["id"]], row)]
    judged = [(one, other) for one, other in pairs if all(metric in one and metric in other for metric in METRICS)]
    if not judged:
        return None
    moved = {metric: [float(new[metric]) - float(was[metric]) for was, new in judged] for metric in METRICS}
    changes = [_change(was, new) for was, new in judged]
    return Comparison(
        name=name,
        compared=len(judged),
        apart=len(before) + len(now) - 2 * len(pairs),
        differences={metric: figure for metric, by in moved.items() if (figure := intervals.mean(by)) is not None},
        signs={
            metric: sign_test(sum(d > _EQUAL for d in by), sum(d < -_EQUAL for d in by)) for metric, by in moved.items()
        },
        better=tuple(sorted((c for c in changes if c.now > c.before + _EQUAL), key=lambda c: c.before - c.now)),
        worse=tuple(sorted((c for c in changes if c.now < c.before - _EQUAL), key=lambda c: c.now - c.before)),
    )


def sign_test(better: int, worse: int) -> float:
    """Two-sided exact binomial test that both are as likely, ties left out: the chance of a split as uneven, 0 to 1."""
    total = better + worse
    if not total:
        return 1.0
    tail = sum(math.comb(total, count) for count in range(min(better, worse) + 1))
    return float(min(1.0, 2 * tail / 2**total))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["text"] == other["text"] and one.get("gold") == other.get("gold"))


def _change(was: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    return Change(id=new["id"], text=new["text"], before=float(was["ndcg@10"]), now=float(new["ndcg@10"]))


def _change_json(change: Change) -> dict[str, Any]:
    return {"id": change.id, "text": change.text, "before": change.before, "now": change.now}
