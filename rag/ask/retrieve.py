"""A question and a principal to the passages they may read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from rag.access import Grant, Principal
from rag.answers import Passage
from rag.ask.calibration import SHIPPED, Calibrations
from rag.ask.evidence import Features, features_of
from rag.ask.fuse import fuse
from rag.ask.joining import joined
from rag.ask.long_question import question_vector
from rag.ask.neutral import LANGUAGES, Languages
from rag.ask.quoted import Narrowed, narrowed
from rag.ask.rank import Ranked, rank
from rag.ask.searched import Candidates, Hits, Retrieved, Searched, Wanted
from rag.ask.variety import distinct, varied
from rag.documents import ChunkId
from rag.errors import IndexDamaged, StoreError
from rag.filters import NONE, Filters
from rag.ports import Embedder, Reranker, Vector, Vectors
from rag.store.ledger import Ledger
from rag.store.ties import steady
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_log = logging.getLogger(__name__)

_MANY = (50, 400, 3200)  # candidates of each search; more where copies of one text fill them
_ENOUGH = 20
_READABLE = 64  # of the candidates, the best are fetched from the ledger; the others where they are not enough

_beside = ThreadPoolExecutor(32, thread_name_prefix="words")
"""Words are looked for while the question is embedded: neither needs the other, and neither holds the interpreter."""


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
    calibrations: Calibrations = SHIPPED
    reranker: Reranker | None = None
    damaged: Callable[[VectorIndex | WordIndex, IndexDamaged], None] = lambda index, error: None

    def retrieve(
        self,
        question: str,
        *,
        principal: Principal,
        k: int,
        filters: Filters = NONE,
        without: Set[ChunkId] = frozenset(),
    ) -> Retrieved:
        """The k best passages the principal may read now, of what the filters leave; none of those in `without`.
        Neighbouring chunks among them are one passage; the evidence is that of the chunks as they were found.

        Rights are applied in both queries and checked again against the ledger; nothing else decides what is shown.
        """
        return self.read(self.search(question, principal=principal, k=k, filters=filters, without=without))

    def search(
        self,
        question: str,
        *,
        principal: Principal,
        k: int,
        filters: Filters = NONE,
        without: Set[ChunkId] = frozenset(),
    ) -> Searched:
        """The first half of `retrieve`, some tens of milliseconds: what both searches find, none of it read yet."""
        left = self._narrowed(question, self.ledger.grant(principal, filters))
        words = _beside.submit(self.lexical, question, left.grant, _MANY[0])
        vector = question_vector(self.embedder, question)
        wanted = Wanted(question=question, vector=vector, grant=left.grant, principal=principal, without=without, k=k)
        return Searched(wanted=wanted, found=self._candidates(wanted, words), unquoted=left.unquoted)

    def best(self, searched: Searched) -> tuple[Passage, ...]:
        """The k best by what the searches say alone."""
        return self._listed(varied(searched.found.passages), k=searched.wanted.k)

    def read(self, searched: Searched) -> Retrieved:
        """The second half, some hundreds: the best read again, which decides their order and the evidence."""
        wanted, found = searched.wanted, searched.found
        ranked = rank(
            wanted.question,
            found.passages,
            vector=wanted.vector,
            spoken=found.spoken,
            embedder=self.embedder,
            languages=self.languages,
            reranker=self.reranker,
        )
        listed = varied(ranked.passages)
        features = self._features(wanted, found, ranked, listed[: wanted.k])
        return Retrieved(
            passages=self._listed(listed, k=wanted.k),
            evidence=self.calibrations.probability(features) if listed[: wanted.k] else 0.0,
            question_vector=wanted.vector,
            features=features,
            grant=wanted.grant,
            unquoted=searched.unquoted,
        )

    def _listed(self, passages: Sequence[Passage], *, k: int) -> tuple[Passage, ...]:
        return tuple(joined(passages, k=k, texts=self.ledger.document_texts))

    def _candidates(self, wanted: Wanted, words: Future[Hits]) -> Candidates:
        """What both searches find, fused, each text once. Where copies of one file fill the lists, longer ones; `words`
        finds the first of them."""
        for many in _MANY:
            dense = self.dense(wanted.vector, wanted.grant, many)
            lexical = words.result() if many == _MANY[0] else self.lexical(wanted.question, wanted.grant, many)
            full = max(len(dense), len(lexical)) >= many
            dense, lexical = wanted.left(dense), wanted.left(lexical)
            lacking = _beside.submit(self._lexical_of, wanted, dense, lexical)
            spoken = self.ledger.languages({name for name, _ in (*dense, *lexical)})
            trust = self._trust(wanted, lexical)
            fused = fuse(
                [*dense, *self._dense_of(wanted.vector, dense, lexical, spoken)],
                [*lexical, *lacking.result()],
                weight=trust,
                width=self.languages.width,
                least=min((score for _, score in dense), default=0.0),
            )
            passages = self._distinct(dict(steady(fused.items())), wanted)
            if len(passages) >= _ENOUGH or not full:
                break
        return Candidates(dense=dense, lexical=lexical, passages=passages, spoken=spoken)

    def _distinct(self, fused: Mapping[ChunkId, float], wanted: Wanted) -> tuple[Passage, ...]:
        """Those that may be read, each text once: of the best, or of all where the best are too few."""
        best = dict(islice(fused.items(), max(_READABLE, 2 * wanted.k)))
        passages = tuple(distinct(self.ledger.passages(best, wanted.principal)))
        if len(passages) >= max(_ENOUGH, wanted.k) or len(best) == len(fused):
            return passages
        return tuple(distinct(self.ledger.passages(fused, wanted.principal)))

    def _trust(self, wanted: Wanted, lexical: Hits) -> float:
        """How far the words may be trusted: the share of the question's idf mass in the best of their first hits."""
        best = self.ledger.passages(dict(lexical[:3]), wanted.principal)
        return max(self._coverage(wanted, [passage.chunk.indexed_text for passage in best]), default=0.0)

    def _dense_of(self, vector: Vector, dense: Hits, lexical: Hits, spoken: Mapping[ChunkId, str]) -> Hits:
        """The dense scores of what only the words found."""
        known = {name for name, _ in dense}
        lacking = [name for name, _ in lexical if name not in known]
        if not lacking or self.vectors is None:
            return []
        own = self.languages.likeness(vector)
        scores = np.vecdot(self.vectors_of(lacking), vector)  # a row's product is the same whatever rows are beside it
        return [
            (name, float(score) - own.get(spoken.get(name, ""), own[""]))
            for name, score in zip(lacking, scores, strict=True)
        ]

    def _lexical_of(self, wanted: Wanted, dense: Hits, lexical: Hits) -> Hits:
        """The word scores of what only the vectors found."""
        known = {name for name, _ in lexical}
        lacking = [name for name, _ in dense if name not in known]
        try:
            return list(self.words.scores(wanted.question, lacking, grant=wanted.grant).items()) if lacking else []
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return []

    def _features(self, wanted: Wanted, found: Candidates, ranked: Ranked, shown: Sequence[Passage]) -> Features:
        read = (passage.chunk for passage in shown if passage.chunk.id in ranked.agreement)
        best = next(read, shown[0].chunk if shown else None)
        agreement = ranked.agreement.get(best.id) if best else None
        texts = [passage.chunk.indexed_text for passage in shown[:5]]
        return features_of(
            dense=found.dense,
            lexical=found.lexical,
            coverage=self._coverage(wanted, texts),
            width=self.languages.width,
            question=wanted.question,
            best=best.indexed_text if best else "",
            found=agreement,
        )

    def _narrowed(self, question: str, grant: Grant) -> Narrowed:
        """By what stands in quotation marks; to nothing where nobody can tell what holds it."""
        try:
            return narrowed(question, grant, ledger=self.ledger, words=self.words)
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return Narrowed(grant=replace(grant, chunks=frozenset()))

    def vectors_of(self, chunks: Sequence[ChunkId]) -> Vectors:
        """Their vectors in the space of the questions, (len(chunks), dimension); zeros where there is none."""
        found = self.vectors.vectors_of(chunks) if self.vectors is not None else {}
        lacking = [name for name in chunks if name not in found]
        if lacking and self.vectors is not None:
            found |= self.ledger.vectors_of(lacking, embedder=self.embedder.fingerprint)
        none = np.zeros(self.embedder.dimension, np.float32)
        return np.asarray([found.get(name, none) for name in chunks], np.float32).reshape(len(chunks), len(none))

    def dense(self, vector: Vector, grant: Grant, many: int) -> Hits:
        """The nearest of each language, best first, their scores made comparable across languages."""
        own = self.languages.likeness(vector)
        found = [
            (name, score - own[language])
            for language, hits in self._nearest(vector, grant, many).items()
            for name, score in hits
        ]
        return sorted(found, key=lambda entry: -entry[1])[:many]

    def _nearest(self, vector: Vector, grant: Grant, many: int) -> dict[str, Hits]:
        """Language → its nearest, from memory, from the index, or from the ledger itself."""
        if self.vectors is None or grant.empty:
            return {}
        if self.vectors.ready:
            try:
                found = self.vectors.search_each(vector, grant=grant, languages=LANGUAGES, k=many)
                if found is not None:
                    return found
            except IndexDamaged as error:
                self.damaged(self.vectors, error)
            except StoreError as error:
                _log.warning("The ledger is searched instead: %s", error, extra={"action": "index_unusable"})
        return self.ledger.nearest(vector, embedder=self.embedder.fingerprint, grant=grant, languages=LANGUAGES, k=many)

    def lexical(self, question: str, grant: Grant, many: int) -> Hits:
        """What the words find, best first, scored by BM25."""
        try:
            return self.words.search(question, grant=grant, k=many)
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return []

    def _coverage(self, wanted: Wanted, texts: Sequence[str]) -> list[float]:
        try:
            return self.words.coverage(wanted.question, texts, grant=wanted.grant)
        except IndexDamaged as error:
            self.damaged(self.words, error)
            return [0.0 for _ in texts]
