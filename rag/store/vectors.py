"""Chroma: meaning. Holds ids, vectors and facets; text and truth stay in the ledger.

The only importer of chromadb. Chroma is never left to embed (no embedding function), never served over HTTP, and its
`where` never holds a negation: `$ne` and `$nin` match rows that lack the key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, TypeVar

import chromadb
import numpy as np
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings

from rag.access import Grant
from rag.documents import Chunk, ChunkId
from rag.errors import IndexDamaged, StoreError
from rag.ports import Vector, Vectors
from rag.store.aside import forget_aside, put_in_place, set_aside
from rag.store.configuration import names_code
from rag.store.database import disk_error
from rag.store.deadline import Deadline
from rag.store.in_use import InUse
from rag.store.loading import Loading
from rag.store.mirror import Mirror
from rag.store.rows import Facets
from rag.store.selecting import Shares, where

T = TypeVar("T")

_MAX_ROWS = 5000  # Chroma refuses more than 5,461 in one call


class VectorIndex:
    """One collection of unit vectors of one embedder, in a directory of its own. Safe to use from several threads.

    `level`: whether it holds exactly the ledger's chunks, as far as is known; whoever opens and mends it says so. While
    it does not, the ledger is searched instead. `changing` is called once, before the first change since opening.
    `mirror` holds the rows in memory too, as far as they fit, and is searched once `loading` has filled it; `shares`
    tells how to ask the files for what a reader may see.

    Raises:
        IndexDamaged: its files cannot be opened, or would run code; `set_aside` and open again.
        StoreError: another process keeps it locked.
    """

    def __init__(self, directory: Path, *, fingerprint: str, dimension: int) -> None:
        self.directory, self.fingerprint, self.dimension = directory, fingerprint, dimension
        self.mirror: Mirror | None = None
        self.loading: Loading | None = None
        self.shares: Shares | None = None
        self.level = True
        self.changing: Callable[[], None] = lambda: None
        self._unchanged = True
        self._use = InUse("The vector index")
        self._open()

    def __len__(self) -> int:
        return self._run(lambda: int(self._rows.count()))

    def held(self) -> AbstractContextManager[None]:
        """Not closed and not made anew meanwhile.

        Raises, when it is entered:
            StoreError: it is closed.
        """
        return self._use.held()

    def put(self, chunks: Sequence[Chunk], vectors: Vectors, facets: Sequence[Facets]) -> None:
        """Write rows, or write them again. `vectors` is (len(chunks), dimension)."""
        for start in range(0, len(chunks), _MAX_ROWS):
            self._put(chunks[start : start + _MAX_ROWS], vectors[start : start + _MAX_ROWS], facets[start:])

    def _put(self, chunks: Sequence[Chunk], vectors: Vectors, facets: Sequence[Facets]) -> None:
        def work() -> None:
            self._rows.upsert(
                ids=[chunk.id for chunk in chunks],
                embeddings=vectors,
                metadatas=[_kept(facet) for facet in facets[: len(chunks)]],
            )

        self._run(work, writing=True)
        if self.mirror is not None:
            self.mirror.put([chunk.id for chunk in chunks], vectors, facets[: len(chunks)])

    def delete(self, ids: Sequence[ChunkId]) -> None:
        """Take rows out of the search; unknown ids are no error. Bytes leave the disk by `renew` only."""
        for start in range(0, len(ids), _MAX_ROWS):
            self._delete(list(ids[start : start + _MAX_ROWS]))

    def _delete(self, ids: list[ChunkId]) -> None:
        self._run(lambda: self._rows.delete(ids=ids), writing=True)
        if self.mirror is not None:
            self.mirror.delete(ids)

    def ids(self) -> set[ChunkId]:
        """Every row there is."""
        return {name for page in self._pages([]) for name in page["ids"]}

    def facets(self) -> dict[ChunkId, Facets]:
        """Every row there is, with what it is filtered by."""
        made: dict[Facets, Facets] = {}
        held: dict[ChunkId, Facets] = {}
        for page in self._pages(["metadatas"]):
            for name, own in zip(page["ids"], page["metadatas"], strict=True):
                facets = _facets(own)
                held[ChunkId(name)] = made.setdefault(facets, facets)
        return held

    def rows(self) -> Iterator[tuple[list[ChunkId], Vectors]]:
        """Every row with its vector, some thousands at a time."""
        for page in self._pages(["embeddings"]):
            yield [ChunkId(name) for name in page["ids"]], np.asarray(page["embeddings"], np.float32)

    def _pages(self, include: list[str]) -> Iterator[Any]:
        """Chroma cannot give more than 32,766 rows at once: SQLite takes no more variables."""
        for start in range(0, len(self), _MAX_ROWS):
            yield self._page(include, start)

    def _page(self, include: list[str], start: int) -> Any:
        return self._run(lambda: self._rows.get(include=include, limit=_MAX_ROWS, offset=start))

    def nearest(self, vectors: Vectors) -> list[float]:
        """For each vector, (n, dimension), the cosine of the row nearest to it, whoever may read it."""
        found = self._run(lambda: self._rows.query(query_embeddings=vectors, n_results=1, include=["distances"]))
        return [1.0 - float(distances[0]) if distances else -1.0 for distances in found["distances"]]

    @property
    def ready(self) -> bool:
        """Whether it can be searched: it is level, or its rows are in memory whatever its files are."""
        return self.level or (self.mirror is not None and self.mirror.complete)

    def search(self, vector: Vector, *, grant: Grant, language: str, k: int) -> list[tuple[ChunkId, float]]:
        """The k nearest rows of a language that the grant admits, best first, scored by cosine in [-1, 1]."""
        return (self.search_each(vector, grant=grant, languages=(language,), k=k) or {language: []})[language]

    def search_each(
        self, vector: Vector, *, grant: Grant, languages: Collection[str], k: int
    ) -> dict[str, list[tuple[ChunkId, float]]] | None:
        """The same for several languages at once: exact and in one pass where the rows are in memory. None where the
        ledger must tell (the grant names documents or chunks, which Chroma does not know; it is not `ready`), or can
        sooner (few rows of many)."""
        if grant.empty or k < 1:
            return {language: [] for language in languages}
        if self.loading is not None:
            self.loading.asked()
        found = self.mirror.search(vector, grant=grant, languages=languages, k=k) if self.mirror is not None else None
        if found is not None:
            return found
        if grant.documents is not None or grant.chunks is not None or not self.level:
            return None
        if self.shares is not None and self.shares.few(grant, languages):
            return None
        return self._search_files(vector, grant, languages, k)

    def vectors_of(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, Vector]:
        """The vectors of those chunks that are in memory."""
        return self.mirror.vectors_of(chunks) if self.mirror is not None and self.mirror.complete else {}

    def _search_files(
        self, vector: Vector, grant: Grant, languages: Collection[str], k: int
    ) -> dict[str, list[tuple[ChunkId, float]]]:
        wanted = {language: self.shares.excess(grant, language, k) if self.shares else None for language in languages}
        most = max((count for count in wanted.values() if count), default=0)
        near = self._query(vector, most, None) if most else []
        found: dict[str, list[tuple[ChunkId, float]]] = {}
        for language, count in wanted.items():
            if grant.languages is not None and language not in grant.languages:
                found[language] = []
                continue
            own = [
                (name, score)
                for name, score, row in near
                if row.language == language
                and grant.admits(acl_class=row.acl_class, source=row.source, language=row.language)
            ][:k]
            if not count or len(own) < k:
                own = [(name, score) for name, score, _ in self._query(vector, k, where(grant, language))]
            found[language] = own
        return found

    def _query(self, vector: Vector, k: int, filters: dict[str, object] | None) -> list[tuple[ChunkId, float, Facets]]:
        def work() -> Any:
            if not self._rows.count():
                return None
            return self._rows.query(
                query_embeddings=[vector], n_results=k, where=filters, include=["distances", "metadatas"]
            )

        found = self._run(work)
        if found is None:
            return []
        rows = zip(found["ids"][0], found["distances"][0], found["metadatas"][0], strict=True)
        return [(ChunkId(name), 1.0 - float(distance), _facets(own)) for name, distance, own in rows]

    def renew(self, fresh: Path | None = None) -> None:
        """Start again with an empty index, or with the one that was made and closed in `fresh`; the old files are set
        aside. Waits for searches under way."""
        self._tell_change()
        self._let_go()
        set_aside(self.directory)
        if fresh is not None:
            put_in_place(fresh, self.directory)
        self._open()
        self.level = False
        self._use.begin()

    def drop(self) -> None:
        """Empty the index, for a rebuild; not one byte of the old one stays on the disk."""
        self.renew()
        forget_aside(self.directory)
        self.level = True

    def close(self) -> None:
        """Let go of the files, when searches under way have ended."""
        if self.loading is not None:
            self.loading.close()
        self._let_go()

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._deadline = Deadline(self.directory / "chroma.sqlite3")
        try:
            self._client, self._rows = self._deadline.run(self._connected, writing=True)
            _refuse_code(self._rows)
        except StoreError:
            self._abandon()
            raise
        except Exception as error:  # Chroma raises from Rust, sqlite and pydantic alike
            self._abandon()
            raise disk_error(f"The vector index {self.directory}", error, self.directory) from error

    def _connected(self) -> tuple[chromadb.ClientAPI, chromadb.Collection]:
        client = chromadb.PersistentClient(
            path=str(self.directory), settings=Settings(_env_file=None, anonymized_telemetry=False)
        )
        configuration = {"hnsw": {"space": "cosine", "ef_search": 128}}
        return client, client.get_or_create_collection(
            name=_name(self.fingerprint), embedding_function=None, configuration=configuration
        )

    def _abandon(self) -> None:
        """Chroma keeps what it could not open, by path, and would give it to whoever opens the path again."""
        SharedSystemClient._identifier_to_refcount.pop(str(self.directory), None)
        system = SharedSystemClient._identifier_to_system.pop(str(self.directory), None)
        if system is not None and not self._deadline.stuck:
            with suppress(BaseException):  # half open as it is
                system.stop()
        self._deadline.close()

    def _let_go(self) -> None:
        if not self._use.end():
            return
        if self._deadline.stuck:
            self._abandon()  # the call that waits for a stranger's lock still uses it
            return
        self._client.close()
        self._deadline.close()

    def _run(self, work: Callable[[], T], *, writing: bool = False) -> T:
        if writing:
            self._tell_change()
        with self.held():
            try:
                return self._deadline.run(work, writing=writing)
            except StoreError:
                raise
            except Exception as error:  # Chroma raises from Rust, sqlite and pydantic alike
                raise disk_error("The vector index", error, self.directory) from error

    def _tell_change(self) -> None:
        if self._unchanged:
            self.changing()
            self._unchanged = False


def _facets(kept: Mapping[str, Any] | None) -> Facets:
    """Of nobody and of no language where Chroma gives none: for a row that is removed while it is found, or that is not
    ours."""
    kept = kept or {}
    return Facets(acl_class=kept.get("acl_class", -1), source=kept.get("source", ""), language=kept.get("language", ""))


def _kept(facets: Facets) -> dict[str, Any]:
    return {"acl_class": facets.acl_class, "source": facets.source, "language": facets.language}


def _refuse_code(rows: chromadb.Collection) -> None:
    if names_code((rows._model.configuration_json, rows._model.serialized_schema)):
        raise IndexDamaged("The vector index names an embedding function, which Archivar never writes.")


def _name(fingerprint: str) -> str:
    """One collection an embedder; Chroma takes letters, digits, ``.``, ``_`` and ``-``."""
    return "chunks-" + "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in fingerprint)[:200]
