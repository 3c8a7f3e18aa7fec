"""tantivy: words. BM25 over German and English stems, under a grant: rights, source, language, document.

With `rag.store.queries`, `rag.store.terms` and `rag.store.word_rows` the only importer of tantivy.

What becomes of a text stands in `rag.store.analysis`. `coverage` tells how much of a question's weight (inverse
document frequency) the best passages hold, which is what decides how far the word score may be trusted when question
and passages differ in language.

Nothing that is told of a question depends on a document the asker may not read: words are weighed by what the asker's
rights classes hold (`rag.store.rarity`), lengths are measured against a constant (`rag.store.lengths`), and ties do not
hang on what lies between (`rag.store.ties`). Filters change no score.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import tantivy
from tantivy import Occur, Query

from rag.access import Grant
from rag.documents import Chunk, ChunkId
from rag.errors import StoreError
from rag.store.aside import forget_aside, put_in_place, set_aside
from rag.store.coverage import coverage
from rag.store.database import disk_error
from rag.store.fields import FIELDS
from rag.store.lengths import MEANS
from rag.store.queries import Queries, best
from rag.store.rarity import Rarity, marked
from rag.store.rows import Facets
from rag.store.terms import REGISTERED, Terms, analyzer, made
from rag.store.ties import steady
from rag.store.word_rows import rows_of, schema

T = TypeVar("T")
_LOCK_WAIT_S = 2.0


class WordIndex:
    """One inverted index. Writes are collected and become searchable, and durable, by `commit`.

    `level`: whether it holds exactly the ledger's chunks, as far as is known; whoever opens and mends it says so.
    `changing` is called once, before the first change since opening.

    Raises:
        IndexDamaged: its files cannot be opened; `set_aside` and open again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.level = True
        self.changing: Callable[[], None] = lambda: None
        self._unchanged = True
        self._opening = threading.RLock()
        self._writer: tantivy.IndexWriter | None = None
        self._terms = Terms()
        self._open()

    def __len__(self) -> int:
        return int(self._read(lambda: self._index.searcher().search(_chunks(), limit=1).count))

    def put(self, chunks: Sequence[Chunk], facets: Sequence[Facets]) -> None:
        """Write chunks, or write them again."""
        with self._writing() as writer:
            for chunk, facet in zip(chunks, facets, strict=True):
                writer.delete_documents_by_term("id", chunk.id)
                for row in rows_of(chunk, facet, self._terms):
                    writer.add_document(row)

    def delete(self, ids: Sequence[ChunkId]) -> None:
        """Take chunks out; unknown ids are no error."""
        with self._writing() as writer:
            for name in ids:
                writer.delete_documents_by_term("id", name)

    def commit(self) -> None:
        """Make what was written durable and searchable. Costs about a tenth of a second."""
        with self._writing() as writer:
            writer.commit()
            self._index.reload()

    def ids(self) -> set[ChunkId]:
        """Every chunk there is."""
        return set(self._found(_chunks()))

    def facets(self, sources: Sequence[str]) -> dict[ChunkId, tuple[str, int]]:
        """Every chunk of these sources → its source and rights class."""
        held: dict[ChunkId, tuple[str, int]] = {}
        for source in sources:
            found = self._found(self._queries.any_of("source", [source]))
            held |= {chunk: (source, acl_class) for chunk, acl_class in found.items()}
        return held

    def search(self, question: str, *, grant: Grant, k: int) -> list[tuple[ChunkId, float]]:
        """The k best chunks the grant admits, best first, ties in order of id, scored by BM25 (0 and up) over what its
        grant's rights classes hold."""
        if grant.empty or k < 1:
            return []
        return self._best(question, self._under(grant), grant=grant, k=k)

    def scores(self, question: str, chunks: Collection[ChunkId], *, grant: Grant) -> dict[ChunkId, float]:
        """BM25 of these chunks, as `search` scores them for whoever has the grant; 0 where no word of the question
        stands. A millisecond or two for a hundred among 100,000."""
        none = dict.fromkeys(chunks, 0.0)
        if not chunks or grant.empty:
            return none
        only = [(Occur.Must, self._queries.any_of("id", sorted(chunks)))]
        return none | dict(self._best(question, only, grant=grant, k=len(chunks)))

    def holding(self, phrases: Sequence[str], question: str, *, grant: Grant, k: int) -> list[ChunkId]:
        """The chunks the grant admits whose words stand as in every phrase, those that fit the question best first.
        What stands between the words is not looked at."""
        if grant.empty:
            return []
        wanted = [(Occur.Must, Query.const_score_query(self._queries.phrase(phrase), 0.0)) for phrase in phrases]
        found = self._best(question, [*wanted, *self._under(grant)], grant=grant, k=k, any_word=False)
        return [name for name, _ in found]

    def _best(
        self, question: str, under: Sequence[tuple[Occur, Query]], *, grant: Grant, k: int, any_word: bool = True
    ) -> list[tuple[ChunkId, float]]:
        """The k best of what fits; with a word of the question in it, unless that is not asked."""

        def work() -> list[tuple[ChunkId, float]]:
            searcher = self._index.searcher()
            words = self._queries.weighed(question, Rarity(searcher, grant.acl_classes))
            if any_word and not words:
                return []
            wanted = [(Occur.Must, Query.boolean_query(words))] if any_word else words
            hits = best(searcher, Query.boolean_query([*wanted, *under]), k)
            return steady((ChunkId(searcher.doc(address)["id"][0]), float(score)) for score, address in hits)[:k]

        return self._read(work)

    def _under(self, grant: Grant) -> list[tuple[Occur, Query]]:
        """A grant as clauses that count nothing."""
        narrowings: dict[str, Collection[object] | None] = {
            "acl_class": grant.acl_classes,
            "source": grant.sources,
            "language": grant.languages,
            "document": grant.documents,
            "id": grant.chunks,
        }
        return [
            (Occur.Must, self._queries.any_of(field, list(values)))
            for field, values in narrowings.items()
            if values is not None
        ]

    def coverage(self, question: str, passages: Sequence[str], *, grant: Grant) -> list[float]:
        """For each passage the share of the question's idf mass that it holds, 0 to 1, words weighed by what the
        grant's rights classes hold."""

        def work() -> list[float]:
            rarity = Rarity(self._index.searcher(), grant.acl_classes)
            return coverage(question, passages, terms=self._terms, rarity=rarity)

        return self._read(work)

    def stems(self, text: str) -> frozenset[str]:
        """The content words of a text as stems, without figures; one stemmer for both languages, used on both sides."""
        return self._terms.content(text)

    def orphans(self, texts: Iterable[str], *, most: int = 2000) -> tuple[int, int]:
        """How many of the terms of these texts were looked up in the files, and how many stand there though no row has
        them: rows that were only marked as deleted leave theirs behind. Of terms that stand there the `most` rarest."""
        terms = {term for text in texts for term in self._indexed(text)}

        def work() -> tuple[int, int]:
            searcher = self._index.searcher()
            looked_up = terms | {mark for term in terms for mark in marked(searcher, *term)}
            there = sorted((count, term) for term in looked_up if (count := searcher.doc_freq(*term)))[:most]
            left = sum(not searcher.search(self._queries.term(*term), limit=1, count=False).hits for _, term in there)
            return len(looked_up), left

        return self._read(work)

    def _indexed(self, text: str) -> Iterator[tuple[str, str]]:
        yield from (("exact", term) for term in self._terms.exact(text))
        for field, terms in self._terms.of_text(text).items():
            yield from ((field, term) for term in terms)

    def drop(self) -> None:
        """Empty the index, for a rebuild; not one byte of the old one stays on the disk."""
        self.renew()
        forget_aside(self.directory)
        self.level = True

    def renew(self, fresh: Path | None = None) -> None:
        """Start again with an empty index, or with the one that was made and closed in `fresh`; the old files are set
        aside."""
        self._tell_change()
        with self._opening:
            with suppress(BaseException):  # a writer that failed cannot even end
                self.close()
            set_aside(self.directory)
            if fresh is not None:
                put_in_place(fresh, self.directory)
            self.level = False
            self._open()

    def close(self) -> None:
        """Let go of the writer's lock and threads."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.wait_merging_threads()

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._as_store_error():
            self._index = tantivy.Index(schema(), path=str(self.directory), reuse=True)
            for name in REGISTERED:
                self._index.register_tokenizer(name, analyzer(name))
            self._queries = Queries(schema=self._index.schema, terms=self._terms)
            self._writer = self._new_writer()
            self._index.reload()

    def _new_writer(self) -> tantivy.IndexWriter:
        """A child that is just being started holds a copy of the old writer's lock until it is a program of its own."""
        until = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                return self._index.writer(heap_size=64_000_000, num_threads=1)
            except BaseException as error:
                if "LockBusy" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """The writer. One that failed, on a full disk, is dead: it is let go of and the next write gets another."""
        self._tell_change()
        with self._opening, self._as_store_error():
            try:
                if self._writer is None:
                    self._writer = self._new_writer()
                yield self._writer
            except BaseException:
                with suppress(BaseException):
                    self.close()
                raise

    def _read(self, work: Callable[[], T]) -> T:
        with self._as_store_error():
            return work()

    @contextmanager
    def _as_store_error(self) -> Iterator[None]:
        """tantivy raises ValueError, OSError or RuntimeError, by version, or a panic that is no Exception."""
        try:
            yield
        except BaseException as error:
            if "LockBusy" in str(error):
                raise StoreError(
                    f"The word index {self.directory} is open already, in this process or another."
                ) from error
            if isinstance(error, (OSError, ValueError, RuntimeError)) or type(error).__name__ == "PanicException":
                raise disk_error("The word index", error, self.directory) from error
            raise

    def _found(self, query: Query) -> dict[ChunkId, int]:
        """Chunk → rights class of everything a query finds."""

        def work() -> dict[ChunkId, int]:
            searcher = self._index.searcher()
            addresses = [address for _, address in searcher.search(query, limit=max(1, searcher.num_docs)).hits]
            classes = searcher.fast_field_values("acl_class", addresses) if addresses else []
            names = [ChunkId(searcher.doc(address)["id"][0]) for address in addresses]
            return {name: -1 if own is None else int(own) for name, own in zip(names, classes, strict=True)}

        return self._read(work)

    def _tell_change(self) -> None:
        if self._unchanged:
            self.changing()
            self._unchanged = False


def recipe() -> str:
    """What an index is made by, its fields and what becomes of a text: one made otherwise is made anew."""
    return hashlib.sha256(repr((FIELDS, MEANS, made())).encode()).hexdigest()[:16]


def _chunks() -> Query:
    """Every chunk, and no row of blanks."""
    return Query.exists_query("acl_class")
