"""The text of an answer: what the model writes, checked sentence by sentence; or the passages, quoted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.answers import AnswerEvent, Outcome, Passage, Reason, Sentence
from rag.ask import cite, prompt
from rag.ask.course import Course
from rag.ask.giving import Giving
from rag.ask.pondering import Pondering
from rag.ask.recheck import Recheck
from rag.ask.rules import Rules
from rag.ask.searched import Retrieved
from rag.ask.showing import Showing
from rag.ask.statements import StatementStream
from rag.errors import ContextOverflow, ModelChanged, ModelError, ModelTimeout, ModelUnavailable
from rag.ports import Generation, LanguageModel
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
_TRIES = 3
"""How often a prompt that did not fit after all is tried, each time with half as much of the passages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Writes an answer from what may be shown. Before the model reads and before each event `recheck` is asked; where
    it raises `RightsLost`, `rag.ask.answer` ends the answer."""

    giving: Giving
    showing: Showing
    rules: Rules
    audit: AuditLog

    def generated(
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
        stream, pondering, finish, new_tokens = StatementStream(), Pondering(), "stop", 0
        wanted = recheck.listening.wanted
        generation = Generation(
            max_tokens=self.rules.max_answer_tokens, schema=prompt.SCHEMA, wanted=wanted, anew=course.unshown
        )
        salt = self.audit.pseudonym(recheck.principal.user)[:8]
        info = None
        try:
            info = model.info
            course.speaker = info.digest or info.name
            given, messages, new_tokens = self.giving.given(course, found, shown, model, salt, most=most)
            course.left_out = given.left_out
            course.given(given, model=model, generation=generation)
            checker = self.showing.checker(course, given.passages)
            course.mark("prompt")
            recheck.insist(shown)
            for delta in recheck.while_waiting(shown, model.stream(messages, generation)):
                if delta.anew:  # its server died, and nothing was shown yet
                    stream = StatementStream()
                    course.forget()
                yield from pondering.told(delta)
                if delta.text:
                    course.mark("first_token")
                if delta.usage is not None:
                    finish = delta.usage.finish
                for statement in stream.feed(delta.text):
                    for sentence in self.showing.checked(course, statement, checker, given.passages):
                        recheck.insist(shown)
                        yield sentence
            self.giving.learn(course, new_tokens)
        except ModelError as error:
            _log.warning("The language model failed", extra={"action": "model_failed", "kind": type(error).__name__})
            overflow, silent = isinstance(error, ContextOverflow), course.unshown() and not course.held
            if overflow and silent and new_tokens and tries > 1 and course.before is None:
                course.forget()
                half = new_tokens // 2
                yield from self.generated(course, found, shown, model, recheck, most=half, tries=tries - 1)
                return
            if silent and (overflow or isinstance(error, ModelUnavailable | ModelChanged)):
                reason = Reason.OVERFLOW if overflow else Reason.CHANGED if isinstance(error, ModelChanged) else None
                yield from self.extracts(course, found, shown, recheck, reason=reason)
                return
            finish = "overflow" if overflow else "slow" if isinstance(error, ModelTimeout) else "cut"
        else:
            course.disagreements = self.showing.disagreements(course, checker, given.passages)
        recheck.insist(shown)
        outcome = _outcome(course, finish)
        if outcome is Outcome.NOTHING_FOUND and course.pointers():  # what may only be pointed at may say it
            outcome, shown = Outcome.LINK_ONLY, ()
        yield course.done(outcome, shown, info, reason=_REASONS.get(finish))

    def extracts(
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
        nearness = self.giving.nearness(course, found, units)
        for number in sorted(range(len(units)), key=lambda n: -nearness[n])[:_EXTRACTS]:
            citations = self.showing.verified(course, [units[number]], shown)
            recheck.insist(shown)
            quoted = Sentence(text=units[number].text, citations=citations, supported=bool(citations), extract=True)
            yield course.shown(quoted)
        recheck.insist(shown)
        yield course.done(Outcome.EXTRACTS, shown, reason=reason)


def _outcome(course: Course, finish: str) -> Outcome:
    if finish != "stop":
        return Outcome.INCOMPLETE
    if course.citations:
        return Outcome.ANSWERED
    return Outcome.UNSUPPORTED if course.held or course.dropped else Outcome.NOTHING_FOUND
