"""A whole evaluation: the figures of each set, how they compare with an earlier run, and the bounds they miss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag import __version__
from rag.access import OWNER
from rag.app import App
from rag.evaluate import homes, runs
from rag.evaluate.answering import Answered
from rag.evaluate.comparison import Comparison, compare
from rag.evaluate.homes import Opening
from rag.evaluate.sets import Form, QuestionSet
from rag.evaluate.summary import Summary, summarise
from rag.ports import Progress
from rag.settings import Settings

_FORM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `rag eval` found. `missed` holds a sentence for each bound of the gate that is not kept."""

    summaries: tuple[Summary, ...]
    configuration: Mapping[str, Any]
    made_at: datetime
    comparisons: tuple[Comparison, ...] = ()
    against: str = ""
    gate: str = ""
    missed: tuple[str, ...] = ()

    def as_json(self, *, rows: bool) -> dict[str, Any]:
        """The public form, with each question where `rows` are wanted. Of a single set the plain figures stand at the
        top, too."""
        return {
            **(plain(self.summaries[0]) if len(self.summaries) == 1 else {}),
            "form": _FORM,
            "archivar": __version__,
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "configuration": self.configuration,
            "sets": {one.name: one.as_json(rows=rows) for one in self.summaries},
            **({"against": self.against, "comparison": self._compared()} if self.against else {}),
            **({"gate": {"file": self.gate, "missed": list(self.missed)}} if self.gate else {}),
        }

    def _compared(self) -> dict[str, Any]:
        return {one.name: one.as_json() for one in self.comparisons}


def measure(
    asked: QuestionSet,
    settings: Settings,
    *,
    opening: Opening = App,
    keep: Path | None = None,
    answers: bool = False,
    baselines: bool = False,
    progress: Progress = lambda what, done, total: None,
    lacking: Callable[[Sequence[str]], None] = lambda names: None,
) -> Summary:
    """The figures of one set, asked of the home or of an index made for it. `lacking` is told of right documents that
    are not indexed: no search can find them.

    Raises:
        SettingsError: nothing that the questions are about is indexed.
    """
    with homes.opened(asked, settings, opening=opening, keep=keep, progress=progress) as app:
        if asked.form is Form.HOME and (names := runs.check_indexed(app, asked)):
            lacking(names)
        results = runs.run(
            app,
            asked.questions,
            principal=app.person(OWNER),
            answers=answers,
            baselines=baselines,
            seen=lambda number: progress(f"questions of {asked.name}", number, len(asked.questions)),
        )
    return summarise(asked.name, results, threshold=settings.retrieval.evidence)


def assemble(
    summaries: Sequence[Summary],
    settings: Settings,
    *,
    earlier: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    against: str = "",
    gate: str = "",
    missed: Sequence[str] = (),
) -> Report:
    """The report of these sets. `earlier` holds the rows of another run by set; sets it lacks are not compared."""
    before = earlier or {}
    found = [compare(o.name, before[o.name], [r.as_json() for r in o.results]) for o in summaries if o.name in before]
    return Report(
        summaries=tuple(summaries),
        configuration=_configuration(settings),
        made_at=datetime.now(UTC),
        comparisons=tuple(one for one in found if one is not None),
        against=against,
        gate=gate,
        missed=tuple(missed),
    )


def plain(summary: Summary) -> dict[str, Any]:
    """The few figures a reader looks for first, without intervals."""
    figures = {name: round(figure.value, 4) for name, figure in summary.figures.items()}
    found: dict[str, Any] = {
        "questions": len(summary.results),
        "answerable": sum(result.question.answerable for result in summary.results),
        "recall@1": figures.get("recall@1"),
        "recall@5": figures.get("recall@5"),
        "recall@5_by_kind": {kind: round(own["recall@5"].value, 4) for kind, own in summary.by_kind.items()},
        "ndcg@10": figures.get("ndcg@10"),
        "missed": summary.missed,
        "retrieve_ms_median": _round(figures.get("retrieve_ms_median"), 1),
    }
    answers = [result.answer for result in summary.results if result.answer is not None]
    if answers:
        found["answers"] = _plain_answers(answers, summary, figures)
    return found


def _plain_answers(answers: Sequence[Answered], summary: Summary, figures: Mapping[str, float]) -> dict[str, Any]:
    return {
        "citations": sum(answer.citations for answer in answers),
        "verbatim": sum(answer.verbatim for answer in answers),
        "of_right_document": sum(answer.of_right_document for answer in answers),
        "outcomes": {side: dict(counts) for side, counts in summary.outcomes.items()},
        **{
            f"{stage}_ms_median": _round(figures.get(f"{stage}_ms_median"), None)
            for stage in ("first_token", "first_sentence", "total")
        },
    }


def _round(value: float | None, digits: int | None) -> float | None:
    return None if value is None else round(value, digits)


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "config": str(settings.config) if settings.config else None,
        "embedder": settings.embedder.model,
        "retrieval": asdict(settings.retrieval),
        "llm": {"provider": settings.llm.provider, "model": settings.llm.model},
    }
