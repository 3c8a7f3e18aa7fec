"""The whole flow of a question: retrieve, release, weigh, audit, prompt, generate, check each sentence, answer.

Events come in this order: `Found` (the evidence, before the first word), any number of `Sentence`, one `Done`. A
sentence is shown when it has been checked, not before, and nothing shown is taken back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rag.access import Channel, Principal
from rag.answers import Answer, AnswerEvent, Citation, Done, Found, ModelInfo, Outcome, Passage, Sentence
from rag.ask import cite, prompt
from rag.ask.release import divide
from rag.ask.retrieve import Retrieved, Retriever
from rag.ask.statements import Statement, StatementStream
from rag.ask.versions import speaking as speaking_of
from rag.errors import ModelError, ModelUnavailable
from rag.language import language_of_question
from rag.ports import Generation, LanguageModel, Vector
from rag.store.audit import AuditLog
from rag.texts import texts

_log = logging.getLogger(__name__)

_EXTRACTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How answers are made: `prompt_tokens` for passages, `evidence` as the least probability of an answer."""

    passages: int = 8
    prompt_passages: int = 5
    prompt_tokens: int = 450
    evidence: float = 0.25
    max_answer_tokens: int = 300


@dataclass(slots=True, kw_only=True)
class _Course:
    """One question under way."""

    question: str
    language: str
    began: float
    receipt: str = ""
    citations: list[Citation] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    held: list[Sentence] = field(default_factory=list)
    timing_ms: dict[str, float] = field(default_factory=dict)
    closed: bool = False

    def mark(self, stage: str) -> None:
        self.timing_ms.setdefault(stage, (time.perf_counter() - self.began) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers questions. `model` is None where no language model can run: then the passages speak for themselves."""

    retriever: Retriever
    audit: AuditLog
    model: LanguageModel | None
    rules: Rules

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        sources: frozenset[str] | None = None,
        acting: str | None = None,
    ) -> Iterator[AnswerEvent]:
        """Answer one question, event by event. Closing the iterator stops the model.

        Raises:
            StoreError: no durable audit record could be made; nothing was shown.
        """
        course = _Course(question=question, language=language_of_question(question), began=time.perf_counter())
        found = self.retriever.retrieve(question, principal=principal, k=self.rules.passages, sources=sources)
        course.mark("retrieve")
        released = divide(found.passages, channel)
        shown = released.full
        enough = found.evidence >= self.rules.evidence
        course.receipt = self.audit.open(
            question=question, principal=principal, channel=channel, passages=shown, acting=acting
        )
        try:
            yield Found(passages=shown, evidence=found.evidence)
            if not enough or not (shown or released.links):
                yield self._done(course, Outcome.NOTHING_FOUND, shown)
            elif not shown:
                yield self._done(course, Outcome.LINK_ONLY, ())
            elif self.model is None:
                yield from self._extracts(course, found, shown)
            else:
                yield from self._generated(course, found, shown, self.model, principal)
        except GeneratorExit:
            self._abandoned(course)
            raise

    def _generated(
        self,
        course: _Course,
        found: Retrieved,
        shown: Sequence[Passage],
        model: LanguageModel,
        principal: Principal,
    ) -> Iterator[AnswerEvent]:
        speaking = speaking_of(shown, course.question)[: self.rules.prompt_passages]
        fitting = prompt.within(
            speaking,
            budget_tokens=self.rules.prompt_tokens,
            count_tokens=self.retriever.embedder.count_tokens,
        )
        given = speaking[:fitting]
        units = cite.units_of(given)
        messages = prompt.messages(
            course.question, given, salt=self.audit.pseudonym(principal.user)[:8], language=course.language
        )
        stream = StatementStream()
        generation = Generation(max_tokens=self.rules.max_answer_tokens, schema=prompt.SCHEMA)
        finish = "stop"
        course.mark("prompt")
        try:
            for delta in model.stream(messages, generation):
                if delta.text:
                    course.mark("first_token")
                if delta.usage is not None:
                    finish = delta.usage.finish
                for statement in stream.feed(delta.text):
                    yield from self._checked(course, statement, units, given)
        except ModelError as error:
            _log.warning("The language model failed", extra={"action": "model_failed", "kind": type(error).__name__})
            if isinstance(error, ModelUnavailable) and not course.written and not course.held:
                yield from self._extracts(course, found, shown)
                return
            finish = "cut"
        yield self._done(course, _outcome(course, finish), shown, model=model)

    def _checked(
        self, course: _Course, statement: Statement, units: Sequence[cite.Unit], given: Sequence[Passage]
    ) -> Iterator[Sentence]:
        """The statement once it is checked; what nothing supports waits until something is supported."""
        found = cite.support(
            statement.text,
            units,
            contexts=[_around(passage) for passage in given],
            stems=self.retriever.words.stems,
            meaning=self._meaning(statement.text, units),
            preferred=statement.source - 1,
            foreign=self._foreign(given, language_of_question(statement.text)),
        )
        citations = self._verified(course, found.units, given) if found.supported else ()
        sentence = Sentence(text=statement.text, citations=citations, supported=bool(citations))
        if not citations and not course.citations:
            course.held.append(sentence)
            return
        for ready in (*course.held, sentence):
            course.mark("first_sentence")
            course.written.append(_printed(ready, course.language))
            yield ready
        course.held.clear()

    def _foreign(self, given: Sequence[Passage], language: str) -> frozenset[int]:
        """The passages in another language than the statement."""
        spoken = self.retriever.ledger.languages(passage.chunk.id for passage in given)
        return frozenset(
            number for number, passage in enumerate(given) if spoken.get(passage.chunk.id, language) != language
        )

    def _meaning(self, statement: str, units: Sequence[cite.Unit]) -> list[float]:
        vectors = self.retriever.embedder.embed_passages([statement, *(unit.text for unit in units)])
        own: Vector = vectors[0]
        return [float(value) for value in vectors[1:] @ own]

    def _verified(self, course: _Course, units: Sequence[cite.Unit], shown: Sequence[Passage]) -> tuple[Citation, ...]:
        """Numbered citations whose quote stands in the document now; a sentence cited before keeps its number."""
        made = []
        for unit in units:
            passage = shown[unit.passage]
            known = next((c for c in course.citations if (c.key, c.span) == (passage.key, unit.span)), None)
            if known is None:
                known = cite.citation(unit, passage, marker=len(course.citations) + 1)
                if not cite.verify(known, self.retriever.ledger.document(passage.key)):
                    continue
                course.citations.append(known)
            made.append(known)
        return tuple(made)

    def _extracts(self, course: _Course, found: Retrieved, shown: Sequence[Passage]) -> Iterator[AnswerEvent]:
        """Without a model: the sentences nearest to the question, quoted."""
        units = cite.units_of(shown[: self.rules.prompt_passages])
        meaning = self.retriever.embedder.embed_passages([unit.text for unit in units]) @ found.question_vector
        coverage = self.retriever.words.coverage(course.question, [unit.text for unit in units])
        order = sorted(range(len(units)), key=lambda n: -(float(meaning[n]) + 0.15 * coverage[n]))
        for number in order[:_EXTRACTS]:
            citations = self._verified(course, [units[number]], shown)
            sentence = Sentence(text=units[number].text, citations=citations, supported=bool(citations))
            course.mark("first_sentence")
            course.written.append(_printed(sentence, course.language))
            yield sentence
        yield self._done(course, Outcome.EXTRACTS, shown)

    def _abandoned(self, course: _Course) -> None:
        """Whoever asked went away; what they were shown stays on record."""
        if not course.closed:
            cited = [citation.key for citation in course.citations]
            self.audit.close_record(course.receipt, outcome="stopped", model="", digest="", cited=cited)

    def _done(
        self, course: _Course, outcome: Outcome, shown: Sequence[Passage], model: LanguageModel | None = None
    ) -> Done:
        words = texts(course.language)
        lines = [" ".join(course.written)] if course.written else []
        if outcome is Outcome.EXTRACTS:
            lines = [words["extracts"], *course.written]
        elif outcome is not Outcome.ANSWERED:
            lines.append(words[outcome.value])
        course.mark("total")
        info = model.info if model is not None else ModelInfo(name="")
        answer = Answer(
            question=course.question,
            text="\n".join(line for line in lines if line),
            outcome=outcome,
            citations=tuple(course.citations),
            passages=tuple(shown),
            model=info,
            receipt=course.receipt,
            timing_ms=dict(course.timing_ms),
        )
        course.closed = True
        self.audit.close_record(
            course.receipt,
            outcome=outcome.value,
            model=info.name,
            digest=info.digest,
            cited=[citation.key for citation in course.citations],
        )
        return Done(answer=answer)


def _outcome(course: _Course, finish: str) -> Outcome:
    if finish != "stop":
        return Outcome.INCOMPLETE
    if course.citations:
        return Outcome.ANSWERED
    return Outcome.UNSUPPORTED if course.held else Outcome.NOTHING_FOUND


def _around(passage: Passage) -> str:
    """What counts as said with every sentence of a passage: its title, headings, and a table's header row."""
    header = passage.chunk.text.split("\n", 1)[0] if passage.chunk.text.startswith("|") else ""
    return f"{passage.chunk.context}\n{header}"


def _printed(sentence: Sentence, language: str) -> str:
    marks = "".join(f"[{citation.marker}]" for citation in sentence.citations)
    return f"{sentence.text} {marks or texts(language)['not_supported_mark']}"
