"""What the routes of `/api` send, as schemas: for the OpenAPI description, and for the test that holds it against
real answers. The forms themselves are made in `rag.api.forms` and the routes; these name every field of them and no
other."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["answered", "extracts", "nothing_found", "unsupported", "link_only", "incomplete"]


class Form(BaseModel):
    """An object that holds these fields and no other."""

    model_config = ConfigDict(extra="forbid")


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


class Link(Form):
    """What may only be pointed at: `url` opens it on the internal page, after signing in."""

    url: str
    title: str = Field(default="", description="left out where the chat may not carry it")


class BotPassage(Passage):
    """A passage as a bot is told of it: `document_id` is the key, `uri` and `url` open the internal page."""

    url: str


class BotCitation(Citation):
    """A citation as a bot is told of it."""

    url: str


class BotAnswer(Form):
    """An answer as a bot is told of it. `sensitivity` is the highest class of what it shows, "" where it shows
    nothing."""

    question: str
    outcome: Outcome
    text: str
    citations: list[BotCitation]
    passages: list[BotPassage]
    model: Model
    receipt: str
    timing_ms: dict[str, int]
    asked: str
    left_out: int
    disagreements: list[list[BotCitation]]
    reason: str | None
    links: list[Link]
    sensitivity: Literal["", "public", "internal", "confidential", "strict"]


class Standing(Form):
    """Whether an answer may still be posted where it is meant to be."""

    standing: bool


class Withdrawals(Form):
    """Messages to be taken back."""

    messages: list[str]


class Found(Form):
    """What a search found. `evidence` is the calibrated probability that it answers the query."""

    evidence: float
    passages: list[Passage]


class Choices(Form):
    """What a question can be limited to."""

    sources: list[str]
    types: list[str]
    languages: list[str]


class DocumentKnown(Form):
    """What is known of a document; `pages` is null where pages mean nothing in it."""

    key: str
    document_id: str
    title: str
    uri: str
    media_type: str | None
    modified: str
    language: str | None
    state: str
    pages: int | None


class Section(Form):
    """A stretch of the text under its headings."""

    span: list[int] = Field(min_length=2, max_length=2)
    headings: list[str]
    page: int | None
    table: bool


class DocumentText(Form):
    """A document's text as it is indexed."""

    key: str
    document_id: str
    title: str
    uri: str
    modified: str
    version: str
    text: str
    sections: list[Section]


class Failure(Form):
    """Why a document could not be read: `kind` for programs, the rest for people."""

    kind: str
    said: str
    advice: str
    reason: str


class DocumentListed(Form):
    """A document in a list."""

    key: str
    document_id: str
    title: str
    uri: str
    source: str
    type: str | None
    media_type: str | None
    language: str | None
    state: str
    modified: str
    indexed: str
    part_of: str | None
    failure: Failure | None
    notes: list[str]


class DocumentList(Form):
    """A page of a list; `next` is the cursor of the page after, null at the end."""

    documents: list[DocumentListed]
    next: str | None
    counts: dict[str, int]
    sources: dict[str, dict[str, int]]


class Marks(Form):
    """Where a span stands on a page: boxes in fractions of the picture."""

    key: str
    version: str
    page: int
    pages: int
    size: list[float]
    boxes: list[list[float]]
    found: bool
    share: float
    by_ocr: bool


class Uploaded(Form):
    """An upload that was taken; `status` is where to ask what becomes of it."""

    document_id: str
    receipt: str
    status: str
    watched: bool


class UploadPlaces(Form):
    """Where the caller may upload to."""

    sources: list[str]
    max_bytes: int


class UploadState(Form):
    """What became of an upload."""

    document_id: str
    key: str | None
    state: str
    failure: Failure | None


class Removing(Form):
    """An upload that is being taken away. `messages`: how many messages of bots in chats show it, or a part of it."""

    document_id: str
    state: Literal["removing"]
    messages: int


class FeedbackKept(Form):
    """The feedback that is kept now."""

    receipt: str
    verdict: str


class SourceProgress(Form):
    """How a source stands; `reading` is set while it is being read."""

    name: str
    documents: dict[str, int]
    reached: str | None
    offline_since: str | None
    watched: str | None
    reading: dict[str, float] | None


class Progress(Form):
    """How the sources stand."""

    sources: list[SourceProgress]


class State(BaseModel):
    """The state of the service, for administrators; the README names its parts."""

    model_config = ConfigDict(extra="allow")


class Spread(Form):
    """Median and 95th percentile, seconds."""

    p50: float
    p95: float


class Hour(Form):
    """An hour's answers: how many ended in each way, and how long they took; None where there was none."""

    began: str
    outcomes: dict[str, int]
    found_s: Spread | None
    total_s: Spread | None


class Lately(Form):
    """The answers of the last day, the oldest hour first; counted since the service was started."""

    since: str
    hours: list[Hour]


class Confirmed(Form):
    """Removals that are being carried out."""

    source: str
    held: int
    status: str


class Health(Form):
    """The process lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """What it can answer with, counted of what the caller may read."""

    model_config = ConfigDict(extra="allow")
    status: str


class Fault(Form):
    """What is wrong with one field of the request."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details. `code` is stable, for programs; `title` and `detail` are in the reader's language."""

    model_config = ConfigDict(extra="forbid")
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Fault] = []
    request_id: str = ""
    retry_after_s: int = 0


class ErrorOfOpenAI(Form):
    """What OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(Form):
    """An error below `/v1`."""

    error: ErrorOfOpenAI


class OpenAIModel(Form):
    """A source, or all of them, as a model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(Form):
    """What can be asked."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIMessage(Form):
    """The answer's text."""

    role: Literal["assistant"]
    content: str
    refusal: None


class OpenAIChoice(Form):
    """The one choice there is."""

    index: int
    message: OpenAIMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class Archivar(Form):
    """The answer beyond its text."""

    outcome: Outcome
    asked: str
    citations: list[Citation]
    model: Model
    receipt: str


class OpenAICompletion(BaseModel):
    """An answer; `archivar` is left out where a chat program asked for something of its own."""

    model_config = ConfigDict(extra="forbid")
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[OpenAIChoice]
    archivar: Archivar | None = None
