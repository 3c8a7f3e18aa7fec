"""A made-up home of any size: unit vectors in clusters, so that neighbours mean something; German-looking words with
the frequencies that words have; rights classes of very different sizes. Always the same for the same size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.access import Acl, Confidentiality, Principal, group
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Section, Span
from rag.ports import Vector, Vectors
from rag.store.ledger import Ledger
from rag.store.rows import Facets, Version
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

FINGERPRINT = "made-up@1"
DIMENSION = 384
CLASSES = 50
LANGUAGES = ("de", "en", "")
_PER_DOCUMENT = 10
_DOCUMENTS = 500  # a write
_VOCABULARY = 30_000
TYPES = ("application/pdf", "text/markdown", "message/rfc822", "text/plain")
_SYLLABLES = (
    "ab an auf be den der ein er fer ge gel haus hof kon lich mann nung ord rat sche schrift tag tung ur ver werk"
).split()


@dataclass(frozen=True, slots=True)
class World:
    """What a home is made of. `means`: language → the direction its vectors share."""

    chunks: int
    centres: Vectors
    means: dict[str, Vector]
    words: list[str]

    @classmethod
    def of(cls, chunks: int) -> World:
        """A world of so many chunks."""
        chance = np.random.default_rng(11)
        centres = _unit(chance.standard_normal((max(20, chunks // 50), DIMENSION)))
        means = dict(zip(LANGUAGES, _unit(chance.standard_normal((3, DIMENSION))), strict=True))
        return cls(chunks, centres, means, _vocabulary())

    def documents(self) -> Iterator[list[Version]]:
        """All of it, some hundred documents at a time."""
        chance = np.random.default_rng(12)
        sizes = class_shares()
        for start in range(0, self.chunks // _PER_DOCUMENT, _DOCUMENTS):
            numbers = range(start, min(start + _DOCUMENTS, self.chunks // _PER_DOCUMENT))
            yield [self._document(number, chance, sizes) for number in numbers]

    def vector(self, chance: np.random.Generator, language: str, n: int = 1) -> Vectors:
        """Rows near one of the centres, as passages of a language are."""
        centre = self.centres[chance.integers(len(self.centres), size=n)]
        noise = _unit(chance.standard_normal((n, DIMENSION)))
        return _unit(centre + 0.8 * noise + 0.7 * self.means[language])

    def text(self, chance: np.random.Generator, words: int) -> str:
        """Words by Zipf's law."""
        ranks = np.minimum(chance.zipf(1.25, words), len(self.words)) - 1
        return " ".join(self.words[rank] for rank in ranks)

    def _document(self, number: int, chance: np.random.Generator, sizes: NDArray[np.float64]) -> Version:
        language = LANGUAGES[int(chance.choice(3, p=[0.7, 0.25, 0.05]))]
        key, readers = f"k{number:07}", Acl(readers=frozenset({group(f"g{chance.choice(CLASSES, p=sizes)}")}))
        texts = [self.text(chance, int(chance.integers(30, 90))) for _ in range(_PER_DOCUMENT)]
        ends = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
        ref = DocumentRef(
            id=DocumentId(f"docs:ordner{number % 40}/datei{number}.pdf"),
            key=key,
            version="v1",
            acl=readers,
            confidentiality=Confidentiality.INTERNAL,
        )
        chunks = tuple(
            Chunk(
                id=ChunkId(f"{number:028}{place:04}"),
                document_id=ref.id,
                version="v1",
                span=Span(start=first, end=last - 1),
                ordinal=place,
                text=text,
                context=f"Datei {number}",
            )
            for place, (text, (first, last)) in enumerate(zip(texts, pairwise(ends), strict=True))
        )
        document = Document(
            ref=ref,
            title=f"Datei {number}",
            uri=f"file:///srv/{number}",
            modified_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number),
            language=language or None,
            text="\n".join(texts),
            sections=(Section(span=Span(start=0, end=ends[-1] - 1)),),
        )
        return Version(
            document=document,
            chunks=chunks,
            vectors=self.vector(chance, language, _PER_DOCUMENT),
            embedder=FINGERPRINT,
            stamp="s",
            recipe="r",
            media_type=TYPES[number % len(TYPES)],
        )


def build(home: Path, chunks: int) -> None:
    """Ledger, Chroma and tantivy of a world; a cached one has the file ``whole``."""
    home.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(home / "ledger.sqlite")
    vectors = VectorIndex(home / "chroma", fingerprint=FINGERPRINT, dimension=DIMENSION)
    words = WordIndex(home / "words")
    for versions in World.of(chunks).documents():
        ledger.record(versions)
        for version in versions:
            facets = [facets_of(ledger, version)] * len(version.chunks)
            words.put(version.chunks, facets)
        own = [facets_of(ledger, version) for version in versions for _ in version.chunks]
        rows = np.concatenate([version.vectors for version in versions])
        vectors.put([chunk for version in versions for chunk in version.chunks], rows, own)
        words.commit()
    words.close()
    vectors.close()
    ledger.close()
    (home / "whole").touch()


def facets_of(ledger: Ledger, version: Version) -> Facets:
    """What a version's chunks are filtered by."""
    document = version.document
    return Facets(
        acl_class=ledger.acl_class(document.ref.acl),
        source="docs",
        language=document.language or "",
        document=document.ref.key,
    )


def class_shares() -> NDArray[np.float64]:
    """The share of the documents in each rights class: the largest 18 %, the smallest 0.3 %."""
    sizes = 1 / np.arange(1, CLASSES + 1)
    shares: NDArray[np.float64] = sizes / sizes.sum()
    return shares


def reader(share: float) -> Principal:
    """Somebody who may read about this share: the classes that fit, the largest first."""
    held, left = [], share
    for number, size in enumerate(class_shares()):
        if size <= left + 1e-9:
            held.append(f"g{number}")
            left -= size
    return Principal(user="reader", groups=frozenset(held))


def _vocabulary() -> list[str]:
    chance = np.random.default_rng(13)
    made: dict[str, None] = {}
    while len(made) < _VOCABULARY:
        made["".join(chance.choice(_SYLLABLES, size=int(chance.integers(2, 6))))] = None
    return [word if number % 3 else word.capitalize() for number, word in enumerate(made)]


def _unit(rows: NDArray[np.float64]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
