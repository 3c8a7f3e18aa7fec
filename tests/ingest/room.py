"""A home with real ledger, Chroma, tantivy and chunker. Only what reads bytes and what makes vectors stands in: both
are exact, need no weights and tell how often they were asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from connectors.folder import Folder
from rag.access import EVERYONE, Acl, Confidentiality, Grant, Principal, Token
from rag.answers import Passage
from rag.documents import DocumentId, DocumentRef, Listing, Parsed, Part, RawDocument, Section, Shut, Span
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.one import Pipeline
from rag.ingest.report import Report
from rag.ingest.sync import sync
from rag.ports import Vector, Vectors
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from rag.text.language import language_of

DIMENSION = 48
ANNA = Principal(user="anna")


class HashedWords:
    """Texts are near that share words: the sum of a fixed vector for each word, length 1."""

    fingerprint = "hashed-words@1"
    dimension = DIMENSION
    max_tokens = 512

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text) // 3 + 3

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.asarray([_vector(text) for text in texts], np.float32).reshape(-1, DIMENSION)

    def tokens(self, texts: Sequence[str], *, question: bool) -> None:
        return None

    def embed_question(self, text: str) -> Vector:
        return _vector(text)

    def close(self) -> None:
        pass


def _vector(text: str) -> Vector:
    total = np.full(DIMENSION, 1e-3, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        total += np.frombuffer(digest + digest[:16], np.uint8).astype(np.float32) - 127.5
    return np.asarray(total / np.linalg.norm(total), np.float32)


class JsonReader:
    """Bytes as UTF-8. ``{"text": …, "parts": {name: body}}`` is a container, BROKEN cannot be read, EMPTY is empty."""

    def __init__(self, fingerprint: str = "json-1") -> None:
        self.fingerprint = fingerprint
        self.parsed: list[str] = []
        self.scans_read: dict[str, bool] = {}

    def recipe(self, *, ocr: bool = True) -> str:
        return self.fingerprint if ocr else f"{self.fingerprint} without OCR"

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        self.parsed.append(name)
        self.scans_read[name] = ocr
        if body.startswith(b"BROKEN"):
            raise UnreadableDocument("damaged")
        if body.startswith(b"EMPTY"):
            raise EmptyDocument("no text in it")
        if not body.startswith(b"{"):
            return _parsed(body.decode())
        content = json.loads(body)
        parts = [
            Part(name=name, media_type="text/plain", body=inner.encode() if isinstance(inner, str) else packed(**inner))
            for name, inner in content["parts"].items()
        ]
        return _parsed(content["text"], *parts)

    def until(self, stopped: Callable[[], bool]) -> JsonReader:
        return self


def packed(text: str, parts: dict[str, object] | None = None) -> bytes:
    """A container's bytes."""
    return json.dumps({"text": text, "parts": parts or {}}).encode()


def _parsed(text: str, *parts: Part) -> Parsed:
    section = Section(span=Span(start=0, end=len(text)))
    return Parsed(text=text, sections=(section,) if text else (), parts=parts, language=language_of(text))


class Counted:
    """A folder that counts how often its files are opened."""

    def __init__(self, folder: Folder) -> None:
        self.folder, self.name, self.ocr = folder, folder.name, folder.ocr
        self.versions: list[str] = []
        self.fetched: list[str] = []

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        return self.folder.listings(ranges)

    def roots(self) -> Mapping[str, str]:
        return self.folder.roots()

    def uri(self, document: DocumentId) -> str:
        return self.folder.uri(document)

    def version(self, listing: Listing) -> str:
        self.versions.append(listing.id)
        return self.folder.version(listing)

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        self.fetched.append(listing.id)
        return self.folder.fetch(listing, ref)

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> None:
        return None


def folder(root: Path, *, name: str = "docs", readers: Sequence[str] = (EVERYONE,), **options: object) -> Folder:
    """A folder as a source."""
    return Folder(
        name=name,
        root=root,
        acl=Acl(readers=frozenset(Token(reader) for reader in readers)),
        confidentiality=Confidentiality.INTERNAL,
        **options,  # type: ignore[arg-type]
    )


class Room:
    """The way in and both indexes over one home; opening it reconciles, as the app does."""

    def __init__(self, home: Path, reader: JsonReader | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.reader, self.embedder = reader or JsonReader(), HashedWords()
        self.ledger = Ledger(home / "ledger.sqlite")
        self.vectors = VectorIndex(home / "chroma", fingerprint=self.embedder.fingerprint, dimension=DIMENSION)
        self.words = WordIndex(home / "words")
        self.pipeline = Pipeline(
            ledger=self.ledger,
            vectors=self.vectors,
            words=self.words,
            parser=self.reader,
            embedder=self.embedder,
            media_type_of=lambda name, head: "text/plain",
        )
        self.mended = self.pipeline.reconcile()

    def __enter__(self) -> Room:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.words.close()
        self.vectors.close()
        self.ledger.close()

    def sync(
        self, source: Folder | Counted, *, confirm: bool = False, stopped: Callable[[], bool] | None = None
    ) -> Report:
        return sync(source, self.pipeline, confirm_removals=confirm, stopped=stopped or (lambda: False))

    def search(self, words: str, who: Principal = ANNA, sources: frozenset[str] | None = None) -> list[Passage]:
        """What either index finds for a reader and the ledger lets through; the 1,000 best."""
        grant = Grant(acl_classes=self.ledger.readable_classes(who), sources=sources)
        hits = dict(self.words.search(words, grant=grant, k=1000))
        for language in ("de", "en", ""):
            hits |= dict(self.vectors.search(_vector(words), grant=grant, language=language, k=1000))
        return self.ledger.passages(hits, who)

    def found(self, words: str, who: Principal = ANNA) -> set[str]:
        """The ids of the documents whose found chunk holds the words."""
        return {passage.chunk.document_id for passage in self.search(words, who) if words in passage.chunk.text}

    def texts(self) -> dict[str, str | None]:
        """Every document there is → its current text."""
        entries = self.ledger.entries()
        documents = {entry.id: self.ledger.document(entry.key) for entry in entries}
        return {str(name): document.text if document else None for name, document in documents.items()}

    def level(self) -> bool:
        """Whether both indexes hold exactly the ledger's chunks and owe nothing."""
        wanted = self.ledger.chunk_ids()
        return self.vectors.ids() == self.words.ids() == wanted and not self.ledger.owed()
