"""Chroma: meaning. Holds ids, vectors and facets; text and truth stay in the ledger.

The only importer of chromadb. Chroma is never left to embed (no embedding function), never served over HTTP, and its
`where` never holds a negation: `$ne` and `$nin` match rows that lack the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import chromadb
from chromadb.config import Settings

from rag.access import Grant
from rag.documents import Chunk, ChunkId
from rag.errors import StoreError
from rag.ports import Vector, Vectors
from rag.store.database import disk_error
from rag.store.rows import Facets

_MAX_ROWS = 5000  # Chroma refuses more than 5,461 in one call


class VectorIndex:
    """One collection of unit vectors of one embedder."""

    def __init__(self, directory: Path, *, fingerprint: str, dimension: int) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._client = chromadb.PersistentClient(
                path=str(directory), settings=Settings(_env_file=None, anonymized_telemetry=False)
            )
            self._rows = self._collection(_name(fingerprint))
        except Exception as error:  # Chroma raises from Rust, sqlite and pydantic alike
            raise StoreError(
                f"The vector index {directory} cannot be opened: {error}. Move the directory away and run the command "
                f"again: it is made anew from the ledger."
            ) from error
        self._refuse_code(directory)
        self._directory, self._dimension = directory, dimension

    def __len__(self) -> int:
        with self._as_store_error():
            return int(self._rows.count())

    def put(self, chunks: Sequence[Chunk], vectors: Vectors, facets: Sequence[Facets]) -> None:
        """Write rows, or write them again. `vectors` is (len(chunks), dimension)."""
        for start in range(0, len(chunks), _MAX_ROWS):
            stop = start + _MAX_ROWS
            with self._as_store_error():
                self._rows.upsert(
                    ids=[chunk.id for chunk in chunks[start:stop]],
                    embeddings=vectors[start:stop],
                    metadatas=[asdict(facet) for facet in facets[start:stop]],
                )

    def delete(self, ids: Sequence[ChunkId]) -> None:
        """Take rows out of the search; unknown ids are no error. Bytes leave the disk by rebuilding only."""
        for start in range(0, len(ids), _MAX_ROWS):
            with self._as_store_error():
                self._rows.delete(ids=list(ids[start : start + _MAX_ROWS]))

    def ids(self) -> set[ChunkId]:
        """Every row there is."""
        with self._as_store_error():
            return {ChunkId(name) for name in self._rows.get(include=[])["ids"]}

    def search(self, vector: Vector, *, grant: Grant, language: str, k: int) -> list[tuple[ChunkId, float]]:
        """The k nearest rows of a language that the grant admits, best first, scored by cosine in [-1, 1]."""
        if not grant.acl_classes or k < 1 or not len(self):
            return []
        terms: list[dict[str, object]] = [
            {"acl_class": {"$in": sorted(grant.acl_classes)}},
            {"language": {"$eq": language}},
        ]
        if grant.sources is not None:
            if not grant.sources:
                return []
            terms.append({"source": {"$in": sorted(grant.sources)}})
        with self._as_store_error():
            found = self._rows.query(
                query_embeddings=[vector], n_results=k, where={"$and": terms}, include=["distances"]
            )
        return [
            (ChunkId(name), 1.0 - float(distance))
            for name, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]

    def drop(self) -> None:
        """Empty the index, for a rebuild."""
        name = self._rows.name
        with self._as_store_error():
            self._client.delete_collection(name)
            self._rows = self._collection(name)

    def close(self) -> None:
        """Let go of the files."""
        self._client.close()

    def _collection(self, name: str) -> chromadb.Collection:
        return self._client.get_or_create_collection(
            name=name, embedding_function=None, configuration={"hnsw": {"space": "cosine", "ef_search": 128}}
        )

    @contextmanager
    def _as_store_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Chroma raises from Rust, sqlite and pydantic alike
            raise disk_error("The vector index", error, self._directory) from error

    def _refuse_code(self, directory: Path) -> None:
        """Chroma builds, on a write, whatever embedding function the files name: a way to run code from a changed file.

        Ours are written without one, which Chroma notes as "legacy" and "unknown".
        """
        stored = (self._rows._model.configuration_json, self._rows._model.serialized_schema)
        if any(kind not in ("legacy", "unknown") for kind in _embedding_functions(stored)):
            self.close()
            raise StoreError(
                f"The vector index {directory} names an embedding function, which Archivar never writes: its files "
                f"were changed by something else. Move the directory away; it is made anew from the ledger."
            )


def _embedding_functions(stored: object) -> Iterator[object]:
    if isinstance(stored, Mapping):
        for name, value in stored.items():
            if name == "embedding_function" and value is not None:
                yield value.get("type") if isinstance(value, Mapping) else value
            else:
                yield from _embedding_functions(value)
    elif isinstance(stored, (list, tuple)):
        for value in stored:
            yield from _embedding_functions(value)


def _name(fingerprint: str) -> str:
    """One collection an embedder; Chroma takes letters, digits, ``.``, ``_`` and ``-``."""
    return "chunks-" + "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in fingerprint)[:200]
