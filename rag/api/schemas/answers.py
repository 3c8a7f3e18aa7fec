"""What a question and a search are answered with, and what is kept of an answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rag.api.schemas.form import Form

_UNQUOTED = "what no passage holds word for word, and was searched for without its quotation marks"
Outcome = Literal["answered", "extracts", "nothing_found", "unsupported", "link_only", "incomplete"]


class Place(Form):
    """Where something stands in a document. `key` opens it; `span` counts code points of its text."""

    key: str
    document_id: str
    title: str
    uri: str
    page: int | None
    headings: list[str]
    span: list[int] = Field(min_length=2, max_length=2)
    as_of: str | None = Field(description="set where the source cannot be reached: when it last could")
    modified: str | None
    superseded_by: str | None = Field(description="a newer version of the document that the caller may read")
    hidden_text: bool
    hidden_because: list[str]


class Passage(Place):
    """A passage found. `score` is higher for better, and compares within one search."""

    text: str
    score: float


class Citation(Place):
    """A proof: `quote` is verbatim what stands at `span`; `marker` is its number in the answer's text."""

    marker: int
    quote: str


class Model(Form):
    """The language model that wrote it; the name is empty where none did."""

    name: str
    digest: str
    changed: bool | None = Field(default=None, description="true: another version than the pinned one answered")


class Answer(Form):
    """An answer. `asked` is what the question was read as; `receipt` names it in the audit and for feedback."""

    question: str
    outcome: Outcome
    text: str
    citations: list[Citation]
    passages: list[Passage]
    model: Model
    receipt: str
    timing_ms: dict[str, int]
    asked: str
    left_out: int
    disagreements: list[list[Citation]]
    reason: str | None = Field(description="why it is incomplete, or extracts only")
    unquoted: list[str] = Field(description=_UNQUOTED)


class Found(Form):
    """What a search found. `evidence` is the calibrated probability that it answers the query."""

    evidence: float
    passages: list[Passage]
    unquoted: list[str] = Field(description=_UNQUOTED)


class Choices(Form):
    """What a question can be limited to."""

    sources: list[str]
    types: list[str]
    languages: list[str]


class FeedbackKept(Form):
    """The feedback that is kept now."""

    receipt: str
    verdict: str
