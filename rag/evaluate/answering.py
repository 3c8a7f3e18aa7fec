"""What came of asking one question: how it ended, and whether its citations hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.answers import Answer, Done, Outcome, Sentence
from rag.app import App
from rag.ask import cite
from rag.evaluate.questions import Question

GIVEN = (Outcome.ANSWERED, Outcome.EXTRACTS)
"""Outcomes that tell the asker something from the documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Counts of one answer. `verbatim` and `of_right_document` count citations, `supported` counts `sentences`."""

    outcome: str
    text: str = ""
    sentences: int = 0
    supported: int = 0
    citations: int = 0
    verbatim: int = 0
    of_right_document: int = 0
    timing_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def given(self) -> bool:
        """Whether the asker was told something."""
        return self.outcome in GIVEN

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        counts = ("outcome", "text", "sentences", "supported", "citations", "verbatim", "of_right_document")
        timing = {stage: round(value, 1) for stage, value in self.timing_ms.items()}
        return {name: getattr(self, name) for name in counts} | {"timing_ms": timing}


def ask(app: App, question: Question, principal: Principal) -> Answered:
    """Ask one question and check what comes back against the ledger's own text."""
    sentences: list[Sentence] = []
    answer: Answer | None = None
    for event in app.ask(question.text, principal=principal, channel=LOOPBACK):
        if isinstance(event, Sentence):
            sentences.append(event)
        elif isinstance(event, Done):
            answer = event.answer
    if answer is None:
        return Answered(outcome=Outcome.INCOMPLETE.value)
    right = question.documents
    return Answered(
        outcome=answer.outcome.value,
        text=answer.text,
        sentences=len(sentences),
        supported=sum(sentence.supported for sentence in sentences),
        citations=len(answer.citations),
        verbatim=sum(cite.verify(one, app.ledger.document(one.key)) for one in answer.citations),
        of_right_document=sum(named(one.document_id, right) in right for one in answer.citations),
        timing_ms=dict(answer.timing_ms),
    )


def named(document: str, right: frozenset[str]) -> str:
    """A document by the name the questions have for it: its whole id where they use that, else its path."""
    return document if document in right else document.split(":", 1)[1].removesuffix("/")
