"""A home of 20,000 chunks whose process was killed is level again within five seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rag.access import EVERYONE, Acl, Confidentiality
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Span
from rag.store.rows import Facets, Version
from tests.faults.recovery import recovered
from tests.ingest.room import DIMENSION, Room

DOCUMENTS, CHUNKS = 200, 100
ACL = Acl(readers=frozenset({EVERYONE}))


def version(number: int) -> Version:
    """A document with made-up chunks and vectors."""
    ref = DocumentRef(
        id=DocumentId(f"docs:{number:03}.txt"),
        key=f"key-{number}",
        version=f"v{number}",
        acl=ACL,
        confidentiality=Confidentiality.INTERNAL,
    )
    texts = [f"Absatz {n} der Akte {number}".ljust(40) for n in range(CHUNKS)]
    chunks = tuple(
        Chunk(
            id=ChunkId(f"{number:03}-{n:03}"),
            document_id=ref.id,
            version=ref.version,
            span=Span(start=40 * n, end=40 * n + 40),
            ordinal=n,
            text=text,
        )
        for n, text in enumerate(texts)
    )
    rows = np.random.default_rng(number).standard_normal((CHUNKS, DIMENSION)).astype(np.float32)
    document = Document(
        ref=ref,
        title=f"Akte {number}",
        uri="file:///akte",
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        language="de",
        text="".join(texts),
        sections=(),
    )
    return Version(
        document=document,
        chunks=chunks,
        vectors=rows / np.linalg.norm(rows, axis=1, keepdims=True),
        embedder="hashed-words@1",
        stamp="1",
        recipe="made-up",
        media_type="text/plain",
    )


def write(room: Room, made: list[Version], *, until: str = "settled") -> None:
    """Into the indexes and the ledger, but no further than a step."""
    chunks = [chunk for entry in made for chunk in entry.chunks]
    facets = [Facets(acl_class=room.ledger.acl_class(ACL), source="docs", language="de")] * len(chunks)
    room.ledger.announce(chunk.id for chunk in chunks)
    room.vectors.put(chunks, np.concatenate([entry.vectors for entry in made]), facets)
    if until == "vectors":
        return
    room.words.put(chunks, facets)
    room.words.commit()
    if until == "words":
        return
    room.ledger.record(made)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("large") / "home"
    with Room(home) as room:
        write(room, [version(number) for number in range(DOCUMENTS)])
        assert room.level()
    yield home


@pytest.mark.parametrize("until", ["vectors", "words", "protected", "removed"])
def test_twenty_thousand_chunks_are_level_within_five_seconds(large: Path, tmp_path: Path, until: str) -> None:
    shutil.copytree(large, home := tmp_path / "home")
    with Room(home) as room:
        if until in ("vectors", "words"):  # a window of new documents was under way
            write(room, [version(number) for number in range(DOCUMENTS, DOCUMENTS + 5)], until=until)
        for number in range(5):
            if until == "protected":
                berta = Acl(readers=frozenset({EVERYONE, "user:berta"}))  # type: ignore[arg-type]
                room.ledger.reprotect(DocumentId(f"docs:{number:03}.txt"), berta, Confidentiality.INTERNAL)
            if until == "removed":
                room.ledger.remove(DocumentId(f"docs:{number:03}.txt"))
        assert room.ledger.owed()
    with recovered(home) as room:
        assert room.level()
        assert room.ledger.counts()["chunks"] == CHUNKS * (DOCUMENTS - 5 * (until == "removed"))
