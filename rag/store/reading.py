"""What the ledger is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rag.access import Confidentiality, Principal
from rag.answers import Passage
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Recorded
from rag.ports import Vector
from rag.store.database import Database
from rag.store.rows import Entry, Facets, acl_of, chunk_of, document_of, entry_of, marks

_DOCUMENT = "SELECT d.*, a.readers FROM documents d JOIN acl_classes a ON a.id = d.acl_class"
_ENTRY = (
    "SELECT d.*, a.readers, (SELECT count(*) FROM chunks c WHERE c.document = d.key) AS chunks FROM documents d"
    " JOIN acl_classes a ON a.id = d.acl_class"
)


class Reading(Database):
    """The ledger's questions; none of them changes anything."""

    def recorded(self, source: str) -> dict[DocumentId, Recorded]:
        """What was last seen of each top-level document of a source, failed ones included."""
        rows = self._all(f"{_DOCUMENT} WHERE d.source = ? AND d.parent IS NULL", source)
        return {
            DocumentId(row["id"]): Recorded(
                ref=DocumentRef(
                    id=DocumentId(row["id"]),
                    key=row["key"],
                    version=row["seen_version"],
                    acl=acl_of(row["readers"]),
                    confidentiality=Confidentiality(row["confidentiality"]),
                ),
                recipe=row["seen_recipe"],
            )
            for row in rows
        }

    def stamps(self, source: str) -> dict[DocumentId, tuple[str, str]]:
        """Each document's last seen stamp and version: an equal stamp spares the reading."""
        rows = self._all(
            "SELECT id, seen_stamp, seen_version FROM documents WHERE source = ? AND parent IS NULL", source
        )
        return {DocumentId(row["id"]): (row["seen_stamp"], row["seen_version"]) for row in rows}

    def parts(self, key: str) -> list[tuple[DocumentId, str]]:
        """The documents inside a container: (id, key)."""
        return [
            (DocumentId(row["id"]), row["key"])
            for row in self._all("SELECT id, key FROM documents WHERE parent = ? ORDER BY id", key)
        ]

    def entries(self, *, failed_only: bool = False) -> list[Entry]:
        """Every document, in order of id."""
        where = "WHERE d.reason IS NOT NULL" if failed_only else ""
        return [entry_of(row) for row in self._all(f"{_ENTRY} {where} ORDER BY d.id")]

    def entry(self, name: str) -> Entry | None:
        """One document by id or key."""
        rows = self._all(f"{_ENTRY} WHERE d.id = ? OR d.key = ?", name, name)
        return entry_of(rows[0]) if rows else None

    def document(self, key: str) -> Document | None:
        """The current version as text, or None where there is none."""
        rows = self._all(f"{_DOCUMENT} WHERE d.key = ? AND d.version IS NOT NULL", key)
        return document_of(rows[0]) if rows else None

    def counts(self) -> dict[str, int]:
        """``documents``, ``failed``, ``chunks``."""
        row = self._all(
            "SELECT count(*) AS documents, count(reason) AS failed, (SELECT count(*) FROM chunks) AS chunks"
            " FROM documents"
        )[0]
        return {name: int(row[name]) for name in ("documents", "failed", "chunks")}

    def readable_classes(self, principal: Principal) -> frozenset[int]:
        """The rights classes this person may read."""
        rows = self._all("SELECT id, readers FROM acl_classes")
        return frozenset(int(row["id"]) for row in rows if acl_of(row["readers"]).admits(principal))

    def passages(self, scores: Mapping[ChunkId, float], principal: Principal) -> list[Passage]:
        """The hits that are current and readable now, best first: the last word on every search."""
        found = self._all(
            "SELECT c.*, d.id AS document_id, d.title, d.uri, d.confidentiality, a.readers FROM chunks c"
            " JOIN documents d ON d.key = c.document AND d.version = c.version"
            " JOIN acl_classes a ON a.id = d.acl_class"
            f" WHERE c.id IN ({marks(scores)})",
            *scores,
        )
        passages = [
            Passage(
                chunk=chunk_of(row),
                title=row["title"],
                uri=row["uri"],
                score=scores[row["id"]],
                key=row["document"],
                confidentiality=Confidentiality(row["confidentiality"]),
            )
            for row in found
            if acl_of(row["readers"]).admits(principal)
        ]
        order = {chunk: place for place, chunk in enumerate(scores)}
        return sorted(passages, key=lambda passage: (-passage.score, order[passage.chunk.id]))

    def known_vectors(self, hashes: Iterable[str]) -> dict[str, Vector]:
        """Content hash → vector, for texts that were embedded before."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, Vector] = {}
        for start in range(0, len(wanted), 500):
            batch = wanted[start : start + 500]
            for row in self._all(
                f"SELECT content_hash, vector FROM chunks WHERE content_hash IN ({marks(batch)})", *batch
            ):
                found[row["content_hash"]] = np.frombuffer(row["vector"], dtype="<f4")
        return found

    def chunk_ids(self) -> set[ChunkId]:
        """Every chunk the indexes ought to hold."""
        return {ChunkId(row["id"]) for row in self._all("SELECT id FROM chunks")}

    def indexed(self, ids: Sequence[ChunkId] | None = None) -> Iterator[tuple[Chunk, Facets, Vector]]:
        """Chunk, facets and vector (dimension,), for writing the indexes anew. All, or those named."""
        names = sorted(self.chunk_ids()) if ids is None else list(ids)
        for start in range(0, len(names), 500):
            batch = names[start : start + 500]
            for row in self._all(
                "SELECT c.*, d.id AS document_id, d.acl_class, d.source, d.language FROM chunks c"
                f" JOIN documents d ON d.key = c.document WHERE c.id IN ({marks(batch)})",
                *batch,
            ):
                vector = np.frombuffer(row["vector"], dtype="<f4")
                facets = Facets(acl_class=row["acl_class"], source=row["source"], language=row["language"] or "")
                yield chunk_of(row), facets, vector

    def languages(self, ids: Iterable[ChunkId]) -> dict[ChunkId, str]:
        """Chunk → its document's language, "" where it is not known."""
        names = list(ids)
        rows = self._all(
            "SELECT c.id, d.language FROM chunks c JOIN documents d ON d.key = c.document"
            f" WHERE c.id IN ({marks(names)})",
            *names,
        )
        return {ChunkId(row["id"]): row["language"] or "" for row in rows}

    def owed(self) -> dict[ChunkId, str]:
        """Chunk → ``remove`` or ``protect``: what the indexes still owe."""
        return {ChunkId(row["chunk"]): row["action"] for row in self._all("SELECT chunk, action FROM owed")}

    def meta(self, name: str) -> str | None:
        """A remembered value."""
        rows = self._all("SELECT value FROM meta WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else None

    def sources(self) -> dict[str, Path]:
        """Folders registered by `rag ingest PATH`."""
        return {row["name"]: Path(row["path"]) for row in self._all("SELECT name, path FROM sources ORDER BY name")}
