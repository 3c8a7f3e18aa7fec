"""Versions of documents as `record` takes them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from rag.access import EVERYONE, Acl, Confidentiality, Token
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Section, Span
from rag.ports import Vectors
from rag.store.rows import Facets, Version

DIMENSION = 8
EMBEDDER = "made-up@1"


def acl(*readers: str) -> Acl:
    return Acl(readers=frozenset(Token(reader) for reader in readers))


def chunk(name: str, text: str = "Text", *, context: str = "", document: str = "docs:a.txt") -> Chunk:
    return Chunk(
        id=ChunkId(name),
        document_id=DocumentId(document),
        version="v1",
        span=Span(start=0, end=len(text)),
        ordinal=0,
        text=text,
        context=context,
    )


def facets(acl_class: int = 1, source: str = "docs", language: str = "de") -> Facets:
    return Facets(acl_class=acl_class, source=source, language=language)


def unit(number: int) -> Vectors:
    """One row, another for each number."""
    row = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    return np.asarray([row / np.linalg.norm(row)], np.float32)


def version(
    key: str,
    text: str,
    *,
    name: str | None = None,
    number: str = "v1",
    readers: Sequence[str] = (EVERYONE,),
    title: str = "Titel",
    headings: tuple[str, ...] = (),
    parent: str | None = None,
) -> Version:
    """A document of one chunk."""
    span = Span(start=0, end=len(text))
    ref = DocumentRef(
        id=DocumentId(name or f"docs:{key}.txt"),
        key=key,
        version=number,
        acl=acl(*readers),
        confidentiality=Confidentiality.INTERNAL,
    )
    document = Document(
        ref=ref,
        title=title,
        uri=f"file:///{key}",
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        language="de",
        text=text,
        sections=(Section(span=span, headings=headings, page=2, table=True),),
    )
    own = Chunk(
        id=ChunkId(f"{key}-{number}"),
        document_id=ref.id,
        version=number,
        span=span,
        ordinal=0,
        text=text,
        headings=headings,
        page=2,
    )
    return Version(
        document=document,
        chunks=(own,),
        vectors=unit(len(text)),
        embedder=EMBEDDER,
        stamp="s",
        recipe="r",
        media_type="text/plain",
        notes=("eine Notiz",),
        parent=parent,
    )
