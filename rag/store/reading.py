"""What the ledger is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rag.access import Acl, Confidentiality, Principal, Token
from rag.answers import Passage
from rag.documents import Chunk, ChunkId, Document, DocumentId
from rag.ports import Vector
from rag.store.rows import (
    Entry,
    Facets,
    acl_of,
    chunk_of,
    document_of,
    entry_of,
    facets_of,
    marks,
    moment_of,
    rights_text,
)
from rag.store.seen import Seen

_DOCUMENT = "SELECT d.*, a.readers FROM documents d JOIN acl_classes a ON a.id = d.acl_class"
_ENTRY = (
    "SELECT d.*, a.readers, (SELECT count(*) FROM chunks c WHERE c.document = d.key) AS chunks FROM documents d"
    " JOIN acl_classes a ON a.id = d.acl_class"
)


class Reading(Seen):
    """The ledger's questions; none of them changes anything."""

    def acl_class_of(self, acl: Acl) -> int | None:
        """The small integer of these rights, if they were ever used."""
        rows = self._all("SELECT id FROM acl_classes WHERE readers = ?", rights_text(acl))
        return int(rows[0]["id"]) if rows else None

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
        if not rows:
            return None
        hidden = self.hidden_in([rows[0]["key"]])
        return replace(document_of(rows[0]), hidden=tuple(one for _, one in hidden.get(rows[0]["key"], ())))

    def document_texts(self, keys: Collection[str]) -> dict[str, tuple[str, str]]:
        """Key → version and text of the current version, in one look."""
        rows = self._all(
            f"SELECT key, version, text FROM documents WHERE version IS NOT NULL AND key IN ({marks(keys)})", *keys
        )
        return {row["key"]: (row["version"], row["text"]) for row in rows}

    def counts(self) -> dict[str, int]:
        """``documents``, ``failed``, ``chunks``."""
        row = self._all(
            "SELECT (SELECT count(*) FROM documents) AS documents, (SELECT count(*) FROM chunks) AS chunks,"
            " (SELECT count(*) FROM documents WHERE reason IS NOT NULL) AS failed"
        )[0]
        return {name: int(row[name]) for name in ("documents", "failed", "chunks")}

    def by_state(self) -> dict[str, int]:
        """Documents by state; see `Entry.state`."""
        row = self._all(
            "SELECT count(*) FILTER (WHERE reason IS NULL) AS indexed,"
            " count(*) FILTER (WHERE reason IS NOT NULL AND version IS NULL) AS failed,"
            " count(*) FILTER (WHERE reason IS NOT NULL AND version IS NOT NULL) AS outdated FROM documents"
        )[0]
        return {name: int(row[name]) for name in ("indexed", "failed", "outdated")}

    def by_source(self) -> dict[str, dict[str, int]]:
        """Source → ``documents`` and ``failed``, parts included; only sources that have any."""
        rows = self._all(
            "SELECT source, count(*) AS documents, count(reason) AS failed FROM documents GROUP BY source"
            " ORDER BY source"
        )
        return {row["source"]: {"documents": int(row["documents"]), "failed": int(row["failed"])} for row in rows}

    def passages(self, scores: Mapping[ChunkId, float], principal: Principal) -> list[Passage]:
        """The hits that are current and readable now, best first: the last word on every search."""
        found = self._all(
            "SELECT c.*, d.id AS document_id, d.title, d.uri, d.confidentiality, d.modified_at, a.readers,"
            " CASE WHEN s.offline_since IS NOT NULL THEN s.reached_at END AS as_of FROM chunks c"
            " JOIN documents d ON d.key = c.document AND d.version = c.version"
            " JOIN acl_classes a ON a.id = d.acl_class"
            " LEFT JOIN source_states s ON s.source = d.source"
            f" WHERE c.id IN ({marks(scores)})",
            *scores,
        )
        rights = {text: acl_of(text) for text in {row["readers"] for row in found}}
        readable = {
            text: sorted(acl.readers & principal.tokens) for text, acl in rights.items() if acl.admits(principal)
        }
        passages = [
            Passage(
                chunk=chunk_of(row),
                title=row["title"],
                uri=row["uri"],
                score=scores[row["id"]],
                key=row["document"],
                confidentiality=Confidentiality(row["confidentiality"]),
                as_of=moment_of(row["as_of"]),
                modified=moment_of(row["modified_at"]),
                admitted_by=tuple(readable[row["readers"]]),
            )
            for row in found
            if row["readers"] in readable
        ]
        order = {chunk: place for place, chunk in enumerate(scores)}
        return sorted(passages, key=lambda passage: (-passage.score, order[passage.chunk.id]))

    def reader_tokens(self) -> frozenset[Token]:
        """Every reader that rights here were ever written for."""
        rows = self._all("SELECT readers FROM acl_classes")
        return frozenset().union(*(acl_of(row["readers"]).readers for row in rows))

    def chunks_from(self, key: str, start: int) -> list[Chunk]:
        """The chunk of a document's current version that begins at this code point, in a list; an empty one where none
        does."""
        rows = self._all(
            "SELECT c.*, d.id AS document_id FROM chunks c JOIN documents d ON d.key = c.document"
            " AND d.version = c.version WHERE d.key = ? AND c.span_start = ? ORDER BY c.ordinal LIMIT 1",
            key,
            start,
        )
        return [chunk_of(row) for row in rows]

    def beginnings(self, keys: Iterable[str], chars: int) -> dict[str, str]:
        """Key → how the current text of a document begins."""
        names = list(dict.fromkeys(keys))
        rows = self._all(
            f"SELECT key, substr(text, 1, {int(chars)}) AS text FROM documents"
            f" WHERE version IS NOT NULL AND key IN ({marks(names)})",
            *names,
        )
        return {row["key"]: row["text"] or "" for row in rows}

    def named_like(self, beginning: str, principal: Principal) -> list[DocumentId]:
        """The documents whose ids begin so that have text and are readable now."""
        rows = self._all(
            "SELECT d.id, a.readers FROM documents d JOIN acl_classes a ON a.id = d.acl_class"
            " WHERE d.id >= ? AND d.id < ? AND d.version IS NOT NULL",
            beginning,
            beginning + chr(0x10FFFF),
        )
        return [DocumentId(row["id"]) for row in rows if acl_of(row["readers"]).admits(principal)]

    def known_vectors(self, hashes: Iterable[str], *, embedder: str) -> dict[str, Vector]:
        """Content hash → vector, for texts that this embedder (its fingerprint) has embedded before."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, Vector] = {}
        for start in range(0, len(wanted), 500):
            batch = wanted[start : start + 500]
            for row in self._all(
                f"SELECT content_hash, vector FROM vectors WHERE embedder = ? AND content_hash IN ({marks(batch)})",
                embedder,
                *batch,
            ):
                found[row["content_hash"]] = np.frombuffer(row["vector"], dtype="<f4")
        return found

    def chunk_ids(self) -> set[ChunkId]:
        """Every chunk the indexes ought to hold."""
        return {ChunkId(row["id"]) for row in self._all("SELECT id FROM chunks")}

    def chunks_of(self, keys: Iterable[str]) -> set[ChunkId]:
        """The chunks of these documents."""
        wanted = list(keys)
        return {
            ChunkId(row["id"])
            for row in self._all(f"SELECT id FROM chunks WHERE document IN ({marks(wanted)})", *wanted)
        }

    def indexed(
        self, ids: Sequence[ChunkId] | None = None, *, embedder: str
    ) -> Iterator[tuple[Chunk, Facets, Vector | None]]:
        """Chunk, facets and the embedder's vector (dimension,), for writing the indexes anew. All, or those named.

        The vector is None where this embedder, named by its fingerprint, has not embedded the text yet.
        """
        names = sorted(self.chunk_ids()) if ids is None else list(ids)
        for start in range(0, len(names), 500):
            batch = names[start : start + 500]
            for row in self._all(
                "SELECT c.*, v.vector, d.id AS document_id, d.acl_class, d.source, d.language FROM chunks c"
                " JOIN documents d ON d.key = c.document"
                " LEFT JOIN vectors v ON v.content_hash = c.content_hash AND v.embedder = ?"
                f" WHERE c.id IN ({marks(batch)})",
                embedder,
                *batch,
            ):
                vector = np.frombuffer(row["vector"], dtype="<f4") if row["vector"] is not None else None
                yield chunk_of(row), facets_of(row, document=row["document"]), vector

    def chunk_texts(self, ids: Sequence[ChunkId]) -> dict[ChunkId, tuple[str, str]]:
        """Chunk → its context and its text."""
        found: dict[ChunkId, tuple[str, str]] = {}
        for start in range(0, len(ids), 500):
            batch = ids[start : start + 500]
            for row in self._all(f"SELECT id, context, text FROM chunks WHERE id IN ({marks(batch)})", *batch):
                found[ChunkId(row["id"])] = (row["context"], row["text"])
        return found

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

    def owed_and_current(self) -> set[ChunkId]:
        """Those of them that are chunks of a current version: they are to be written again, the others to go."""
        return {ChunkId(row["id"]) for row in self._all("SELECT c.id FROM owed o JOIN chunks c ON c.id = o.chunk")}

    def meta(self, name: str) -> str | None:
        """A remembered value."""
        rows = self._all("SELECT value FROM meta WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else None

    def sources(self) -> dict[str, Path]:
        """Folders registered by `rag ingest PATH`."""
        return {row["name"]: Path(row["path"]) for row in self._all("SELECT name, path FROM sources ORDER BY name")}
