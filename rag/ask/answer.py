"""The whole flow of a question: retrieve, release, weigh, audit, prompt, generate, check each sentence, answer.

Events come in this order: `Found` (the evidence, before the first word), any number of `Sentence`, one `Done`; where it
is wished early, one `Found` more before it is read. A
sentence is shown when it has been checked, not before, and nothing shown is taken back. Before the prompt, before each
sentence and while the model is waited for, the ledger is asked again: when the person may no longer read one of the
passages, the answer is incomplete and ends there.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rag.access import Channel, Principal
from rag.answers import AnswerEvent, Citation, Disagreement, Found, Outcome, Passage, Reason, Sentence
from rag.ask import budget, cite, prompt
from rag.ask.budget import Given
from rag.ask.check import Checker, Flaw
from rag.ask.conversation import Turn, stand_alone
from rag.ask.course import Before, Course
from rag.ask.disagreement import conflicts
from rag.ask.lineage import described
from rag.ask.listening import Listening, Telling, Unheard
from rag.ask.markers import without_markers
from rag.ask.recheck import Recheck, RightsLost
from rag.ask.release import STANDARD, Policy, Release, divide, release, within
from rag.ask.retrieve import Retriever
from rag.ask.searched import Retrieved
from rag.ask.sentences import sentences
from rag.ask.speed import SPEEDS, ReadingSpeeds
from rag.ask.statements import Statement, StatementStream
from rag.ask.versions import newest_first
from rag.ask.versions import speaking as speaking_of
from rag.errors import ContextOverflow, ModelChanged, ModelError, ModelTimeout, ModelUnavailable
from rag.filters import NONE, Filters
from rag.house_prompts import HousePrompt, prompts_of
from rag.language import language_of_question
from rag.models.seats import Seats
from rag.ports import Generation, LanguageModel, Message
from rag.store.audit import AuditLog

_log = logging.getLogger(__name__)

_REASONS = {
    "slow": Reason.TOO_SLOW,
    "cut": Reason.STOPPED,
    "length": Reason.TOO_LONG,
    "thought": Reason.THOUGHT,
    "overflow": Reason.OVERFLOW,
}
"""Why an answer is incomplete, by how the model's writing ended."""
_EXTRACTS = 3
_POINTERS = 5
"""What may only be pointed at is named so often at most."""
_WORDS_WEIGH = 0.15
"""What holding all words of the question is worth beside a cosine."""
_TRIES = 3
"""How often a prompt that did not fit after all is tried, each time with half as much of the passages."""
_LEAST_TOKENS = 250
"""Passage tokens that are always given, however slow the model."""


