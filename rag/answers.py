"""What flows out: Passage → Citation → Answer, and the events of an answer in the making.

`Answer.as_json` is the public form (README, "An answer").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from rag.access import Confidentiality, Token
from rag.documents import Chunk, DocumentId, Hidden, Hiding, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk found. `score` is the fused score, 0 to about 1, higher is better; it compares within one search.

    `as_of` is set where the document's source cannot be reached: when it last could. `modified` is the document's
    date, `superseded_by` a newer version of it that the reader may read, `hidden` what of it nobody sees who opens
    the document. `admitted_by` is by which of the readers it was found: for the audit, never shown.
    """

    chunk: Chunk
    title: str
    uri: str
    score: float
    key: str = ""
    confidentiality: Confidentiality = Confidentiality.STRICT
    as_of: datetime | None = None
    modified: datetime | None = None
    superseded_by: DocumentId | None = None
    hidden: tuple[Hidden, ...] = ()
    admitted_by: tuple[Token, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "document_id": self.chunk.document_id,
            "title": self.title,
            "uri": self.uri,
            "page": self.chunk.page,
            "headings": list(self.chunk.headings),
            "span": [self.chunk.span.start, self.chunk.span.end],
            "text": self.chunk.text,
            "score": round(self.score, 4),
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "modified": self.modified.isoformat() if self.modified else None,
            "superseded_by": self.superseded_by,
            **_hidden_json(self.hidden),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One proof: `quote` is verbatim what stands at `span` in the document. `marker` is 1-based, as printed; `as_of`,
    `modified` and `superseded_by` are the passage's, `hidden` what of the quote nobody sees."""

    marker: int
    document_id: DocumentId
    title: str
    uri: str
    page: int | None
    headings: tuple[str, ...]
    span: Span
    quote: str
    key: str = ""
    as_of: datetime | None = None
    modified: datetime | None = None
    superseded_by: DocumentId | None = None
    hidden: tuple[Hidden, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "marker": self.marker,
            "document_id": self.document_id,
            "title": self.title,
            "uri": self.uri,
            "page": self.page,
            "headings": list(self.headings),
            "span": [self.span.start, self.span.end],
            "quote": self.quote,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "modified": self.modified.isoformat() if self.modified else None,
            "superseded_by": self.superseded_by,
            **_hidden_json(self.hidden),
        }


def _hidden_json(hidden: tuple[Hidden, ...]) -> dict[str, Any]:
    return {"hidden_text": bool(hidden), "hidden_because": because(hidden)}


def because(hidden: tuple[Hidden, ...]) -> list[Hiding]:
    """Why these stretches are hidden, each reason once."""
    return list(dict.fromkeys(one.why for one in hidden))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What may be pointed at and not shown: the document's opaque key, and its title where the channel may carry that.
    `span` is None where not even the place may be told."""

    key: str
    title: str = ""
    span: Span | None = None

    @classmethod
    def to(cls, passage: Passage, *, titled: bool) -> Pointer:
        """The one to a passage."""
        if not titled:
            return cls(key=passage.key)
        return cls(key=passage.key, title=passage.title, span=passage.chunk.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Two current documents that give different figures for the same thing, each with its sentence; `marker` is 0, or
    that of the citation."""

    one: Citation
    other: Citation

    def as_json(self) -> list[dict[str, Any]]:
        """The public form: both sides."""
        return [self.one.as_json(), self.other.as_json()]


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    EXTRACTS = "extracts"
    NOTHING_FOUND = "nothing_found"
    UNSUPPORTED = "unsupported"
    LINK_ONLY = "link_only"
    INCOMPLETE = "incomplete"


class Reason(StrEnum):
    """Why an answer is incomplete, or why extracts stand in its place."""

    TOO_SLOW = "model_too_slow"
    STOPPED = "model_stopped"
    TOO_LONG = "answer_too_long"
    CHANGED = "model_changed"
    THOUGHT = "model_thought_too_long"
    OVERFLOW = "prompt_too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Which model answered: the digest is Ollama's manifest digest, or the sha256 of a GGUF file, or empty.

    `runtime` is ``ollama``, ``openai-compatible`` or ``embedded``. `licence`: as its server names it, where it does;
    `use`: what a company may do with it (`rag.models.licences.Use`), "" where nobody looked. `changed`: it is another
    version than the pinned one, and answers all the same.
    """

    name: str
    digest: str = ""
    runtime: str = ""
    licence: str = field(default="", compare=False)
    use: str = field(default="", compare=False)
    changed: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {"name": self.name, "digest": self.digest, **({"changed": True} if self.changed else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question's end. `asked` is the stand-alone question a follow-up was read as, "" where it stood alone;
    `left_out` counts passages that did not fit what the model could be given; `reason` says why it is incomplete, where
    that may be said. `links` are what a chat may only be pointed at: they go to the bot that asked, and no further.
    `unquoted` is what stood in quotation marks and was searched for without them: no passage holds it word for word."""

    question: str
    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    model: ModelInfo = ModelInfo(name="")
    receipt: str = ""
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    asked: str = ""
    left_out: int = 0
    disagreements: tuple[Disagreement, ...] = ()
    reason: Reason | None = None
    links: tuple[Pointer, ...] = ()
    unquoted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The public form, as `rag ask --json` and `POST /api/ask` give it."""
        return {
            "question": self.question,
            "outcome": self.outcome.value,
            "text": self.text,
            "citations": [citation.as_json() for citation in self.citations],
            "passages": [passage.as_json() for passage in self.passages],
            "model": self.model.as_json(),
            "receipt": self.receipt,
            "timing_ms": {stage: round(value) for stage, value in self.timing_ms.items()},
            "asked": self.asked or self.question,
            "left_out": self.left_out,
            "disagreements": [disagreement.as_json() for disagreement in self.disagreements],
            "reason": self.reason.value if self.reason else None,
            "unquoted": list(self.unquoted),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of an answer, shown only after it was checked. `supported` is False where no passage carries it;
    `extract`: it is quoted, and no model wrote it."""

    text: str
    citations: tuple[Citation, ...]
    supported: bool
    extract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The first event of an answer: the evidence, before the first word. `writes`: what follows needs a model. One that
    is not `settled` is what the searches found, before it was read: another follows, in its final order and with its
    evidence."""

    passages: tuple[Passage, ...]
    evidence: float
    writes: bool = True
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """The model thinks before it writes, and nothing can be read yet; `over`: now it writes. What it thinks is told to
    nobody."""

    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The last event of an answer."""

    answer: Answer


AnswerEvent = Found | Thinking | Sentence | Done
