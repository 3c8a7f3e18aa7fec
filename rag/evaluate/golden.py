"""A folder with ``questions.jsonl`` in the form of ``data/golden``: recall of documents, citations, abstention.

A line is ``{"id", "text", "answerable", "kind", "lang", "gold": [{"document", "page", "quote"}]}``; ``document`` is the
path below the source's root, and any of the gold entries counts as right.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.answers import Answer, Done, Passage
from rag.app import App
from rag.ask import cite
from rag.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A golden question."""

    id: str
    text: str
    answerable: bool
    kind: str
    language: str
    documents: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one question. `rank` is that of the first passage of a right document, from 1."""

    question: Question
    rank: int | None
    evidence: float
    retrieve_ms: float
    answer: Answer | None = None
    verbatim: int = 0


def read(folder: Path) -> list[Question]:
    """The questions of a folder.

    Raises:
        SettingsError: there is no such file, or a line is not in the form above.
    """
    path = folder / "questions.jsonl" if folder.is_dir() else folder
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The questions {path} cannot be read: {reason}.") from error
    questions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            questions.append(
                Question(
                    id=entry["id"],
                    text=entry["text"],
                    answerable=entry["answerable"],
                    kind=entry.get("kind", ""),
                    language=entry.get("lang", ""),
                    documents=frozenset(gold["document"] for gold in entry["gold"]),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path}, line {number}: not a golden question.") from error
    return questions


def run(
    app: App,
    questions: Iterable[Question],
    *,
    principal: Principal,
    answers: bool,
    seen: Callable[[int], None] = lambda number: None,
) -> list[Result]:
    """Search for every question, and answer it where asked to."""
    results = []
    for number, question in enumerate(questions, 1):
        began = time.perf_counter()
        found = app.search(question.text, principal=principal, k=20)
        results.append(
            Result(
                question=question,
                rank=_rank(found.passages, question.documents),
                evidence=found.evidence,
                retrieve_ms=(time.perf_counter() - began) * 1000,
                **(_answered(app, question, principal) if answers else {}),
            )
        )
        seen(number)
    return results


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """The figures of a run: recall@k (a right document among the first k passages), citations, times."""
    answerable = [result for result in results if result.question.answerable]
    found: dict[str, Any] = {
        "questions": len(results),
        "answerable": len(answerable),
        "recall@1": _recall(answerable, 1),
        "recall@5": _recall(answerable, 5),
        "recall@5_by_kind": {
            kind: _recall([r for r in answerable if r.question.kind == kind], 5)
            for kind in sorted({r.question.kind for r in answerable})
        },
        "missed": [result.question.id for result in answerable if result.rank is None or result.rank > 5],
        "retrieve_ms_median": round(statistics.median(r.retrieve_ms for r in results), 1) if results else None,
    }
    answered = [result for result in results if result.answer is not None]
    if answered:
        found["answers"] = _answer_figures(answered)
    return found


def _answer_figures(results: Sequence[Result]) -> dict[str, Any]:
    answers = [(result, result.answer) for result in results if result.answer is not None]
    citations = sum(len(answer.citations) for _, answer in answers)
    right = sum(_rank_of_citations(answer, result.question.documents) for result, answer in answers)
    outcomes: dict[str, dict[str, int]] = {"answerable": {}, "unanswerable": {}}
    for result, answer in answers:
        side = outcomes["answerable" if result.question.answerable else "unanswerable"]
        side[answer.outcome.value] = side.get(answer.outcome.value, 0) + 1
    times = [answer.timing_ms for _, answer in answers if "first_token" in answer.timing_ms]
    return {
        "citations": citations,
        "verbatim": sum(result.verbatim for result, _ in answers),
        "of_right_document": right,
        "outcomes": outcomes,
        "first_token_ms_median": _median(times, "first_token"),
        "first_sentence_ms_median": _median(times, "first_sentence"),
        "total_ms_median": _median(times, "total"),
    }


def _answered(app: App, question: Question, principal: Principal) -> dict[str, Any]:
    answer = None
    for event in app.ask(question.text, principal=principal, channel=LOOPBACK):
        if isinstance(event, Done):
            answer = event.answer
    if answer is None:
        return {}
    verbatim = sum(cite.verify(citation, app.ledger.document(citation.key)) for citation in answer.citations)
    return {"answer": answer, "verbatim": verbatim}


def _rank(passages: Sequence[Passage], documents: frozenset[str]) -> int | None:
    names = [passage.chunk.document_id.split(":", 1)[1] for passage in passages]
    for rank, name in enumerate(names, 1):
        if name in documents:
            return rank
    return None


def _rank_of_citations(answer: Answer, documents: frozenset[str]) -> int:
    return sum(citation.document_id.split(":", 1)[1] in documents for citation in answer.citations)


def _recall(results: Sequence[Result], k: int) -> float | None:
    if not results:
        return None
    return round(sum(result.rank is not None and result.rank <= k for result in results) / len(results), 4)


def _median(times: Sequence[Mapping[str, float]], stage: str) -> float | None:
    values = [entry[stage] for entry in times if stage in entry]
    return round(statistics.median(values)) if values else None
