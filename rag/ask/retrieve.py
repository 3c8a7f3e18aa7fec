"""A question and a principal to the passages they may read."""

from __future__ import annotations

from dataclasses import dataclass

from rag.access import Grant, Principal
from rag.answers import Passage
from rag.ask.evidence import Features, probability
from rag.ask.fuse import fuse
from rag.ports import Embedder, Vector
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_CANDIDATES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The passages, best first, and the calibrated probability that they answer the question."""

    passages: tuple[Passage, ...]
    evidence: float
    question_vector: Vector
    features: Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Retriever:
    """Dense and lexical search, fused, and kept only if the ledger says current and readable."""

    ledger: Ledger
    vectors: VectorIndex
    words: WordIndex
    embedder: Embedder

    def retrieve(
        self, question: str, *, principal: Principal, k: int, sources: frozenset[str] | None = None
    ) -> Retrieved:
        """The k best passages the principal may read now.

        Rights are applied in both queries and checked again against the ledger; nothing else decides what is shown.
        """
        grant = Grant(acl_classes=self.ledger.readable_classes(principal), sources=sources)
        vector = self.embedder.embed_question(question)
        dense = self.vectors.search(vector, grant=grant, k=_CANDIDATES)
        lexical = self.words.search(question, grant=grant, k=_CANDIDATES)
        best = self.ledger.passages(dict(lexical[:3]), principal)
        weight = max(self.words.coverage(question, [passage.chunk.indexed_text for passage in best]), default=0.0)
        passages = self.ledger.passages(fuse(dense, lexical, weight=weight), principal)
        shown = tuple(_varied(passages)[:k])
        features = Features.of(
            dense=dense,
            lexical=lexical,
            coverage=self.words.coverage(question, [passage.chunk.indexed_text for passage in shown[:5]]),
        )
        return Retrieved(
            passages=shown,
            evidence=probability(features) if shown else 0.0,
            question_vector=vector,
            features=features,
        )


def _varied(passages: list[Passage]) -> list[Passage]:
    """The same text again, from a copy of the file, does not take a second place."""
    seen: set[str] = set()
    kept = []
    for passage in passages:
        if passage.chunk.text not in seen:
            seen.add(passage.chunk.text)
            kept.append(passage)
    return kept
