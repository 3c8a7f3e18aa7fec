"""Results of one set to its figures: means with their intervals, overall, by language and by kind; abstention; times.

The names of the figures are the public ones: gates and comparisons use them. `LOWER` holds those of which less is
better; of all others more is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rag.evaluate import abstention, intervals
from rag.evaluate.answering import Answered
from rag.evaluate.intervals import Figure
from rag.evaluate.runs import METRICS, SEEN, Result

RETRIEVAL = (*METRICS, f"seen@{SEEN}")
ABSTENTION = ("auroc", "false_answers@10", "false_answers", "wrong_refusals")
ANSWERS = ("support", "citation_precision", "verbatim", "answered", "answered_wrongly")
TIMES = ("retrieve_ms_median", "retrieve_ms_p95")
ANSWER_TIMES = ("first_token_ms_median", "first_sentence_ms_median", "total_ms_median")
NAMES = (*RETRIEVAL, *ABSTENTION, *ANSWERS, *TIMES, *ANSWER_TIMES)
LOWER = frozenset({"false_answers@10", "false_answers", "wrong_refusals", "answered_wrongly", *TIMES, *ANSWER_TIMES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a set. `threshold` is the evidence below which nothing is answered."""

    name: str
    results: tuple[Result, ...]
    threshold: float
    figures: Mapping[str, Figure]
    by_language: Mapping[str, Mapping[str, Figure]]
    by_kind: Mapping[str, Mapping[str, Figure]]
    baselines: Mapping[str, Mapping[str, Figure]]
    gains: Mapping[str, Figure]
    """Baseline → nDCG@10 of the search less the baseline's, question by question."""
    curve: tuple[abstention.Point, ...] = ()
    outcomes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """Questions of which the first five documents do not meet every need."""
        return [one.question.id for one in self.results if one.question.needs and one.scores()["recall@5"] < 1]

    def as_json(self, *, rows: bool) -> dict[str, Any]:
        """The public form; with `rows`, each question too."""
        found: dict[str, Any] = {
            "questions": len(self.results),
            "answerable": sum(result.question.answerable for result in self.results),
            "figures": _json(self.figures),
            "by_language": {name: _json(own) for name, own in self.by_language.items()},
            "by_kind": {name: _json(own) for name, own in self.by_kind.items()},
            "missed": self.missed,
            "evidence_threshold": self.threshold,
            "abstention_curve": [
                [round(point.threshold, 6), round(point.wrong_refusals, 6), round(point.false_answers, 6)]
                for point in abstention.thinned(self.curve)
            ],
        }
        if self.baselines:
            found["baselines"] = {name: _json(own) for name, own in self.baselines.items()}
            found["gain_over"] = _json(self.gains)
        if self.outcomes:
            found["outcomes"] = self.outcomes
        if rows:
            found["rows"] = [result.as_json() for result in self.results]
        return found


def summarise(name: str, results: Sequence[Result], *, threshold: float) -> Summary:
    """Every figure these results allow; what there is nothing to count for is left out."""
    others = dict.fromkeys(name for result in results for name in result.others)
    right = [result for result in results if result.question.needs]
    return Summary(
        name=name,
        results=tuple(results),
        threshold=threshold,
        figures={**_retrieval(right), **_abstention(results, threshold), **_answers(results), **_times(results)},
        by_language=_grouped(right, lambda result: result.question.language),
        by_kind=_grouped(right, lambda result: result.question.kind),
        baselines={of: _means([result.scores(of) for result in right]) for of in others},
        gains=_present({of: intervals.mean([_gain(result, of) for result in right]) for of in others}),
        curve=tuple(abstention.curve(*_evidence(results))),
        outcomes=_outcomes(results),
    )


def _gain(result: Result, of: str) -> float:
    return result.scores()["ndcg@10"] - result.scores(of)["ndcg@10"]


def _retrieval(right: Sequence[Result]) -> dict[str, Figure]:
    seen = [float(result.passage_rank is not None and result.passage_rank <= SEEN) for result in right]
    return _means([result.scores() for result in right]) | _present({f"seen@{SEEN}": intervals.share(seen)})


def _grouped(right: Sequence[Result], of: Callable[[Result], str]) -> dict[str, dict[str, Figure]]:
    """The figures of retrieval for each group; none where the set does not part its questions."""
    names = sorted({of(result) for result in right})
    return {name: _retrieval([one for one in right if of(one) == name]) for name in names if name}


def _means(scores: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    return _present({name: intervals.share([own[name] for own in scores]) for name in METRICS})


def _evidence(results: Sequence[Result]) -> tuple[list[float], list[float]]:
    """Of the answerable questions, and of the others."""
    return (
        [result.evidence for result in results if result.question.answerable],
        [result.evidence for result in results if not result.question.answerable],
    )


def _abstention(results: Sequence[Result], threshold: float) -> dict[str, Figure]:
    right, wrong = _evidence(results)
    return _present(
        {
            "auroc": abstention.auroc(right, wrong),
            "false_answers@10": abstention.false_answers_allowing(right, wrong),
            "false_answers": abstention.answered(wrong, threshold),
            "wrong_refusals": abstention.refused(right, threshold),
        }
    )


def _answers(results: Sequence[Result]) -> dict[str, Figure]:
    """Of the answers: shares of sentences supported, of citations right and verbatim, of questions answered."""
    asked = [(result.question, result.answer) for result in results if result.answer is not None]
    right = [answer for question, answer in asked if question.answerable]
    wrong = [answer for question, answer in asked if not question.answerable]
    everyone = [*right, *wrong]
    stages = ("first_token", "first_sentence", "total")
    times = {f"{s}_ms_median": _spread([a.timing_ms[s] for a in everyone if s in a.timing_ms], 50) for s in stages}
    return _present(
        {
            "support": intervals.share([one.supported / one.sentences for one in everyone if one.sentences]),
            "citation_precision": intervals.share([o.of_right_document / o.citations for o in right if o.citations]),
            "verbatim": intervals.share([one.verbatim / one.citations for one in everyone if one.citations]),
            "answered": intervals.share([float(one.given) for one in right]),
            "answered_wrongly": intervals.share([float(one.given) for one in wrong]),
            **times,
        }
    )


def _times(results: Sequence[Result]) -> dict[str, Figure]:
    times = [result.retrieve_ms for result in results]
    return _present({"retrieve_ms_median": _spread(times, 50), "retrieve_ms_p95": _spread(times, 95)})


def _spread(times: Sequence[float], percentile: float) -> Figure | None:
    """A percentile of times; its interval is that of order statistics, by the normal approximation of their ranks."""
    if not times:
        return None
    share, reach = percentile / 100, 1.96 * (percentile / 100 * (1 - percentile / 100) / len(times)) ** 0.5
    low, value, high = np.quantile(times, [max(0.0, share - reach), share, min(1.0, share + reach)]).tolist()
    return Figure(value=value, low=low, high=high, n=len(times))


def _outcomes(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """How the questions of either kind ended; empty where none was asked."""
    asked: Iterable[tuple[str, Answered]] = [
        ("answerable" if one.question.answerable else "unanswerable", one.answer) for one in results if one.answer
    ]
    found = {side: dict(sorted(Counter(a.outcome for s, a in asked if s == side).items())) for side in _SIDES}
    return found if any(found.values()) else {}


_SIDES = ("answerable", "unanswerable")


def _present(figures: Mapping[str, Figure | None]) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _json(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
