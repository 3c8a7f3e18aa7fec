"""tantivy: words. BM25 over German and English stems, filtered by rights class and source.

The only importer of tantivy.

Text is normalised to NFKC first: files written on macOS are decomposed, and word search loses eight points of nDCG
without it. `coverage` tells how much of a question's weight (inverse document frequency) the best passages hold, which
is what decides how far the word score may be trusted when question and passages differ in language.
"""

from __future__ import annotations

import json
import math
import re
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import tantivy
from tantivy import Filter, Occur, Query, TextAnalyzerBuilder, Tokenizer

from rag.access import Grant
from rag.documents import Chunk, ChunkId
from rag.errors import StoreError
from rag.store.aside import forget_aside, set_aside
from rag.store.database import disk_error
from rag.store.rows import Facets

T = TypeVar("T")

_WORD = re.compile(r"\w+(?:[-./]\w+)*")
_UNSUMMED = (".", "meta.json")
_STOP = frozenset(
    (
        "der die das den dem des ein eine einer eines einem einen und oder ist sind war wird werden wer wie "
        "was wo wann warum welche welcher welches welchen welchem bei mit von vom zu zum zur im in am an auf "
        "für aus nach es er sie wir ihr ich man sich nicht auch als dass ob wenn hat haben kann muss darf "
        "soll gibt viel viele the a an of to in on at for is are was were be and or what who when where why "
        "how which does do did has have can may must much many it its by with from as that this there i we "
        "you they"
    ).split()
)


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
        self._german, self._english = _analyzer("german"), _analyzer("english")
        self._open()

    def __len__(self) -> int:
        return int(self._read(lambda: self._index.searcher().num_docs))

    def put(self, chunks: Sequence[Chunk], facets: Sequence[Facets]) -> None:
        """Write chunks, or write them again."""
        with self._writing() as writer:
            for chunk, facet in zip(chunks, facets, strict=True):
                writer.delete_documents_by_term("id", chunk.id)
                text = normalise(chunk.indexed_text)
                row = tantivy.Document(id=chunk.id, source=facet.source, de=text, en=text)
                row.add_unsigned("acl_class", facet.acl_class)
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
        return set(self._found(Query.all_query()))

    def facets(self, sources: Sequence[str]) -> dict[ChunkId, tuple[str, int]]:
        """Every chunk of these sources → its source and rights class."""
        held: dict[ChunkId, tuple[str, int]] = {}
        for source in sources:
            found = self._found(self._any("source", [source]))
            held |= {chunk: (source, acl_class) for chunk, acl_class in found.items()}
        return held

    def search(self, question: str, *, grant: Grant, k: int) -> list[tuple[ChunkId, float]]:
        """The k best chunks the grant admits, best first, scored by BM25 (0 and up)."""
        terms = self._terms(question)
        if not terms or not grant.acl_classes or k < 1 or (grant.sources is not None and not grant.sources):
            return []
        wanted = Query.boolean_query(
            [(Occur.Should, Query.term_query(self._index.schema, field, term)) for field, term in terms]
        )
        clauses = [(Occur.Must, wanted), (Occur.Must, self._any("acl_class", sorted(grant.acl_classes)))]
        if grant.sources is not None:
            clauses.append((Occur.Must, self._any("source", sorted(grant.sources))))

        def work() -> list[tuple[ChunkId, float]]:
            searcher = self._index.searcher()
            hits = searcher.search(Query.boolean_query(clauses), limit=k, count=False).hits
            return [(ChunkId(searcher.doc(address)["id"][0]), float(score)) for score, address in hits]

        return self._read(work)

    def coverage(self, question: str, passages: Sequence[str]) -> list[float]:
        """For each passage the share of the question's idf mass whose stems it holds, 0 to 1.

        A word counts as held when its German or its English stem is there.
        """
        weights = self._read(lambda: self._weights(question))
        total = sum(weights.values())
        if not total:
            return [0.0 for _ in passages]
        shares = []
        for passage in passages:
            text = normalise(passage)
            held = set(self._german.analyze(text)) | set(self._english.analyze(text))
            shares.append(sum(weight for stems, weight in weights.items() if held & set(stems)) / total)
        return shares

    def stems(self, text: str) -> frozenset[str]:
        """The content words of a text as stems, without figures; one stemmer for both languages, used on both sides."""
        words = [word for word in _WORD.findall(normalise(text)) if word.lower() not in _STOP]
        return frozenset(stem for stem in self._german.analyze(" ".join(words)) if not stem.isdigit() and len(stem) > 1)

    def drop(self) -> None:
        """Empty the index, for a rebuild; not one byte of the old one stays on the disk."""
        self.renew()
        forget_aside(self.directory)
        self.level = True

    def renew(self) -> None:
        """Start again with an empty index; the old files are set aside."""
        self._tell_change()
        with self._opening:
            with suppress(BaseException):  # a writer that failed cannot even end
                self.close()
            set_aside(self.directory)
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
            self._index = tantivy.Index(_schema(), path=str(self.directory), reuse=True)
            for name in ("german", "english"):
                self._index.register_tokenizer(name, _analyzer(name))
            self._writer = self._new_writer()
            self._index.reload()

    def _new_writer(self) -> tantivy.IndexWriter:
        return self._index.writer(heap_size=64_000_000, num_threads=1)

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

    def _terms(self, question: str) -> list[tuple[str, str]]:
        words = [word for word in _WORD.findall(normalise(question)) if word.lower() not in _STOP]
        text = " ".join(words)
        pairs = [("de", term) for term in self._german.analyze(text)]
        pairs += [("en", term) for term in self._english.analyze(text)]
        return list(dict.fromkeys(pairs))

    def _weights(self, question: str) -> dict[tuple[str, ...], float]:
        searcher = self._index.searcher()
        documents = max(1, searcher.num_docs)
        weights: dict[tuple[str, ...], float] = {}
        for word in dict.fromkeys(_WORD.findall(normalise(question))):
            if word.lower() in _STOP:
                continue
            stems = [("de", term) for term in self._german.analyze(word)]
            stems += [("en", term) for term in self._english.analyze(word)]
            if not stems:
                continue
            frequency = min(documents, max(searcher.doc_freq(field, term) for field, term in stems))  # counts deleted
            names = tuple(dict.fromkeys(term for _, term in stems))
            weights[names] = math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))
        return weights

    def _any(self, field: str, values: Sequence[object]) -> Query:
        return Query.const_score_query(Query.term_set_query(self._index.schema, field, list(values)), 0.0)


def intact(directory: Path) -> bool:
    """Whether every file of a closed index has the sum that tantivy wrote at its end; reads all of it."""
    return all(_whole(path) for path in directory.iterdir() if path.is_file() and not path.name.startswith(_UNSUMMED))


def _whole(path: Path) -> bool:
    """A file ends in ``{"version": …, "crc": …}``, the length of that and a magic number, four bytes each.
    Source: tantivy 0.26, ``src/directory/footer.rs``."""
    content = path.read_bytes()
    try:
        end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        return end >= 0 and int(json.loads(content[end:-8])["crc"]) == zlib.crc32(content[:end])
    except (ValueError, KeyError, TypeError):
        return False


def normalise(text: str) -> str:
    """NFKC, so that composed and decomposed letters, ligatures and wide forms meet."""
    return unicodedata.normalize("NFKC", text)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("source", stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("acl_class", stored=False, indexed=True, fast=True)
    builder.add_text_field("de", stored=False, tokenizer_name="german")
    builder.add_text_field("en", stored=False, tokenizer_name="english")
    return builder.build()


def _analyzer(language: str) -> tantivy.TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(60))
        .filter(Filter.lowercase())
        .filter(Filter.stemmer(language))
        .filter(Filter.ascii_fold())
        .build()
    )
