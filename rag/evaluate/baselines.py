"""What retrieval is held against in the same run: plain word search over whole documents, and each half of our own.

``bm25`` is the floor that any retriever must beat; ``dense`` and ``words`` are the two searches that are fused.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rag.access import Grant, Principal
from rag.app import App
from rag.documents import ChunkId, DocumentId
from rag.ports import Vector, Vectors

NAMES = ("bm25", "dense", "words")

_K1, _B = 1.2, 0.75
_WORD = re.compile(r"\w+")
_DEPTH = 50
_CHUNKS = 400  # enough chunks to hold the best 50 documents, or nearly


class Bm25:
    """Plain BM25 over whole texts: NFKC, case folded, runs of word characters; no stemming, no stop words.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the idf of
    Lucene, which never falls below 0.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._names = list(texts)
        counted = [Counter(_words(text)) for text in texts.values()]
        lengths = [counts.total() for counts in counted]
        average = sum(lengths) / len(lengths) if lengths else 0.0
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, (counts, length) in enumerate(zip(counted, lengths, strict=True)):
            damping = _K1 * (1 - _B + _B * length / average) if average else _K1
            for word, count in counts.items():
                self._postings[word].append((place, count * (_K1 + 1) / (count + damping)))

    def rank(self, question: str, k: int = _DEPTH) -> list[str]:
        """The names of the k best texts that share a word with the question, best first, ties in order of entry."""
        scores: dict[int, float] = defaultdict(float)
        for word, times in Counter(_words(question)).items():
            held = self._postings.get(word, [])
            idf = math.log(1 + (len(self._names) - len(held) + 0.5) / (len(held) + 0.5))
            for place, weight in held:
                scores[place] += times * idf * weight
        best = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
        return [self._names[place] for place, _ in best]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """The three of them over what an app holds and a person may read. Rankings are of document ids, best first."""

    app: App
    grant: Grant
    floor: Bm25
    documents: Mapping[ChunkId, DocumentId]
    chunks: Sequence[ChunkId]
    vectors: Vectors = field(repr=False)

    @classmethod
    def of(cls, app: App, principal: Principal) -> Baselines:
        """Read everything that is indexed, once."""
        classes = app.ledger.readable_classes(principal)
        embedder = app.retriever.embedder
        rows = [
            (chunk, vector)
            for chunk, facets, vector in app.ledger.indexed(embedder=embedder.fingerprint)
            if vector is not None and facets.acl_class in classes
        ]
        vectors = np.asarray([vector for _, vector in rows], np.float32).reshape(len(rows), embedder.dimension)
        return cls(
            app=app,
            grant=Grant(acl_classes=classes),
            floor=Bm25(_texts(app, principal)),
            documents={chunk.id: chunk.document_id for chunk, _ in rows},
            chunks=[chunk.id for chunk, _ in rows],
            vectors=vectors,
        )

    def rank(self, question: str, vector: Vector) -> dict[str, list[str]]:
        """Baseline → its ranking. The question is not embedded again."""
        return {
            "bm25": self.floor.rank(question),
            "dense": self._documents(self._dense(vector)),
            "words": self._documents(self._words(question)),
        }

    def _dense(self, vector: Vector) -> Iterable[ChunkId]:
        """Meaning alone: every vector looked at, by plain cosine."""
        order = np.argsort(-(self.vectors @ vector), kind="stable")[:_CHUNKS]
        return (self.chunks[int(place)] for place in order)

    def _words(self, question: str) -> Iterable[ChunkId]:
        """Words alone, as our own index scores them."""
        return (chunk for chunk, _ in self.app.retriever.words.search(question, grant=self.grant, k=_CHUNKS))

    def _documents(self, chunks: Iterable[ChunkId]) -> list[str]:
        """Each document once, at the place of its first chunk."""
        names = (str(self.documents[chunk]) for chunk in chunks if chunk in self.documents)
        return list(dict.fromkeys(names))[:_DEPTH]


def _texts(app: App, principal: Principal) -> dict[str, str]:
    """Document → title and text, of everything that is readable."""
    found = {}
    for entry in app.ledger.entries():
        document = app.ledger.document(entry.key) if entry.acl.admits(principal) else None
        if document is not None:
            found[str(entry.id)] = f"{document.title} {document.text}"
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
