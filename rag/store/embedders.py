"""Which embedder's vectors are in use, which are on their way, and a search over them without any index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from sqlite3 import Row
from typing import TypeAlias

import numpy as np

from rag.access import Grant
from rag.documents import Chunk, ChunkId, DocumentId
from rag.ports import Vector, Vectors
from rag.store import seal
from rag.store.places import Places
from rag.store.rows import Facets, chunk_of, facets_of, marks
from rag.store.seal import Seal

Ask: TypeAlias = Callable[..., list[Row]]
VectorPage: TypeAlias = tuple[list[ChunkId], Vectors, list[Facets]]

_UNNAMED = ""
_PAGE = 4096
_DOCUMENTS = 16
_FIRST_DIRECTORY = "chroma"


class Embedders(Places):
    """The part of the ledger that keeps two embedders' vectors apart.

    Questions are answered from the vectors of exactly one embedder, the one `embedder` names, through the index in
    `vectors_directory`. Another one's are gathered beside them, and `switch` makes those the ones in use.
    """

    @property
    def embedder(self) -> str | None:
        """The fingerprint of the embedder in use; None before the first."""
        return self.meta("embedder")

    @property
    def embedder_made_by(self) -> str | None:
        """What `adopt` or `switch` was told of how to open it again."""
        return self.meta("embedder made by")

    @property
    def vectors_directory(self) -> str:
        """The name, in the home, of the index in use."""
        return self.meta("vectors directory") or _FIRST_DIRECTORY

    def adopt(self, fingerprint: str, *, made_by: str, own: bool) -> None:
        """Name the embedder in use for the first time. Vectors that version 1 left without a name are this embedder's
        if it is its `own` index that holds them; else nobody knows whose they are, and they go."""
        with self.transaction():
            if own:
                self._db.execute(
                    "UPDATE OR IGNORE vectors SET embedder = ? WHERE embedder = ?", (fingerprint, _UNNAMED)
                )
            self._db.execute("DELETE FROM vectors WHERE embedder = ?", (_UNNAMED,))
            self._set("embedder", fingerprint)
            self._set("embedder made by", made_by)

    def switch(self, fingerprint: str, *, made_by: str, directory: str) -> None:
        """From here on this embedder's vectors are in use, through the index in this directory."""
        with self.transaction():
            self._set("embedder", fingerprint)
            self._set("embedder made by", made_by)
            self._set("vectors directory", directory)

    def unembedded(self, embedder: str, *, after: str = "", limit: int = 256) -> list[tuple[str, Chunk]]:
        """Texts this embedder has not embedded, each once: (content hash, a chunk that holds it), in order of hash,
        beginning after one."""
        rows = self._all(
            "SELECT c.*, d.id AS document_id FROM chunks c JOIN documents d ON d.key = c.document"
            " WHERE c.content_hash > ? AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.content_hash = c.content_hash"
            " AND v.embedder = ?) GROUP BY c.content_hash ORDER BY c.content_hash LIMIT ?",
            after,
            embedder,
            limit,
        )
        return [(row["content_hash"], chunk_of(row)) for row in rows]

    def texts(self) -> int:
        """How many different texts are to be embedded in all."""
        return int(self._all("SELECT count(DISTINCT content_hash) FROM chunks")[0][0])

    def embedded(self, embedder: str) -> int:
        """How many of them this embedder has embedded."""
        return int(self._all("SELECT count(*) FROM vectors WHERE embedder = ?", embedder)[0][0])

    def keep_vectors(self, embedder: str, vectors: Mapping[str, Vector]) -> None:
        """Remember vectors by content hash, of texts that some document still holds."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors SELECT ?1, ?2, ?3"
                " WHERE EXISTS (SELECT 1 FROM chunks WHERE content_hash = ?1)",
                [(name, embedder, np.ascontiguousarray(row, dtype="<f4").tobytes()) for name, row in vectors.items()],
            )

    def lend_vectors(self, lender: str, embedder: str) -> None:
        """Take over the vectors of an embedder whose passages have the same, some thousands at a time."""
        while True:
            with self.transaction():
                taken = self._db.execute(
                    "INSERT INTO vectors SELECT v.content_hash, ?2, v.vector FROM vectors v WHERE v.embedder = ?1"
                    " AND NOT EXISTS (SELECT 1 FROM vectors o WHERE o.content_hash = v.content_hash"
                    f" AND o.embedder = ?2) LIMIT {_PAGE}",
                    (lender, embedder),
                ).rowcount
            if taken < _PAGE:
                return

    def read_again(self, documents: Iterable[DocumentId]) -> None:
        """Have the next sync read and cut these documents anew, or the ones they are parts of."""
        with self.transaction():
            self._db.executemany(
                "WITH RECURSIVE up (key, parent) AS (SELECT key, parent FROM documents WHERE id = ?"
                " UNION SELECT d.key, d.parent FROM documents d JOIN up ON d.key = up.parent)"
                " UPDATE documents SET seen_recipe = '' WHERE key IN (SELECT key FROM up)",
                [(name,) for name in set(documents)],
            )

    def forget_vectors(self, *, but: Collection[str]) -> int:
        """Delete the vectors of every other embedder, some thousands at a time; returns how many there were."""
        total = 0
        while True:
            with self.transaction():
                gone = self._db.execute(
                    "DELETE FROM vectors WHERE rowid IN"
                    f" (SELECT rowid FROM vectors WHERE embedder NOT IN ({marks(but)}) LIMIT {_PAGE})",
                    tuple(but),
                ).rowcount
            total += gone
            if gone < _PAGE:
                return total

    def dimension(self) -> int | None:
        """The length of the vectors in use; None where there is none."""
        rows = self._all("SELECT length(vector) AS bytes FROM vectors WHERE embedder = ? LIMIT 1", self.embedder or "")
        return int(rows[0]["bytes"]) // 4 if rows else None

    def facets(self) -> dict[ChunkId, Facets]:
        """Every chunk there is, with what the indexes filter it by."""
        with self._beside() as ask:
            ask("BEGIN")  # one state for both questions
            of = _facets_by_document(ask)
            rows = ask("SELECT id, document FROM chunks")
        return {ChunkId(row["id"]): of[row["document"]] for row in rows if row["document"] in of}

    def bare_chunks(self, embedder: str) -> set[ChunkId]:
        """The chunks whose text this embedder has not embedded."""
        with self._beside() as ask:
            rows = ask(
                "SELECT c.id FROM chunks c WHERE NOT EXISTS"
                " (SELECT 1 FROM vectors v WHERE v.content_hash = c.content_hash AND v.embedder = ?)",
                embedder,
            )
        return {ChunkId(row["id"]) for row in rows}

    @contextmanager
    def every_vector(self, embedder: str) -> Iterator[tuple[set[ChunkId], Iterator[VectorPage]]]:
        """In one moment of the ledger: the chunks that are announced but not recorded, and every recorded row with its
        vector, some thousands at a time."""
        with self._beside() as ask:
            ask("BEGIN")
            announced = ask("SELECT chunk FROM owed WHERE chunk NOT IN (SELECT id FROM chunks)")
            facets = _facets_by_document(ask)
            yield {ChunkId(row["chunk"]) for row in announced}, _pages(ask, embedder, facets)

    def facet_counts(self) -> dict[Facets, int]:
        """How many chunks there are of each class, source and language."""
        with self._beside() as ask:
            rows = ask(
                "SELECT d.acl_class, d.source, d.language, count(*) AS chunks FROM chunks c"
                " JOIN documents d ON d.key = c.document GROUP BY 1, 2, 3"
            )
        return {facets_of(row): int(row["chunks"]) for row in rows}

    def vectors_of(self, chunks: Sequence[ChunkId], *, embedder: str) -> dict[ChunkId, Vector]:
        """The vectors of those chunks that this embedder has embedded."""
        found: dict[ChunkId, Vector] = {}
        for start in range(0, len(chunks), _PAGE):
            batch = chunks[start : start + _PAGE]
            for row in self._all(
                "SELECT c.id, v.vector FROM chunks c JOIN vectors v ON v.content_hash = c.content_hash"
                f" AND v.embedder = ? WHERE c.id IN ({marks(batch)})",
                *(embedder, *batch),
            ):
                found[ChunkId(row["id"])] = np.frombuffer(row["vector"], "<f4")
        return found

    def nearest(
        self, vector: Vector, *, embedder: str, grant: Grant, languages: Collection[str], k: int
    ) -> dict[str, list[tuple[ChunkId, float]]]:
        """What `VectorIndex.search_each` gives, from the truth itself: every vector the grant admits is looked at, some
        documents at a time. Slower the more there are (a quarter of a second at 20,000 chunks); for while the index is
        being made anew, and for narrow filters where the rows do not fit into memory."""
        best: dict[str, list[tuple[ChunkId, float]]] = {language: [] for language in languages}
        with self._beside() as ask:
            facets = _facets_by_document(ask, "WHERE version IS NOT NULL")
            if grant.chunks is not None:
                own = ask(f"SELECT document FROM chunks WHERE id IN ({marks(grant.chunks)})", *grant.chunks)
                facets = {key: facets[key] for key in {row["document"] for row in own} if key in facets}
            for language in best:
                keys = [
                    key
                    for key, own in facets.items()
                    if own.language == language
                    and (grant.documents is None or key in grant.documents)
                    and grant.admits(acl_class=own.acl_class, source=own.source, language=language)
                ]
                for start in range(0, len(keys), _DOCUMENTS):
                    rows = _vectors_in(ask, embedder, keys[start : start + _DOCUMENTS], grant.chunks)
                    if rows:
                        matrix = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4").reshape(len(rows), -1)
                        found = np.vecdot(matrix, vector)
                        best[language] += [(ChunkId(row["id"]), float(s)) for row, s in zip(rows, found, strict=True)]
                        best[language] = sorted(best[language], key=lambda entry: -entry[1])[:k]
        return best

    def seal_of(self, directory: str) -> Seal | None:
        """What an index's files were when it was closed level; None where it was not, or was changed since."""
        text = self.meta(f"seal {directory}")
        return seal.from_text(text) if text else None

    def keep_seal(self, directory: str, sealed: Seal) -> None:
        """The index is closed and level, and these are its files."""
        with self.transaction():
            self._set(f"seal {directory}", seal.as_text(sealed))

    def break_seal(self, directory: str) -> None:
        """The index is about to be changed: until it is sealed again, nothing is known of it."""
        with self.transaction():
            self._db.execute("DELETE FROM meta WHERE name = ?", (f"seal {directory}",))

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _facets_by_document(ask: Ask, condition: str = "") -> dict[str, Facets]:
    rows = ask(f"SELECT key AS document, acl_class, source, language FROM documents {condition}")
    return {row["document"]: facets_of(row, document=row["document"]) for row in rows}


def _pages(ask: Ask, embedder: str, facets: Mapping[str, Facets]) -> Iterator[VectorPage]:
    """In order of the chunks, which lie beside their vectors as they were recorded together."""
    last = 0
    while rows := ask(
        "SELECT c.rowid, c.id, c.document, v.vector FROM chunks c CROSS JOIN vectors v"
        " ON v.content_hash = c.content_hash AND v.embedder = ? WHERE c.rowid > ? ORDER BY c.rowid LIMIT ?",
        *(embedder, last, _PAGE),
    ):
        last = rows[-1]["rowid"]
        matrix = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4").reshape(len(rows), -1)
        yield [ChunkId(row["id"]) for row in rows], matrix, [facets[row["document"]] for row in rows]


def _vectors_in(ask: Ask, embedder: str, documents: Sequence[str], chunks: frozenset[str] | None) -> list[Row]:
    rows = ask(
        "SELECT c.id, v.vector FROM chunks c CROSS JOIN vectors v ON v.content_hash = c.content_hash"
        f" AND v.embedder = ? WHERE c.document IN ({marks(documents)})",
        *(embedder, *documents),
    )
    return rows if chunks is None else [row for row in rows if row["id"] in chunks]
