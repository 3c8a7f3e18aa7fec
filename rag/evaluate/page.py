"""A report as one HTML page that needs nothing beside it: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rag import __version__
from rag.evaluate import plots
from rag.evaluate.intervals import Figure
from rag.evaluate.plots import Row
from rag.evaluate.report import Report
from rag.evaluate.runs import Result
from rag.evaluate.summary import ANSWER_TIMES, TIMES, Summary

WORST = 25
"""Questions listed of each kind that went wrong."""

_PAGE = Environment(
    loader=PackageLoader("rag.evaluate"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

WORDS = {
    "recall@1": "right documents found first",
    "recall@5": "right documents among the first 5",
    "recall@10": "right documents among the first 10",
    "ndcg@10": "nDCG, first 10 documents",
    "mrr@10": "reciprocal rank of the first right document",
    "seen@5": "a right document among the first 5 passages",
    "auroc": "evidence tells answerable from unanswerable (AUROC)",
    "false_answers@10": "false answers at 10 % wrong refusals",
    "false_answers": "false answers at the threshold in use",
    "wrong_refusals": "wrong refusals at the threshold in use",
    "support": "sentences supported by a passage",
    "citation_precision": "citations of a right document",
    "verbatim": "citations that stand verbatim in the document",
    "answered": "answerable questions answered",
    "answered_wrongly": "unanswerable questions answered",
    "retrieve_ms_median": "search, median, ms",
    "retrieve_ms_p95": "search, 95 of 100 within, ms",
    "first_token_ms_median": "first token, median, ms",
    "first_sentence_ms_median": "first checked sentence, median, ms",
    "total_ms_median": "whole answer, median, ms",
}
"""Figure → what it says, in words."""

_BASELINES = {"bm25": "BM25, whole documents", "dense": "meaning alone", "words": "words alone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """One set as the page shows it."""

    summary: Summary
    anchor: str
    rows: Sequence[tuple[str, str, Figure, str]]
    groups: Mapping[str, Markup]
    beside: Markup | None
    abstention: Markup | None
    times: Markup | None
    worst: Sequence[Result]
    false: Sequence[Result]
    refused: Sequence[Result]


def render(report: Report) -> str:
    """The page."""
    return _PAGE.get_template("page.html").render(
        report=report,
        style=Markup(files("rag.evaluate").joinpath("templates/page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        version=__version__,
        sets=[_set(number, one) for number, one in enumerate(report.summaries, 1)],
        compared=[(one, _differences(one.name, one.differences)) for one in report.comparisons],
        worst=WORST,
        baselines=_BASELINES,
    )


def _set(number: int, summary: Summary) -> _Set:
    results = summary.results
    right = [one for one in results if one.question.needs]
    times = [one.retrieve_ms for one in results]
    return _Set(
        summary=summary,
        anchor=f"set-{number}",
        rows=[(name, WORDS[name], figure, _form(name)) for name, figure in summary.figures.items()],
        groups={metric: _groups(summary, metric) for metric in ("ndcg@10", "recall@5") if metric in summary.figures},
        beside=_beside(summary) if any(summary.baselines.values()) else None,
        abstention=_abstention(summary) if summary.curve else None,
        times=plots.histogram(f"Time of a search, {summary.name}", times, unit="ms") if times else None,
        worst=sorted((one for one in right if one.scores()["ndcg@10"] < 1), key=_quality)[:WORST],
        false=_false(summary),
        refused=_refused(summary),
    )


def _quality(result: Result) -> tuple[float, float]:
    """What sorts the worst first; of equals, those that the evidence was surer of."""
    return result.scores()["ndcg@10"], -result.evidence


def _false(summary: Summary) -> list[Result]:
    """Unanswerable questions with evidence enough, the surest first."""
    found = [o for o in summary.results if not o.question.answerable and o.evidence >= summary.threshold]
    return sorted(found, key=lambda one: -one.evidence)[:WORST]


def _refused(summary: Summary) -> list[Result]:
    """Answerable questions with too little evidence, the least first."""
    found = [one for one in summary.results if one.question.answerable and one.evidence < summary.threshold]
    return sorted(found, key=lambda one: one.evidence)[:WORST]


def _groups(summary: Summary, metric: str) -> Markup:
    rows = [Row("all questions", summary.figures[metric], strong=True)]
    rows += [Row(f"language {name}", own[metric]) for name, own in summary.by_language.items()]
    rows += [Row(f"kind {name}", own[metric]) for name, own in summary.by_kind.items()]
    return plots.dots(f"{WORDS[metric]} by language and kind, {summary.name}", rows)


def _beside(summary: Summary) -> Markup:
    rows = [Row("search", summary.figures["ndcg@10"], strong=True)]
    rows += [Row(_BASELINES[name], own["ndcg@10"]) for name, own in summary.baselines.items()]
    return plots.dots(f"nDCG@10 beside the baselines, {summary.name}", rows)


def _abstention(summary: Summary) -> Markup:
    return plots.abstention(f"False answers against wrong refusals, {summary.name}", summary.curve, summary.threshold)


def _differences(name: str, differences: Mapping[str, Figure]) -> Markup:
    rows = [
        Row(metric.replace("ndcg", "nDCG"), figure, strong=metric == "ndcg@10")
        for metric, figure in differences.items()
    ]
    return plots.dots(f"Now less before, {name}", rows, around_zero=True)


def _form(name: str) -> str:
    return "%.0f" if name in (*TIMES, *ANSWER_TIMES) else "%.3f"
