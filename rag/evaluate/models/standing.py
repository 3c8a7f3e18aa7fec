"""Answers of several models to their figures and their order. Pure.

The order is by `quality`, the harmonic mean of how well answerable questions are answered and how many unanswerable
ones are left unanswered: who answers everything and who answers nothing both come to 0. Source of the measure: van
Rijsbergen, "Information Retrieval", 1979, chapter 7 (F). Resamples draw the same questions for every model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from rag.errors import SettingsError
from rag.evaluate import intervals
from rag.evaluate.comparison import sign_test
from rag.evaluate.gate import Gate
from rag.evaluate.intervals import Counts, Figure, Numbers
from rag.evaluate.models.scoring import Scored, right, wrong
from rag.evaluate.questions import Question

FIGURES = ("quality", "helpful", "careful", "answered", "support", "right_citations", "right_fact", "language_kept")
"""The names of the figures; all are shares, higher is better. Gates use them under the set `models`."""
SET = "models"
RESAMPLES = 20
_SEED = 7
_NOTHING = Figure(value=0.0, low=0.0, high=0.0, n=0)
"""What a model has of a figure that the questions allow and it does not have: it gave nothing to count."""
_NEEDS = {
    "quality": "questions",
    "helpful": "questions that the documents answer",
    "careful": "questions that no document answers",
    "answered": "questions that the documents answer",
    "support": "questions",
    "right_citations": "questions that the documents answer",
    "right_fact": "questions whose right answer is known (`facts`)",
    "language_kept": "questions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one model did. `size_bytes` of its weights; None where nobody tells."""

    name: str
    digest: str
    runtime: str
    size_bytes: int | None
    scored: tuple[Scored, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A model in its place. `ranks` are those it took in the resamples; `missed` what of the gate it does not reach;
    `better` and `worse` count the questions it does better and worse than the next, `chance` is that of such a split
    (sign test)."""

    entry: Entry
    rank: int
    figures: Mapping[str, Figure]
    by_language: Mapping[str, Figure]
    failures: Mapping[str, int]
    ranks: tuple[int, ...]
    missed: tuple[str, ...] = ()
    better: int = 0
    worse: int = 0
    chance: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All models, the best first. `smallest` is the smallest of those that pass the gate; None without a gate, or where
    none does."""

    placed: tuple[Placed, ...]
    resamples: int
    gate: str = ""
    smallest: str | None = None
    seeds: tuple[int, ...] = field(default=())


def stand(entries: Sequence[Entry], *, gate: Gate | None = None, resamples: int = RESAMPLES) -> Standing:
    """Rank the models.

    Raises:
        SettingsError: they were not asked the same questions, or the gate asks for what this run does not have.
    """
    same_questions(entries)
    keys = _keys(entries, None)
    order = sorted(range(len(entries)), key=lambda place: (keys[place], entries[place].name))
    seeds = tuple(range(_SEED, _SEED + resamples))
    ranks = [_ranks(entries, seed) for seed in seeds]
    every = [figures_of(entry.scored) for entry in entries]
    nothing = dict.fromkeys(possible([one.question for one in entries[0].scored]), _NOTHING)
    placed = []
    for rank, place in enumerate(order, 1):
        entry = entries[place]
        figures = every[place]
        better, worse, chance = _against(entry, entries[order[rank]] if rank < len(order) else None)
        placed.append(
            Placed(
                entry=entry,
                rank=rank,
                figures=figures,
                by_language=_by_language(entry.scored),
                failures=dict(sorted(Counter(one.failure for one in entry.scored if one.failure).items())),
                ranks=tuple(drawn[place] for drawn in ranks),
                missed=tuple(gate.check({SET: nothing | figures})) if gate else (),
                better=better,
                worse=worse,
                chance=chance,
            )
        )
    passing = [one for one in placed if gate and not one.missed]
    smallest = min(
        passing, key=lambda one: (one.entry.size_bytes is None, one.entry.size_bytes, one.rank), default=None
    )
    return Standing(
        placed=tuple(placed),
        resamples=resamples,
        gate=str(gate.path) if gate else "",
        smallest=smallest.entry.name if smallest else None,
        seeds=seeds,
    )


def possible(questions: Sequence[Question]) -> frozenset[str]:
    """The figures that answers to these questions can have."""
    answerable = [question for question in questions if question.answerable]
    there = {"questions"} if questions else set[str]()
    there |= {_NEEDS["helpful"]} if answerable else set()
    there |= {_NEEDS["careful"]} if len(answerable) < len(questions) else set()
    there |= {_NEEDS["right_fact"]} if any(question.facts for question in answerable) else set()
    return frozenset(name for name, needs in _NEEDS.items() if needs in there)


def fits(gate: Gate, questions: Sequence[Question]) -> None:
    """See that the questions can tell what a gate asks for, before hours are spent on the models.

    Raises:
        SettingsError: they cannot; names the line.
    """
    gate.fits([SET])
    there = possible(questions)
    for bound in gate.bounds:
        if bound.figure not in there:
            where = f"{gate.path}, line {bound.line}" if bound.line else str(gate.path)
            raise SettingsError(
                f'{where}: these questions cannot tell "{bound.figure}"; it needs {_NEEDS[bound.figure]}.',
                line=bound.line,
            )


def figures_of(scored: Sequence[Scored]) -> dict[str, Figure]:
    """Every figure these answers allow; what there is nothing to count for is left out."""
    helpful, careful = _worths(right(scored)), _worths(wrong(scored))
    found = {
        "quality": _quality(helpful, careful),
        "helpful": intervals.share(helpful.tolist()),
        "careful": intervals.share(careful.tolist()),
        "answered": intervals.share([float(one.given) for one in right(scored)]),
        "support": _known(scored, lambda one: one.support),
        "right_citations": _known(scored, lambda one: one.right_citations),
        "right_fact": _known(scored, lambda one: one.right_fact),
        "language_kept": _known(scored, lambda one: one.language_kept),
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def harmonic(one: float, other: float) -> float:
    """The harmonic mean of two shares; 0 where either is."""
    return 2 * one * other / (one + other) if one > 0 and other > 0 else 0.0


def _quality(helpful: Numbers, careful: Numbers) -> Figure | None:
    """With questions of one kind only, that kind's mean."""
    if not helpful.size or not careful.size:
        return intervals.share([*helpful.tolist(), *careful.tolist()])
    return intervals.of_two(partial(_drawn_quality, helpful, careful), (helpful.size, careful.size))


def _drawn_quality(helpful: Numbers, careful: Numbers, one: Counts, other: Counts) -> float:
    return harmonic(float(helpful @ one / one.sum()), float(careful @ other / other.sum()))


def _keys(entries: Sequence[Entry], seed: int | None) -> list[tuple[float, ...]]:
    """What orders the entries, the least the best; with a seed, over questions drawn anew. Of equal ones, as all that
    never help or never hold back are, the one with the higher mean of both is better (balanced accuracy), then the
    more helpful, then the one that says more that is supported, then who fails less."""
    keys: list[tuple[float, ...]] = []
    for entry in entries:
        here, there = right(entry.scored), wrong(entry.scored)
        draw = _draw(len(here), len(there), seed)
        helpful, careful = _mean(_worths(here), draw[0]), _mean(_worths(there), draw[1])
        quality = harmonic(helpful, careful) if here and there else helpful + careful
        told = [
            float(bool(one.said) and one.answer.supported > 0) for one in here
        ]  # quotes in its place are not its own
        said = _mean(np.asarray(told, np.float64), draw[0])
        failed = sum(bool(one.failure) for one in entry.scored)
        both = (helpful + careful) / 2
        keys.append((-round(quality, 9), -round(both, 9), -round(helpful, 9), -round(said, 9), failed))
    return keys


def _ranks(entries: Sequence[Entry], seed: int) -> list[int]:
    """Place of each entry, from 1, over questions drawn anew; equal ones share theirs, so that none is last by its
    name."""
    keys = _keys(entries, seed)
    return [1 + sum(other < own for other in keys) for own in keys]


def _draw(answerable: int, others: int, seed: int | None) -> tuple[Counts, Counts]:
    """How often each question counts. The same for every model, since all were asked the same."""
    if seed is None:
        return np.ones(answerable, np.int64), np.ones(others, np.int64)
    generator = np.random.default_rng(seed)
    return _multiset(generator, answerable), _multiset(generator, others)


def _multiset(generator: np.random.Generator, size: int) -> Counts:
    if not size:
        return np.zeros(0, np.int64)
    return np.bincount(generator.integers(0, size, size), minlength=size).astype(np.int64)


def _mean(values: Numbers, counts: Counts) -> float:
    return float(values @ counts / counts.sum()) if values.size else 0.0


def _worths(scored: Sequence[Scored]) -> Numbers:
    return np.asarray([one.worth for one in scored], np.float64)


def _known(scored: Sequence[Scored], of: Callable[[Scored], float | None]) -> Figure | None:
    return intervals.share([float(value) for one in scored if (value := of(one)) is not None])


def _by_language(scored: Sequence[Scored]) -> dict[str, Figure]:
    names = sorted({one.question.language for one in scored if one.question.language})
    found = {name: intervals.share([o.worth for o in right(scored) if o.question.language == name]) for name in names}
    return {name: figure for name, figure in found.items() if figure is not None}


def _against(entry: Entry, other: Entry | None) -> tuple[int, int, float]:
    """Questions done better and worse than another model, and the chance of such a split."""
    if other is None:
        return 0, 0, 1.0
    moved = [one.worth - two.worth for one, two in zip(entry.scored, other.scored, strict=True)]
    better, worse = sum(by > 1e-9 for by in moved), sum(by < -1e-9 for by in moved)
    return better, worse, sign_test(better, worse)


def same_questions(entries: Sequence[Entry]) -> None:
    """See that all were asked the same, in the same order.

    Raises:
        SettingsError: they were not, or there are none.
    """
    if not entries:
        raise SettingsError("There is no model to rank.")
    asked = [[one.question.id for one in entry.scored] for entry in entries]
    if any(one != other for one, other in pairwise(asked)):
        raise SettingsError("The models were not asked the same questions; compare them in one run.")