class Unsupported(StrEnum):
    """What becomes of a sentence that no passage supports."""

    FLAG = "flag"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How answers are made: `prompt_tokens` for passages, `evidence` as the least probability of an answer."""

    passages: int = 8
    prompt_passages: int = 5
    prompt_tokens: int = 540
    evidence: float = 0.25
    max_answer_tokens: int = 300
    unsupported: Unsupported = Unsupported.FLAG
    patience_s: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers questions. `model` is None where no language model can run: then the passages speak for themselves.
    `seats` are the model's; who asks takes one before it goes on behind `Found` that `writes`. `policy` says what
    chats carry. `other_embedder`: whether questions are embedded by another version than the pinned one, which the
    answer then says. `prompts`: source → what the model is told besides."""

    retriever: Retriever
    audit: AuditLog
    model: LanguageModel | None
    rules: Rules
    speeds: ReadingSpeeds = field(default=SPEEDS)
    seats: Seats = field(default_factory=lambda: Seats(1))
    policy: Policy = STANDARD
    other_embedder: Callable[[], bool] = lambda: False
    prompts: Mapping[str, HousePrompt] = field(default_factory=dict)

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        filters: Filters = NONE,
        acting: str | None = None,
        reason: str | None = None,
        conversation: Sequence[Turn] = (),
        early: bool = False,
    ) -> Telling:
        """Answer one question, event by event. Closing the iterator stops the model. `reason`: why somebody may read
        what is not theirs, for the audit. `early`: what the searches find is told at once, as `Found` that is not
        settled, before it is read and told in its final order.

        Raises, with the first event:
            StoreError: no durable audit record could be made; nothing was shown.
        """
        return Telling(
            functools.partial(
                self._answered, question, principal, channel, filters, acting, reason, tuple(conversation), early
            )
        )

    def _answered(
        self,
        question: str,
        principal: Principal,
        channel: Channel,
        filters: Filters,
        acting: str | None,
        reason: str | None,
        conversation: Sequence[Turn],
        early: bool,
        listening: Listening,
    ) -> Generator[AnswerEvent, None, None]:
        began = time.perf_counter()
        asked = self._stand_alone(question, conversation, listening)
        course = self.course(question, asked, began=began)
        recheck = Recheck(
            ledger=self.retriever.ledger,
            principal=principal,
            channel=channel,
            listening=listening,
            policy=self.policy,
        )
        searched = self.retriever.search(
            asked, principal=principal, k=self.rules.passages, filters=within(filters, channel, self.policy)
        )
        if early and (seen := self._showable(self.retriever.best(searched), asked, recheck)):
            course.mark("search")
            self.audit.open(
                question=question,
                principal=principal,
                channel=channel,
                passages=seen,
                acting=acting,
                reason=reason,
                event="searched",
            )
            yield Found(passages=recheck.left(seen), evidence=0.0, settled=False)
        found = self.retriever.read(searched)
        course.mark("retrieve")
        course.warned = self.other_embedder()
        released = divide(found.passages, channel, self.policy)
        shown = self._showable(found.passages, asked, recheck)
        enough = found.evidence >= self.rules.evidence
        course.receipt = self.audit.open(
            question=question,
            asked=asked,
            principal=principal,
            channel=channel,
            passages=shown,
            acting=acting,
            reason=reason,
            enough=enough,
            links=[passage.key for passage in released.links],
            **self._noted(released.links, principal, channel),
        )
        course.pointers = lambda: recheck.pointers(released.links, most=_POINTERS)
        links = bool(released.links) and bool(shown or course.pointers())
        yield from self.told(course, found, shown, links=links, enough=enough, recheck=recheck)

    def _noted(self, links: Sequence[Passage], principal: Principal, channel: Channel) -> dict[str, Any]:
        """What the record of a chat's answer says besides: whose titles are told, and how many read along."""
        titled = [one.key for one in links if release(one.confidentiality, channel, self.policy) is Release.LINK_ONLY]
        room = {"room": len(principal.company)} if principal.company else {}
        return ({"titled": list(dict.fromkeys(titled))} if titled else {}) | room

    def _showable(self, passages: Sequence[Passage], asked: str, recheck: Recheck) -> tuple[Passage, ...]:
        """Those that the channel may carry in full and the person may read now, in the order they are shown in."""
        carried = divide(passages, recheck.channel, recheck.policy).full
        return recheck.left(newest_first(described(carried, self.retriever.ledger, recheck.principal), asked))

    def course(self, question: str, asked: str, *, began: float, before: Before | None = None) -> Course:
        """A question under way, nothing found yet."""
        return Course(
            question=question,
            asked=asked,
            language=language_of_question(asked),
            audit=self.audit,
            began=began,
            before=before,
            options={
                "prompt_passages": self.rules.prompt_passages,
                "unsupported": self.rules.unsupported.value,
                "embedder": self.retriever.embedder.fingerprint,
            },
        )

    def told(
        self,
        course: Course,
        found: Retrieved,
        shown: tuple[Passage, ...],
        *,
        links: bool,
        enough: bool,
        recheck: Recheck,
    ) -> Iterator[AnswerEvent]:
        """The answer from what was found and may be shown, `links` where something may be pointed at only; its record
        is open already."""
        try:
            recheck.insist(shown)
            writes = enough and bool(shown) and self.model is not None
            yield Found(passages=shown, evidence=found.evidence, writes=writes)
            recheck.insist(shown)
            if not enough or not (shown or links):
                yield course.done(Outcome.NOTHING_FOUND, shown)
            elif not shown:
                yield course.done(Outcome.LINK_ONLY, ())
            elif self.model is None:
                yield from self._extracts(course, found, shown, recheck)
            else:
                yield from self._generated(course, found, shown, self.model, recheck)
        except RightsLost:
            yield course.cut()
        except Unheard:
            course.abandoned()
        except GeneratorExit:
            course.abandoned()
            raise

    def _stand_alone(self, question: str, conversation: Sequence[Turn], listening: Listening) -> str:
        """By the model only where it has nothing else to do: a search never waits for it."""
        if not conversation:
            return question

        def affordable(tokens: int) -> bool:
            return self.model is not None and self.speeds.reads(self.model.info, tokens, self.rules.patience_s)

        stems = self.retriever.words.stems
        with self.seats.taken() as free:
            return stand_alone(
                question,
                conversation,
                stems=stems,
                model=self.model if free else None,
                affordable=affordable,
                wanted=listening.wanted,
            )

    def _generated(
        self,
        course: Course,
        found: Retrieved,
        shown: Sequence[Passage],
        model: LanguageModel,
        recheck: Recheck,
        *,
        most: int | None = None,
        tries: int = _TRIES,
    ) -> Iterator[AnswerEvent]:
        """What the model writes, checked. `most` tokens of passages are given; where the prompt does not fit, half as
        many are tried as long as nothing was shown, and at last the passages speak for themselves."""
        stream, finish, new_tokens = StatementStream(), "stop", 0
        wanted = recheck.listening.wanted
        generation = Generation(
            max_tokens=self.rules.max_answer_tokens, schema=prompt.SCHEMA, wanted=wanted, anew=course.unshown
        )
        salt = self.audit.pseudonym(recheck.principal.user)[:8]
        info = None
        try:
            info = model.info
            course.speaker = info.digest or info.name
            given, messages, new_tokens = self._given(course, found, shown, model, salt, most=most)
            course.left_out = given.left_out
            course.given(given, model=model, generation=generation)
            checker = self._checker(course, given.passages)
            course.mark("prompt")
            recheck.insist(shown)
            for delta in recheck.while_waiting(shown, model.stream(messages, generation)):
                if delta.anew:  # its server died, and nothing was shown yet
                    stream = StatementStream()
                    course.forget()
                if delta.text:
                    course.mark("first_token")
                if delta.usage is not None:
                    finish = delta.usage.finish
                for statement in stream.feed(delta.text):
                    for sentence in self._checked(course, statement, checker, given.passages):
                        recheck.insist(shown)
                        yield sentence
            self._learn(course, new_tokens)
        except ModelError as error:
            _log.warning("The language model failed", extra={"action": "model_failed", "kind": type(error).__name__})
            overflow, silent = isinstance(error, ContextOverflow), course.unshown() and not course.held
            if overflow and silent and new_tokens and tries > 1 and course.before is None:
                course.forget()
                half = new_tokens // 2
                yield from self._generated(course, found, shown, model, recheck, most=half, tries=tries - 1)
                return
            if silent and (overflow or isinstance(error, ModelUnavailable | ModelChanged)):
                reason = Reason.OVERFLOW if overflow else Reason.CHANGED if isinstance(error, ModelChanged) else None
                yield from self._extracts(course, found, shown, recheck, reason=reason)
                return
            finish = "overflow" if overflow else "slow" if isinstance(error, ModelTimeout) else "cut"
        else:
            course.disagreements = self._disagreements(course, checker, given.passages)
        recheck.insist(shown)
        yield course.done(_outcome(course, finish), shown, info, reason=_REASONS.get(finish))

    # ---- what the model reads ----

    def first(self, shown: Sequence[Passage], asked: str) -> Sequence[Passage]:
        """Those of the passages that a model is given, as far as they fit."""
        return speaking_of(shown, asked)[: self.rules.prompt_passages]

    def house(self, passages: Sequence[Passage]) -> tuple[HousePrompt, ...]:
        """What the house wants said besides about these."""
        return prompts_of((one.chunk.document_id.partition(":")[0] for one in passages), self.prompts)

    def _given(
        self,
        course: Course,
        found: Retrieved,
        shown: Sequence[Passage],
        model: LanguageModel,
        salt: str,
        *,
        most: int | None = None,
    ) -> tuple[Given, list[Message], int]:
        """What of the passages fits, the prompt, and how many tokens of it are new to the model."""
        passages = self.first(shown, course.asked)
        course.house = self.house(passages)

        def prompted(texts: Sequence[str]) -> list[Message]:
            kept = [(passage, text) for passage, text in zip(passages, texts, strict=False) if text]
            return prompt.messages(
                course.asked,
                [p for p, _ in kept],
                [t for _, t in kept],
                salt=salt,
                language=course.language,
                house=course.house,
            )

        empty = model.count_tokens(prompted([]))
        room = min(self.rules.prompt_tokens, model.context_tokens - self.rules.max_answer_tokens - empty)
        room = room if most is None else min(room, most)

        def cost(texts: Sequence[str]) -> int:
            return model.count_tokens(prompted(texts)) - empty

        speed = self.speeds.tokens_a_second(course.speaker)
        patient = int(speed * self.rules.patience_s) if speed else room
        allowed = max(min(room, _LEAST_TOKENS), min(room, patient))
        texts = [passage.chunk.text for passage in passages]
        slow = patient < room and cost(texts) > allowed
        fits: budget.Fits = lambda some: cost(some) <= allowed  # noqa: E731  # one of two rules
        course.extracted = slow or cost(texts[:1]) > allowed
        if course.before is not None:
            fits, course.extracted = course.before.fits, course.before.extracted
        given = self._extract(course, found, passages, fits) if course.extracted else budget.whole(passages, fits=fits)
        messages = prompt.messages(
            course.asked, given.passages, given.texts, salt=salt, language=course.language, house=course.house
        )
        return given, messages, model.count_tokens(messages) - empty

    def _extract(self, course: Course, found: Retrieved, passages: Sequence[Passage], fits: budget.Fits) -> Given:
        units = cite.units_of(passages)
        return budget.extract(passages, units, self._nearness(course, found, units), fits=fits)

    def _nearness(self, course: Course, found: Retrieved, units: Sequence[cite.Unit]) -> list[float]:
        """How near each unit is to the question: cosine, and a little for its words."""
        texts = [unit.text for unit in units]
        meaning = self.retriever.embedder.embed_passages(texts) @ found.question_vector
        coverage = self.retriever.words.coverage(course.asked, texts, grant=found.grant)
        return [float(near) + _WORDS_WEIGH * words for near, words in zip(meaning, coverage, strict=True)]

    def _learn(self, course: Course, new_tokens: int) -> None:
        times = course.timing_ms
        if "first_token" in times:
            seconds = (times["first_token"] - times["prompt"]) / 1000
            self.speeds.learn(course.speaker, tokens=new_tokens, seconds=seconds)

    # ---- what the reader is shown ----

    def _checker(self, course: Course, given: Sequence[Passage]) -> Checker:
        """Checks against the passages; their sentences are embedded once."""
        embed = self.retriever.embedder.embed_passages
        spoken = self.retriever.ledger.languages(passage.chunk.id for passage in given)

        def meaning(text: str) -> list[float]:
            return [float(value) for value in vectors @ embed([text])[0]]

        def foreign(language: str) -> Set[int]:
            return {n for n, passage in enumerate(given) if spoken.get(passage.chunk.id, language) != language}

        checker = Checker(
            given, stems=self.retriever.words.stems, meaning=meaning, foreign=foreign, question=course.asked
        )
        vectors = embed([unit.text for unit in checker.units])
        return checker

    def _checked(
        self, course: Course, statement: Statement, checker: Checker, given: Sequence[Passage]
    ) -> Iterator[Sentence]:
        """The statement once it is checked; what nothing supports waits until something is supported. One that leads to
        an address no passage holds is never shown, not even flagged."""
        text = without_markers(statement.text)
        for sentence in (span.of(text) for span in sentences(text)):
            if not course.repeated(sentence):
                yield from self._judged(course, sentence, statement.source, checker, given)

    def _judged(
        self, course: Course, text: str, source: int, checker: Checker, given: Sequence[Passage]
    ) -> Iterator[Sentence]:
        found = checker.check(text, preferred=source - 1)
        citations = self._verified(course, found.units, given) if found.supported else ()
        sentence = Sentence(text=text, citations=citations, supported=bool(citations))
        if found.flaw is Flaw.ADDRESS or (not citations and self.rules.unsupported is Unsupported.DROP):
            course.dropped += 1
        elif not citations and not course.citations:
            course.held.append(sentence)
        else:
            held, course.held = course.held, []
            for ready in (*held, sentence):
                yield course.shown(ready)

    def _verified(self, course: Course, units: Sequence[cite.Unit], shown: Sequence[Passage]) -> tuple[Citation, ...]:
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

    def _disagreements(self, course: Course, checker: Checker, given: Sequence[Passage]) -> tuple[Disagreement, ...]:
        """Where what is cited and another current document give different figures for one thing."""
        marks = {(citation.key, citation.span): citation for citation in course.citations}
        cited = [unit for unit in checker.units if (given[unit.passage].key, unit.span) in marks]
        found = []
        for conflict in conflicts(cited, checker.units, given, self.retriever.words.stems):
            one, other = (
                marks.get((given[unit.passage].key, unit.span)) or cite.citation(unit, given[unit.passage], marker=0)
                for unit in (conflict.one, conflict.other)
            )
            if cite.verify(other, self.retriever.ledger.document(other.key)):
                found.append(Disagreement(one=one, other=other))
        return tuple(found)

    def _extracts(
        self,
        course: Course,
        found: Retrieved,
        shown: Sequence[Passage],
        recheck: Recheck,
        *,
        reason: Reason | None = None,
    ) -> Iterator[AnswerEvent]:
        """Without a model, or where nothing fits it: the sentences nearest to the question, quoted."""
        units = cite.units_of(shown[: self.rules.prompt_passages])
        nearness = self._nearness(course, found, units)
        for number in sorted(range(len(units)), key=lambda n: -nearness[n])[:_EXTRACTS]:
            citations = self._verified(course, [units[number]], shown)
            recheck.insist(shown)
            yield course.shown(Sentence(text=units[number].text, citations=citations, supported=bool(citations)))
        recheck.insist(shown)
        yield course.done(Outcome.EXTRACTS, shown, reason=reason)


def _outcome(course: Course, finish: str) -> Outcome:
    if finish != "stop":
        return Outcome.INCOMPLETE
    if course.citations:
        return Outcome.ANSWERED
    return Outcome.UNSUPPORTED if course.held or course.dropped else Outcome.NOTHING_FOUND
