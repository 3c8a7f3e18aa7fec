"""One model over the cases: the flow every answer takes, checked sentence by sentence, and the time it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.access import LOOPBACK, Principal
from rag.answers import Answer, AnswerEvent, Done, Outcome, Sentence
from rag.ask import cite
from rag.ask.answer import Answerer
from rag.ask.course import Before
from rag.ask.recheck import Recheck
from rag.errors import ModelError
from rag.evaluate.answering import Answered, named
from rag.evaluate.models.cases import Case
from rag.evaluate.models.scoring import Scored
from rag.models.wrapped import Wrapped
from rag.ports import Delta, Generation, LanguageModel, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """How long one answer took, seconds. `silent_s` is until the model said or thought something. `prompt_tokens` are
    those the model read anew; None where its server does not tell how many it had in its cache."""

    silent_s: float | None
    first_token_s: float | None
    total_s: float
    prompt_tokens: int | None
    output_tokens: int | None

    @property
    def prompt_tokens_a_second(self) -> float | None:
        """How fast it reads."""
        return self.prompt_tokens / self.silent_s if self.prompt_tokens is not None and self.silent_s else None


class Observed(Wrapped):
    """A language model of whose last generation is known how long it took and how it failed; else the model itself."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(model)
        self.timed: Timed | None = None
        self.failure = ""

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate, and note how it went."""
        began = time.perf_counter()
        silent: float | None = None
        first: float | None = None
        read, wrote = None, None
        try:
            for delta in self._model.stream(messages, generation):
                if silent is None and (delta.text or delta.thought):
                    silent = time.perf_counter() - began
                if first is None and delta.text:
                    first = time.perf_counter() - began
                if delta.usage is not None:
                    used = delta.usage
                    wrote = used.output_tokens
                    if used.prompt_tokens is not None and used.cached_tokens is not None:
                        read = used.prompt_tokens - used.cached_tokens
                yield delta
        except ModelError as error:
            self.failure = type(error).__name__
            raise
        finally:
            total = time.perf_counter() - began
            self.timed = Timed(
                silent_s=silent, first_token_s=first, total_s=total, prompt_tokens=read, output_tokens=wrote
            )

    def begin(self) -> None:
        """Forget the generation before."""
        self.timed, self.failure = None, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A model's answers and their times, in the order of the cases; None where it was not asked."""

    scored: tuple[Scored, ...]
    timed: tuple[Timed | None, ...]


def run(
    answerer: Answerer,
    cases: Sequence[Case],
    *,
    model: LanguageModel,
    principal: Principal,
    allowance: Before,
    seen: Callable[[int], None] = lambda number: None,
) -> Trial:
    """Ask the model every question, whatever its evidence: to abstain is to be its own doing.

    `answerer` gives stores and rules; patience plays no part, so that a slow model is given what the others are.
    """
    observed = Observed(model)
    asking = replace(answerer, model=observed)
    scored, timed = [], []
    for number, case in enumerate(cases, 1):
        observed.begin()
        scored.append(_one(asking, case, observed, principal, allowance))
        timed.append(observed.timed)
        seen(number)
    return Trial(scored=tuple(scored), timed=tuple(timed))


def _one(answerer: Answerer, case: Case, observed: Observed, principal: Principal, allowance: Before) -> Scored:
    sentences: list[Sentence] = []
    answer: Answer | None = None
    try:
        for event in _events(answerer, case, principal, allowance):
            if isinstance(event, Sentence):
                sentences.append(event)
            elif isinstance(event, Done):
                answer = event.answer
    except ModelError as error:  # before it wrote: its prompt could not even be counted
        observed.failure = type(error).__name__
    if answer is None:
        counts = Answered(outcome=Outcome.INCOMPLETE.value)
    else:
        counts = _counts(answerer, case, answer, sentences)
    said = " ".join(sentence.text for sentence in sentences) if counts.outcome != Outcome.EXTRACTS.value else ""
    failure = observed.failure or ("unfinished" if counts.outcome == Outcome.INCOMPLETE.value else "")
    return Scored(question=case.question, answer=counts, said=said, failure=failure, holds=case.holds)


def _events(answerer: Answerer, case: Case, principal: Principal, allowance: Before) -> Iterator[AnswerEvent]:
    text = case.question.text
    course = answerer.course(text, text, began=time.perf_counter(), before=allowance)
    course.receipt = answerer.audit.open(
        question=text, asked=text, principal=principal, channel=LOOPBACK, passages=case.shown, enough=True, links=[]
    )
    recheck = Recheck(ledger=answerer.retriever.ledger, principal=principal, channel=LOOPBACK)
    return answerer.told(course, case.found, case.shown, links=False, enough=True, recheck=recheck)


def _counts(answerer: Answerer, case: Case, answer: Answer, sentences: Sequence[Sentence]) -> Answered:
    right, ledger = case.question.documents, answerer.retriever.ledger
    return Answered(
        outcome=answer.outcome.value,
        sentences=len(sentences),
        supported=sum(sentence.supported for sentence in sentences),
        citations=len(answer.citations),
        verbatim=sum(cite.verify(one, ledger.document(one.key)) for one in answer.citations),
        of_right_document=sum(named(one.document_id, right) in right for one in answer.citations),
    )
