"""A question and a principal to the passages they may read."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.access import Grant, Principal
from rag.answers import Passage
from rag.ask.evidence import Features, probability
from rag.ask.fuse import fuse
from rag.ask.neutral import LANGUAGES, Languages
from rag.documents import ChunkId
from rag.errors import IndexDamaged, StoreError
from rag.ports import Embedder, Vector
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_log = logging.getLogger(__name__)

_CANDIDATES = 50
_FURTHER = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The passages, best first, and the calibrated probability that they answer the question."""

    passages: tuple[Passage, ...]
    evidence: float
    question_vector: Vector
    features: Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Retriever:
    """Dense and lexical search, fused, and kept only if the ledger says current and readable.

    Without an index that is level with the ledger, the ledger's own vectors are searched. `vectors` is None where no
    embedder can be asked for the vectors there are: then words alone decide. `damaged` is told of an index that fails.
    """

    ledger: Ledger
    vectors: VectorIndex | None
    words: WordIndex
    embedder: Embedder
    languages: Languages
    damaged: Callable[[VectorIndex | WordIndex, IndexDamaged], None] = lambda index, error: None

    def retrieve(
        self, question: str, *, principal: Principal, k: int, sources: frozenset[str] | None = None
    ) -> Retrieved:
        """The k best passages the principal may read now.

        Rights are applied in both queries and checked again against the ledger; nothing else decides what is shown.
        """
        grant = Grant(acl_classes=self.ledger.readable_classes(principal), sources=sources)
        vector = self.embedder.embed_question(question)
        dense = self._dense(vector, grant)
        lexical = self._lexical(question, grant)
        best = self.ledger.passages(dict(lexical[:3]), principal)
        weight = max(self._coverage(question, best), default=0.0)
        fused = fuse(dense, lexical, weight=weight, width=self.languages.width)
        shown = tuple(_varied(self.ledger.passages(fused, principal))[:k])
        features = Features.of(
            dense=dense,
            lexical=lexical,
            coverage=self._coverage(question, shown[:5]),
            width=self.languages.width,
        )
        return Retrieved(
            passages=shown,
            evidence=probability(features) if shown else 0.0,
            question_vector=vector,
            features=features,
        )

    def _dense(self, vector: Vector, grant: Grant) -> list[tuple[ChunkId, float]]:
        """The nearest of each language, their scores made comparable across languages."""
        own = self.languages.likeness(vector)
        found = [
            (name, score - own[language])
            for language in LANGUAGES
            for name, score in self._nearest(vector, grant, language)
        ]
        return sorted(found, key=lambda entry: -entry[1])[:_CANDIDATES]

    def _nearest(self, vector: Vector, grant: Grant, language: str) -> list[tuple[ChunkId, float]]:
        if self.vectors is None or not grant.acl_classes:
            return []
        if self.vectors.level:
            try:
                return self.vectors.search(vector, grant=grant, language=language, k=_CANDIDATES)
            except IndexDamaged as error:
                self.damaged(self.vectors, error)
            except StoreError as error:
                _log.warning("The ledger is searched instead: %s", error, extra={"action": "index_unusable"})
        return self.ledger.nearest(
            vector, embedder=self.embedder.fingerprint, grant=grant, language=language, k=_CANDIDATES
        )

    def _lexical(self, question: str, grant: Grant) -> list[tuple[ChunkId, float]]:
        try:
            return self.words.search(question, grant=grant, k=_CANDIDATES)
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return []

    def _coverage(self, question: str, passages: Sequence[Passage]) -> list[float]:
        try:
            return self.words.coverage(question, [passage.chunk.indexed_text for passage in passages])
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return [0.0 for _ in passages]


def _varied(passages: list[Passage]) -> list[Passage]:
    """Best first, but no document crowds the list: each further passage of the same one counts a little less, and the
    same text again, from a copy of the file, not at all. Scores are what they then count."""
    texts: set[str] = set()
    before: dict[str, int] = defaultdict(int)
    kept = []
    for passage in passages:
        if passage.chunk.text not in texts:
            texts.add(passage.chunk.text)
            kept.append(replace(passage, score=passage.score * _FURTHER ** before[passage.key]))
            before[passage.key] += 1
    return sorted(kept, key=lambda passage: -passage.score)
