"""The whole flow of a question: retrieve, release, weigh, audit, prompt, generate, check each sentence, answer.

Events come in this order: `Found` (the evidence, before the first word), any number of `Sentence`, one `Done`; where it
is wished early, one `Found` more before it is read; where the model thinks first, `Thinking` before its first word. A
sentence is shown when it has been checked (`rag.ask.showing`), not before, and nothing shown is taken back. Before the
prompt (`rag.ask.giving`), before each sentence and while the model is waited for (`rag.ask.writing`), the ledger is
asked again: when the person may no longer read one of the passages, the answer is incomplete and ends there.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.access import Channel, Principal
from rag.answers import AnswerEvent, Found, Outcome, Passage
from rag.ask.conversation import Turn, stand_alone
from rag.ask.course import Before, Course
from rag.ask.giving import Giving
from rag.ask.lineage import described
from rag.ask.listening import Listening, Telling, Unheard
from rag.ask.recheck import Recheck, RightsLost
from rag.ask.release import STANDARD, Policy, Release, divide, release, within
from rag.ask.retrieve import Retriever
from rag.ask.rules import Rules
from rag.ask.searched import Retrieved
from rag.ask.showing import Showing
from rag.ask.speed import SPEEDS, ReadingSpeeds
from rag.ask.versions import newest_first
from rag.ask.writing import Writing
from rag.filters import NONE, Filters
from rag.models.seats import Seats
from rag.ports import LanguageModel
from rag.store.audit import AuditLog
from rag.text.house_prompts import HousePrompt
from rag.text.language import language_of_question

_POINTERS = 5
"""What may only be pointed at is named so often at most."""


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

    @property
    def giving(self) -> Giving:
        """What the model is given."""
        return Giving(retriever=self.retriever, rules=self.rules, speeds=self.speeds, prompts=self.prompts)

    @property
    def writing(self) -> Writing:
        """What it writes, and what the reader is shown of that."""
        showing = Showing(retriever=self.retriever, unsupported=self.rules.unsupported)
        return Writing(giving=self.giving, showing=showing, rules=self.rules, audit=self.audit)

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
        course.warned, course.unquoted = self.other_embedder(), found.unquoted
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
            **self._noted(released.links, principal, channel, filters),
        )
        course.pointers = lambda: recheck.pointers(released.links, most=_POINTERS)
        links = bool(released.links) and bool(shown or course.pointers())
        yield from self.told(course, found, shown, links=links, enough=enough, recheck=recheck)

    def _noted(
        self, links: Sequence[Passage], principal: Principal, channel: Channel, filters: Filters
    ) -> dict[str, Any]:
        """What the record says besides: whether filters narrowed the question, and of a chat's answer whose titles are
        told and how many read along."""
        titled = [one.key for one in links if release(one.confidentiality, channel, self.policy) is Release.LINK_ONLY]
        room = {"room": len(principal.company)} if principal.company else {}
        narrowed = {"narrowed": True} if filters != NONE else {}
        return ({"titled": list(dict.fromkeys(titled))} if titled else {}) | room | narrowed

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
                yield from self.writing.extracts(course, found, shown, recheck)
            else:
                yield from self.writing.generated(course, found, shown, self.model, recheck)
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
