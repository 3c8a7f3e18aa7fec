"""Protocols that have, or will have, at least two real implementations. Nothing here imports a vendor library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.answers import ModelInfo
from rag.documents import DocumentId, DocumentRef, Listing, Parsed, RawDocument, Shut

Vectors: TypeAlias = NDArray[np.float32]  # (n, dimension), rows of length 1
Vector: TypeAlias = NDArray[np.float32]  # (dimension,), length 1


class Connector(Protocol):
    """A source of documents: lists them, tells their version, fetches them."""

    @property
    def name(self) -> str:
        """The source's name: the part of every document id before the colon."""

    @property
    def ocr(self) -> bool:
        """Whether scans and pictures of text are read."""

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        """Every document there is now in the ranges of ids (see `rag.documents.ranges`), unread, in order of id.

        Raises:
            SourceUnavailable: the root is missing or cannot be listed; nothing may be concluded from it.
        """

    def roots(self) -> Mapping[str, str]:
        """What the source stands on, to tell a share that dropped from a folder that was emptied: path below the root
        ("", or ending in ``/``) → an identity that stays while nothing else takes its place.

        Raises:
            SourceUnavailable: the root is missing.
        """

    def uri(self, document: DocumentId) -> str:
        """Where a person opens a document."""

    def version(self, listing: Listing) -> str:
        """The sha256 of the content, in hex.

        Raises:
            DocumentVanished, UnreadableDocument: see `rag.errors`.
        """

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The bytes, with their version. A file that changed while it was read, or is no longer what `ref.version`
        says where it says anything, is ChangingDocument."""

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> Watching | None:
        """Have `changed` called with a scope whenever something in it may have changed, or every `poll_s` where nothing
        tells; a hint, never the truth. None: look at every full sync only."""


class Closing(Protocol):
    """Something that runs until it is closed."""

    def close(self) -> None:
        """End it."""


class Watching(Closing, Protocol):
    """Something that gives hints until it is closed: because it is told, or because it looks from time to time."""

    @property
    def mode(self) -> Literal["events", "polling"]:
        """Which of the two, now."""


class Parser(Protocol):
    """Bytes to text. Runs in a disposable child process; gets bytes only, never a path or an address."""

    @property
    def fingerprint(self) -> str:
        """Name and version: part of the recipe; a change means every document is parsed anew."""

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        """Text, sections and parts of one document.

        Raises:
            UnsupportedFormat, UnreadableDocument, EmptyDocument: see `rag.errors`.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenVectors:
    """One text as the embedder sees its tokens, without prefix and special tokens.

    `vectors`: (layers, tokens, dimension), a middle layer first, the last one last; not of length 1. `information`:
    (tokens,), how much each tells, above 0. `starts`: (tokens,), the code point of the text where each begins.
    """

    vectors: NDArray[np.float32]
    information: NDArray[np.float32]
    starts: NDArray[np.int32]


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def fingerprint(self) -> str:
        """Model and weights, not the runtime: two runtimes of the same weights share one index."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens that is embedded whole, prefix included."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a passage as it would be embedded, prefix and special tokens included."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in order.

        Raises:
            ContextOverflow: a text is longer than `max_tokens`; nothing is ever cut in silence.
        """

    def embed_question(self, text: str) -> Vector:
        """The vector of a question; only what exceeds `max_tokens` at its end is left out."""

    def tokens(self, texts: Sequence[str], *, question: bool) -> Sequence[TokenVectors] | None:
        """The token vectors of questions or passages, in order; what exceeds `max_tokens` is left out. None where this
        runtime gives vectors of whole texts only."""

    def close(self) -> None:
        """Let go of memory and connections."""


class Reranker(Protocol):
    """Question and passages to scores."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; they compare within one call.

        Raises:
            ModelUnavailable, ModelTimeout, SettingsError: see `rag.errors`; the message says what to do.
        """

    def close(self) -> None:
        """Let go of memory and connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a model says it did. `prompt_tokens` counts cached ones too, `cached_tokens` are those of them it had in its
    cache; None where the server does not tell. `finish` is "thought" where it thought until its budget was used up, and
    wrote no answer."""

    prompt_tokens: int | None
    output_tokens: int | None
    finish: Literal["stop", "length", "cut", "thought"]
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of generated text; the last one carries the usage. `anew`: what was given so far is void, and the text
    begins from its start (only where `Generation.anew` allowed it). `thought`: pieces of thinking, about a token each,
    that came in its place; what was thought is told to nobody."""

    text: str = ""
    usage: Usage | None = None
    anew: bool = False
    thought: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How to generate. Temperature 0 and a fixed seed, so that an answer can be given again. `wanted` is asked several
    times a second: once it says no, the model is let go and the stream ends. `anew` is asked when a server died after
    some text: whether the reader was shown none of it, so that another server may begin from the start."""

    max_tokens: int = 400
    temperature: float = 0.0
    seed: int = 7
    schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    wanted: Callable[[], bool] = field(default=lambda: True, compare=False, repr=False)
    anew: Callable[[], bool] = field(default=lambda: False, compare=False, repr=False)


class LanguageModel(Protocol):
    """Messages to text, streamed."""

    @property
    def info(self) -> ModelInfo:
        """Name and digest.

        Raises:
            ModelUnavailable: no server, or the server has no such model; the message names the command that mends it.
        """

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt as the model will read it, template included: exact, or an upper bound."""

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops the model.

        Raises:
            ContextOverflow: the prompt and `max_tokens` do not fit, or the server read fewer tokens than were sent.
            ModelUnavailable, ModelTimeout, ModelChanged: see `rag.errors`.
        """

    def close(self) -> None:
        """Let go of memory and connections."""


Progress: TypeAlias = Callable[[str, int, int], None]  # (what, done, total)


class Step(NamedTuple):
    """How far an ingest is: the document that was recorded last, documents done and in all, chunks and failures so
    far."""

    document: str
    done: int
    total: int
    chunks: int = 0
    failed: int = 0


IngestProgress: TypeAlias = Callable[[Step], None]
