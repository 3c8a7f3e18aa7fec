"""A question with the passages found for it: searched for once, given to every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.access import LOOPBACK, Principal
from rag.answers import Passage
from rag.app import App
from rag.ask.course import Before
from rag.ask.lineage import described
from rag.ask.release import divide
from rag.ask.searched import Retrieved
from rag.ask.versions import newest_first
from rag.evaluate.answering import named
from rag.evaluate.questions import Question

_CHARS_A_TOKEN = 3.5  # of German prose, with the tokenizers of the models that run here; English has more
_FEW_TOKENS, _MANY_TOKENS = 540, 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`shown` is what a model may be given of what was found, in its order."""

    question: Question
    found: Retrieved
    shown: tuple[Passage, ...]

    @property
    def holds(self) -> bool:
        """Whether a right document is among the passages."""
        right = self.question.documents
        return any(named(passage.chunk.document_id, right) in right for passage in self.shown)


def gather(app: App, questions: Sequence[Question], *, principal: Principal) -> list[Case]:
    """Search for each question, as an answer would."""
    found = []
    for question in questions:
        retrieved = app.retriever.retrieve(question.text, principal=principal, k=app.settings.retrieval.passages)
        full = divide(retrieved.passages, LOOPBACK).full
        shown = newest_first(described(full, app.ledger, principal), question.text)
        found.append(Case(question=question, found=retrieved, shown=tuple(shown)))
    return found


def allowance(providers: Sequence[str], *, prompt_tokens: int) -> Before:
    """How much of the passages each model is given: the same letters for all, counted in letters since each model
    counts tokens its own way. As many as the settings say (`prompt_tokens`); without it, what a model in this process
    reads in a few seconds where one is among them, and then as extracts, as it would be given them."""
    slow = "embedded" in providers
    tokens = prompt_tokens or (_FEW_TOKENS if slow else _MANY_TOKENS)
    return Before(chars=int(tokens * _CHARS_A_TOKEN), extracted=slow)
