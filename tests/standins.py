"""What stands in for weights where they are only plumbing: both keep the protocols of `rag.ports`, both are exact.

Everything else in a `Shelf` is real: ledger, Chroma, tantivy, audit log, chunker, retriever.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.access import EVERYONE, Acl, Confidentiality, Token
from rag.answers import ModelInfo
from rag.ask.answer import Answerer
from rag.ask.neutral import languages_of
from rag.ask.retrieve import Retriever
from rag.ask.rules import Rules
from rag.documents import DocumentId, DocumentRef, Parsed, RawDocument, Section, Span
from rag.ingest.one import Pipeline
from rag.ports import Delta, Generation, Message, TokenVectors, Usage, Vector, Vectors
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from rag.text.language import language_of

DIMENSION = 96


def vector_of(text: str) -> list[float]:
    """The sum of a random but fixed vector for each word, length 1: texts are near that share words."""
    total = np.full(DIMENSION, 1e-3)
    for word in re.findall(r"\w+", text.lower()):
        total += _word_vector(word[:6])
    return [float(value) for value in total / np.linalg.norm(total)]


@lru_cache(50_000)
def _word_vector(beginning: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(beginning.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSION)


class WordEmbedder:
    """An embedder without weights."""

    fingerprint = "words@1"
    dimension = DIMENSION
    max_tokens = 512

    def count_tokens(self, text: str) -> int:
        return len(text) // 3 + 3

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.asarray([vector_of(text) for text in texts], np.float32).reshape(-1, DIMENSION)

    def embed_question(self, text: str) -> Vector:
        return np.asarray(vector_of(text), np.float32)

    def tokens(self, texts: Sequence[str], *, question: bool) -> list[TokenVectors]:
        return [_word_vectors(text) for text in texts]

    def close(self) -> None:
        pass


def _word_vectors(text: str) -> TokenVectors:
    """A token a word, the same in both layers."""
    words = list(re.finditer(r"\w+", text))
    vectors = np.asarray([vector_of(word[0]) for word in words], np.float32).reshape(-1, DIMENSION)
    return TokenVectors(
        vectors=np.stack([vectors, vectors]),
        information=np.ones(len(words), np.float32),
        starts=np.asarray([word.start() for word in words], np.int32),
    )


class ScriptedModel:
    """Says the given pieces; an exception among them is raised in its place. Remembers what it was told."""

    context_tokens = 4096

    def __init__(self, *pieces: str | Delta | Exception, finish: str = "stop", name: str = "scripted") -> None:
        self._pieces, self._finish = pieces, finish
        self.info = ModelInfo(name=name, digest="sha256:" + "5" * 64, runtime="embedded")
        self.prompts: list[list[Message]] = []
        self.generations: list[Generation] = []
        self.given = 0
        self.closed = 0
        self.before: Callable[[], None] = lambda: None

    @property
    def prompt(self) -> str:
        """Everything the model was told, in one text."""
        return "\n".join(message.content for messages in self.prompts for message in messages)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 3 + 8 for message in messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        self.prompts.append(list(messages))
        self.generations.append(generation)
        self.before()
        try:
            for piece in self._pieces:
                if isinstance(piece, Exception):
                    raise piece
                self.given += 1
                yield piece if isinstance(piece, Delta) else Delta(text=piece)
            usage: Any = Usage(prompt_tokens=1, output_tokens=len(self._pieces), finish=self._finish)  # type: ignore[arg-type]
            yield Delta(usage=usage)
        finally:
            self.closed += 1

    def close(self) -> None:
        pass


def says(*texts: str, source: int = 1) -> str:
    """What a model writes for these statements."""
    return json.dumps({"statements": [{"source": source, "text": text} for text in texts]}, ensure_ascii=False)


class PlainReader:
    """Bytes as UTF-8, one section."""

    fingerprint = "plain-1"

    def recipe(self, *, ocr: bool = True) -> str:
        return self.fingerprint

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        text = body.decode()
        return Parsed(
            text=text, sections=(Section(span=Span(start=0, end=len(text)), page=1),), language=language_of(text)
        )

    def until(self, stopped: object) -> PlainReader:
        return self


class Shelf:
    """A home with real stores, documents put in by hand."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "ledger.sqlite")
        self.embedder = WordEmbedder()
        self.vectors = VectorIndex(home / "chroma", fingerprint=self.embedder.fingerprint, dimension=DIMENSION)
        self.words = WordIndex(home / "words")
        self.audit = AuditLog(home / "audit")
        self.pipeline = Pipeline(
            ledger=self.ledger,
            vectors=self.vectors,
            words=self.words,
            parser=PlainReader(),
            embedder=self.embedder,
            media_type_of=lambda name, head: "text/plain",
        )
        self.retriever = Retriever(
            ledger=self.ledger,
            vectors=self.vectors,
            words=self.words,
            embedder=self.embedder,
            languages=languages_of(self.embedder, self.ledger),
        )

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.audit.close()
        self.words.close()
        self.vectors.close()
        self.ledger.close()

    def put(
        self,
        name: str,
        text: str,
        *,
        readers: Sequence[str] = (EVERYONE,),
        confidentiality: Confidentiality = Confidentiality.INTERNAL,
    ) -> str:
        """Add or replace a document; gives its key."""
        document = DocumentId(f"house:{name}")
        entry = self.ledger.entry(document)
        ref = DocumentRef(
            id=document,
            key=entry.key if entry else "",
            version=hashlib.sha256(text.encode()).hexdigest(),
            acl=Acl(readers=frozenset(Token(reader) for reader in readers)),
            confidentiality=confidentiality,
        )
        raw = RawDocument(
            ref=ref,
            title=name.rsplit(".", 1)[0].title(),
            uri=f"file:///srv/{name}",
            media_type="text/plain",
            modified_at=datetime(2024, 3, 12, tzinfo=UTC),
            body=text.encode(),
        )
        self.pipeline.write(self.pipeline.draft(raw, stamp="1"))
        kept = self.ledger.entry(document)
        assert kept is not None
        return kept.key

    def answerer(self, model: ScriptedModel | None, **rules: Any) -> Answerer:
        """The real flow over these stores."""
        return Answerer(retriever=self.retriever, audit=self.audit, model=model, rules=Rules(**rules))
