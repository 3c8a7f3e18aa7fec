"""One question under way: what was said so far, and its end, in the answer and in the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rag.answers import Answer, Citation, Disagreement, Done, ModelInfo, Outcome, Passage, Pointer, Reason, Sentence
from rag.ask import prompt
from rag.ask.budget import Given
from rag.ports import Generation, LanguageModel
from rag.store.audit import AuditLog, Making
from rag.text.house_prompts import HousePrompt, labels
from rag.text.sentences import texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How much of the passages an earlier answer's model was given, to give it as much again: code points in all, and
    whether as extracts."""

    chars: int
    extracted: bool

    def fits(self, texts: Sequence[str]) -> bool:
        """Whether these are no more than it was then."""
        return sum(map(len, texts)) <= self.chars


@dataclass(slots=True, kw_only=True)
class Course:
    """One question under way. `asked` is what it was read as, `speaker` the model's digest or name, `options` how its
    answer is made, `before` set where an earlier answer is given again, `pointers` what may be pointed at besides,
    at the moment it is asked, `warned` where the embedder is another version than the pinned one, `unquoted` as in
    `rag.answers.Answer`."""

    question: str
    asked: str
    language: str
    audit: AuditLog
    began: float
    receipt: str = ""
    speaker: str = ""
    before: Before | None = None
    options: dict[str, int | float | str] = field(default_factory=dict)
    making: Making = field(default_factory=Making)
    citations: list[Citation] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    held: list[Sentence] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    dropped: int = 0
    left_out: int = 0
    extracted: bool = False
    house: tuple[HousePrompt, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    timing_ms: dict[str, float] = field(default_factory=dict)
    pointers: Callable[[], tuple[Pointer, ...]] = tuple
    unquoted: tuple[str, ...] = ()
    closed: bool = False
    warned: bool = False

    def unshown(self) -> bool:
        """Whether nothing that the model wrote has been shown."""
        return not self.written

    def forget(self) -> None:
        """Begin anew with what the model writes: its server died, or the prompt did not fit. None of it was shown."""
        self.held, self.heard, self.dropped = [], set(), 0
        self.citations.clear()

    def mark(self, stage: str) -> None:
        """Note when a stage was reached first."""
        self.timing_ms.setdefault(stage, (time.perf_counter() - self.began) * 1000)

    def given(self, given: Given, *, model: LanguageModel, generation: Generation) -> None:
        """Note what the model is given and how it is to write, for the receipt. The salt is no part of it: it would
        tell whoever holds the key which of the persons they know of had asked."""
        messages = prompt.messages(
            self.asked, given.passages, given.texts, salt="", language=self.language, house=self.house
        )
        self.options |= {
            "context_tokens": model.context_tokens,
            "max_tokens": generation.max_tokens,
            "temperature": generation.temperature,
            "seed": generation.seed,
        }
        if self.house:
            self.options["house"] = labels(self.house)
        self.making = Making(
            prompt="\0".join(f"{message.role}\0{message.content}" for message in messages),
            recipe=prompt.recipe(),
            given_chars=sum(map(len, given.texts)),
            extracted=self.extracted,
        )

    def repeated(self, text: str) -> bool:
        """Whether the model said just this before, as small ones do."""
        said = " ".join(text.lower().split())
        before = said in self.heard
        self.heard.add(said)
        return before

    def shown(self, sentence: Sentence) -> Sentence:
        """Take a sentence into the answer."""
        self.mark("first_sentence")
        self.written.append(printed(sentence, self.language))
        return sentence

    def abandoned(self) -> None:
        """Whoever asked went away; what they were shown stays on record."""
        if not self.closed:
            cited = [citation.key for citation in self.citations]
            self.audit.close_record(self.receipt, outcome="stopped", model="", digest="", cited=cited)

    def cut(self) -> Done:
        """The end of an answer one of whose passages may no longer be shown: nothing of it is said again, nor why."""
        self.mark("total")
        answer = Answer(
            question=self.question,
            text=texts(self.language)[Outcome.INCOMPLETE.value],
            outcome=Outcome.INCOMPLETE,
            receipt=self.receipt,
            timing_ms=dict(self.timing_ms),
            asked=self.asked,
        )
        self.closed = True
        cited = [citation.key for citation in self.citations]
        self.audit.close_record(self.receipt, outcome="revoked", model="", digest="", cited=cited)
        return Done(answer=answer)

    def done(
        self,
        outcome: Outcome,
        shown: Sequence[Passage],
        info: ModelInfo | None = None,
        *,
        reason: Reason | None = None,
    ) -> Done:
        """The answer, its audit record closed."""
        model = info or ModelInfo(name="")
        model = replace(model, changed=model.changed or self.warned)
        self.mark("total")
        answer = Answer(
            question=self.question,
            text="\n".join(line for line in self._lines(outcome, reason, changed=model.changed) if line),
            outcome=outcome,
            citations=tuple(self.citations),
            passages=tuple(shown),
            model=model,
            receipt=self.receipt,
            timing_ms=dict(self.timing_ms),
            asked=self.asked,
            left_out=self.left_out,
            disagreements=self.disagreements,
            reason=reason,
            links=self.pointers() if outcome is not Outcome.NOTHING_FOUND else (),
            unquoted=self.unquoted,
        )
        self.closed = True
        making = replace(self.making, options=self.options, text=answer.text)
        self.audit.close_record(
            self.receipt,
            outcome=outcome.value,
            model=model.name,
            digest=model.digest,
            cited=[citation.key for citation in self.citations],
            making=making,
        )
        return Done(answer=answer)

    def _lines(self, outcome: Outcome, reason: Reason | None, *, changed: bool) -> list[str]:
        words = texts(self.language)
        lines = [" ".join(self.written)] if self.written else []
        last = [words["model_changed"]] if changed else []
        if outcome is Outcome.EXTRACTS:
            return [words.get(f"extracts.{reason}", words["extracts"]), *self.written, *last]
        if outcome is not Outcome.ANSWERED:
            lines.append(words.get(f"{outcome.value}.{reason}", words[outcome.value]))
        return lines + [disagreement_line(found, self.language) for found in self.disagreements] + last


def printed(sentence: Sentence, language: str) -> str:
    """A sentence with its markers, or with the mark of what nothing supports."""
    marks = "".join(f"[{citation.marker}]" for citation in sentence.citations)
    return f"{sentence.text} {marks or texts(language)['not_supported_mark']}"


def disagreement_line(found: Disagreement, language: str) -> str:
    """Both sides of a disagreement with their dates, in one sentence."""
    return texts(language)["disagree"].format(one=_side(found.one, language), other=_side(found.other, language))


def _side(citation: Citation, language: str) -> str:
    dates = {"de": "%d.%m.%Y", "en": "%d %B %Y"}
    date = f", {citation.modified.strftime(dates[language])}" if citation.modified else ""
    return f"„{' '.join(citation.quote.split())}“ ({citation.title}{date})"
