"""Questions through an app, one after the other: what was found for each, how long it took, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.app import App
from rag.ask.evidence import Features
from rag.documents import ChunkId
from rag.errors import SettingsError
from rag.evaluate import figures
from rag.evaluate.answering import Answered, ask, named
from rag.evaluate.baselines import Baselines
from rag.evaluate.questions import Question
from rag.evaluate.sets import QuestionSet

PASSAGES = 50
"""Passages taken for each question: enough to hold its first ten documents."""

SEEN = 5
"""Passages that a reader is taken to look at."""

METRICS: dict[str, Callable[[Sequence[str], Sequence[frozenset[str]]], float]] = {
    "recall@1": lambda ranking, needs: figures.recall(ranking, needs, 1),
    "recall@5": lambda ranking, needs: figures.recall(ranking, needs, 5),
    "recall@10": lambda ranking, needs: figures.recall(ranking, needs, 10),
    "ndcg@10": lambda ranking, needs: figures.ndcg(ranking, needs, 10),
    "mrr@10": lambda ranking, needs: figures.reciprocal_rank(ranking, needs, 10),
}
"""Figure → how it is counted for one question; all are 0 to 1, higher is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one question. `ranking` holds the documents found, each at the place of its first passage;
    `passage_rank` is the rank, from 1, of the first passage of a right document. `others` are the baselines' rankings.
    """

    question: Question
    ranking: tuple[str, ...]
    passage_rank: int | None
    evidence: float
    retrieve_ms: float
    features: Features | None = None
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answer: Answered | None = None

    def scores(self, of: str = "") -> dict[str, float]:
        """Every metric for this question, or for a baseline's ranking; empty where nothing answers it."""
        ranking = self.others[of] if of else self.ranking
        needs = self.question.needs
        return {name: score(ranking, needs) for name, score in METRICS.items()} if needs else {}

    def as_json(self) -> dict[str, Any]:
        """A row of ``eval.json``."""
        question = self.question
        return {
            "id": question.id,
            "text": question.text,
            "language": question.language,
            "kind": question.kind,
            "answerable": question.answerable,
            "gold": [sorted(need) for need in question.needs],
            "found": list(self.ranking[:10]),
            "rank": figures.first_rank(self.ranking, question.needs),
            **{name: round(value, 6) for name, value in self.scores().items()},
            "evidence": round(self.evidence, 6),
            "retrieve_ms": round(self.retrieve_ms, 2),
            **({"baselines": {of: _rounded(self.scores(of)) for of in self.others}} if self.others else {}),
            **({"answer": self.answer.as_json()} if self.answer else {}),
        }


def run(
    app: App,
    questions: Sequence[Question],
    *,
    principal: Principal,
    answers: bool = False,
    baselines: bool = False,
    seen: Callable[[int], None] = lambda number: None,
) -> list[Result]:
    """Search for every question, rank the baselines beside it and answer it, where that is wanted."""
    beside = Baselines.of(app, principal) if baselines else None
    if questions:
        app.search(
            questions[0].text, principal=principal, channel=LOOPBACK, k=1
        )  # what is opened for the first is no one's waiting
    results = []
    for number, question in enumerate(questions, 1):
        results.append(_one(app, question, principal, beside, answers))
        seen(number)
    return results


def check_indexed(app: App, asked: QuestionSet) -> list[str]:
    """See that the home holds at least one of the documents that the questions are about; returns those it lacks.

    Raises:
        SettingsError: it holds none; figures would tell of the home, not of the search.
    """
    right = frozenset().union(*(question.documents for question in asked.questions))
    held = {named(entry.id, right) for entry in app.ledger.entries() if entry.version is not None}
    if right and not right & held:
        raise SettingsError(
            f"None of the {len(right)} documents that {asked.place} is about is indexed in {app.settings.home}. "
            f"Run `rag ingest FOLDER` with the folder they lie in, or give its home with --home."
        )
    return sorted(right - held)


def masked(app: App, question: Question, principal: Principal) -> Result:
    """Ask a question as if the documents that answer it were not there."""
    right = question.documents
    keys = [entry.key for entry in app.ledger.entries() if named(entry.id, right) in right]
    return _one(app, question, principal, None, answers=False, without=app.ledger.chunks_of(keys))


def _one(
    app: App,
    question: Question,
    principal: Principal,
    beside: Baselines | None,
    answers: bool,
    without: Set[ChunkId] = frozenset(),
) -> Result:
    began = time.perf_counter()
    found = app.search(question.text, principal=principal, channel=LOOPBACK, k=PASSAGES, without=without)
    took_ms = (time.perf_counter() - began) * 1000
    right = question.documents
    names = [named(passage.chunk.document_id, right) for passage in found.passages]
    others = beside.rank(question.text, found.question_vector) if beside else {}
    return Result(
        question=question,
        ranking=_distinct(names),
        passage_rank=next((rank for rank, name in enumerate(names, 1) if name in right), None),
        evidence=found.evidence,
        retrieve_ms=took_ms,
        features=found.features,
        others={of: _distinct(named(name, right) for name in ranking) for of, ranking in others.items()},
        answer=ask(app, question, principal) if answers else None,
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in scores.items()}
