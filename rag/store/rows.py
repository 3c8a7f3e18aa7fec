"""How a ledger row becomes a type and back: plain functions, and the two shapes only the store uses."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from rag.access import Acl, Confidentiality, Gate, Step, Token
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Section, Span
from rag.ports import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One document as `rag documents` lists it."""

    key: str
    id: DocumentId
    title: str
    uri: str
    media_type: str
    modified_at: datetime
    language: str | None
    acl: Acl
    confidentiality: Confidentiality
    version: str | None
    reason: str | None
    notes: tuple[str, ...]
    chunks: int
    parent: str | None
    author: str | None = None
    created_at: datetime | None = None

    @property
    def state(self) -> str:
        """``indexed``; ``failed``: nothing to search; ``outdated``: the newest file failed, an older version serves."""
        if self.reason is None:
            return "indexed"
        return "failed" if self.version is None else "outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is known of a source beyond its documents.

    `roots`: see `rag.ports.Connector.roots`, as it was when last listed in full; empty before the first time. A source
    that cannot be reached is offline since then, with the reason. `held` counts removals that wait for a person.
    """

    roots: Mapping[str, str] = field(default_factory=dict)
    reached_at: datetime | None = None
    offline_since: datetime | None = None
    problem: str | None = None
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What the indexes filter a chunk by. `language` is ``de``, ``en`` or "" for any other. `document` is its key;
    Chroma does not keep it, so it counts for nothing in a comparison: a chunk never changes its document."""

    acl_class: int
    source: str
    language: str
    document: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What `record` makes current: the document, its chunks with one vector each, and how it was made. `embedder` is
    the fingerprint of what made the vectors."""

    document: Document
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    embedder: str
    stamp: str
    recipe: str
    media_type: str
    notes: tuple[str, ...] = ()
    parent: str | None = None


def new_key() -> str:
    """A document's opaque name: 96 random bits."""
    return secrets.token_hex(12)


def source_of(document: DocumentId) -> str:
    """The part of a document id before its first colon."""
    return document.split(":", 1)[0]


def file_title(document: DocumentId) -> str:
    """The title a document has when its text names none: the file's name without its ending."""
    name = document.split(":", 1)[-1].rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] or name


def content_hash(chunk: Chunk) -> str:
    """What decides whether a chunk was embedded before: its context and its text."""
    return hashlib.sha256(chunk.indexed_text.encode("utf-8", "surrogatepass")).hexdigest()


def rights_text(acl: Acl) -> str:
    """Rights as the readers column holds them; equal rights are equal text. A plain list where the readers decide."""
    if acl.plain:
        return json.dumps(sorted(acl.readers))
    gates = [[[step.admits, sorted(step.tokens)] for step in gate.steps] for gate in acl.gates]
    whole = {"readers": sorted(acl.readers), "denied": sorted(acl.denied), "gates": gates}
    return json.dumps(whole)


@lru_cache(maxsize=8192)
def acl_of(text: str) -> Acl:
    """The readers column."""
    found = json.loads(text)
    if isinstance(found, list):
        return Acl(readers=_tokens(found))
    gates = (
        Gate(steps=tuple(Step(bool(admits), _tokens(tokens)) for admits, tokens in steps)) for steps in found["gates"]
    )
    return Acl(readers=_tokens(found["readers"]), denied=_tokens(found["denied"]), gates=tuple(gates))


def _tokens(names: Iterable[str]) -> frozenset[Token]:
    return frozenset(map(Token, names))


def marks(values: Iterable[object]) -> str:
    """One placeholder a value."""
    return ",".join("?" for _ in values)


def now() -> str:
    """The time of a record, UTC."""
    return datetime.now(UTC).isoformat()


def chunk_of(row: sqlite3.Row) -> Chunk:
    """A chunk; `row` also names its document's id."""
    return Chunk(
        id=ChunkId(row["id"]),
        document_id=DocumentId(row["document_id"]),
        version=row["version"],
        span=Span(start=row["span_start"], end=row["span_end"]),
        ordinal=row["ordinal"],
        text=row["text"],
        context=row["context"],
        headings=tuple(json.loads(row["headings"])),
        page=row["page"],
    )


def facets_of(row: sqlite3.Row, *, document: str = "") -> Facets:
    """A document's row, as the indexes filter its chunks."""
    return Facets(acl_class=row["acl_class"], source=row["source"], language=row["language"] or "", document=document)


def section_json(section: Section) -> list[Any]:
    """A section as it is stored."""
    return [section.span.start, section.span.end, list(section.headings), section.page, section.table]


def section_of(entry: list[Any]) -> Section:
    """A section as it was stored."""
    start, end, headings, page, table = entry
    return Section(span=Span(start=start, end=end), headings=tuple(headings), page=page, table=table)


def entry_of(row: sqlite3.Row) -> Entry:
    """A document's row, joined with its readers and its count of chunks."""
    return Entry(
        key=row["key"],
        id=DocumentId(row["id"]),
        title=row["title"],
        uri=row["uri"],
        media_type=row["media_type"],
        modified_at=datetime.fromisoformat(row["modified_at"]),
        language=row["language"],
        acl=acl_of(row["readers"]),
        confidentiality=Confidentiality(row["confidentiality"]),
        version=row["version"],
        reason=row["reason"],
        notes=tuple(json.loads(row["notes"])),
        chunks=int(row["chunks"]),
        parent=row["parent"],
        author=row["author"],
        created_at=moment_of(row["created_at"]),
    )


def state_of(row: sqlite3.Row) -> SourceState:
    """A source's row."""
    return SourceState(
        roots=json.loads(row["roots"]),
        reached_at=moment_of(row["reached_at"]),
        offline_since=moment_of(row["offline_since"]),
        problem=row["problem"],
        held=row["held"],
    )


def moment_of(text: str | None) -> datetime | None:
    """A time as it is stored."""
    return datetime.fromisoformat(text) if text else None


def document_of(row: sqlite3.Row) -> Document:
    """A current version's row, joined with its readers."""
    return Document(
        ref=DocumentRef(
            id=DocumentId(row["id"]),
            key=row["key"],
            version=row["version"],
            acl=acl_of(row["readers"]),
            confidentiality=Confidentiality(row["confidentiality"]),
        ),
        title=row["title"],
        uri=row["uri"],
        modified_at=datetime.fromisoformat(row["modified_at"]),
        created_at=moment_of(row["created_at"]),
        author=row["author"],
        language=row["language"],
        text=row["text"],
        sections=tuple(section_of(entry) for entry in json.loads(row["sections"])),
    )
