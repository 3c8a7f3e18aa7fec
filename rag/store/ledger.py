"""SQLite, the truth: documents, their current version, chunks with text and vectors, rights, and what is still owed.

A version is current when, and only when, this file says so: `record` is the switch. The indexes are written before it
and swept after it; everything they may hold too much is listed in `owed` first, so that a crash at any point leaves
either the old or the new version, and nothing to search for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from rag.documents import ChunkId, DocumentId, DocumentRef
from rag.store.rows import Version, content_hash, new_key, now, section_json, source_of
from rag.store.tombstones import Tombstones


class Ledger(Tombstones):
    """The ledger of one home directory. Safe to use from several threads."""

    def remember(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def register_source(self, name: str, path: Path) -> None:
        """Remember a folder under a name."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (name, str(path)))

    def forget_source(self, name: str) -> None:
        """Forget a folder; its documents are removed by the plan that follows."""
        with self.transaction():
            self._db.execute("DELETE FROM sources WHERE name = ?", (name,))
            self._db.execute("DELETE FROM source_states WHERE source = ?", (name,))

    def announce(self, chunks: Iterable[ChunkId]) -> None:
        """Say before the indexes are written which chunks would be too many if the switch never came."""
        with self.transaction():
            self._owe(chunks, "remove")

    def record(self, versions: Sequence[Version]) -> None:
        """The switch: from here on these versions are current and their predecessors are not.

        Old chunks become owed removals and new ones stop being so, in the same transaction.
        """
        with self.transaction():
            for version in versions:
                self._record(version)

    def record_failure(
        self,
        ref: DocumentRef,
        *,
        reason: str,
        stamp: str,
        recipe: str,
        title: str,
        uri: str,
        media_type: str,
        modified_at: datetime,
        parent: str | None = None,
    ) -> None:
        """Remember why a document is not usable. An older version that was searchable stays so, unless it would come
        to readers by this version's rights."""
        acl_class = self.acl_class(ref.acl)
        with self.transaction():
            self.withdraw_outdated(ref.id, ref.acl, ref.confidentiality, version=ref.version)
            self._db.execute(
                "INSERT INTO documents (key, id, source, parent, acl_class, confidentiality, seen_version, seen_stamp,"
                " seen_recipe, reason, title, uri, media_type, modified_at, recorded_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET acl_class = excluded.acl_class, confidentiality ="
                " excluded.confidentiality, seen_version = excluded.seen_version, seen_stamp = excluded.seen_stamp,"
                " seen_recipe = excluded.seen_recipe, reason = excluded.reason, recorded_at = excluded.recorded_at",
                (
                    ref.key or new_key(),
                    ref.id,
                    source_of(ref.id),
                    parent,
                    acl_class,
                    int(ref.confidentiality),
                    ref.version,
                    stamp,
                    recipe,
                    reason,
                    title,
                    uri,
                    media_type,
                    modified_at.isoformat(),
                    now(),
                ),
            )

    def remove(self, document: DocumentId) -> None:
        """Forget a document and its parts. Not retrievable from here on; its chunks become owed removals."""
        with self.transaction():
            rows = self._db.execute("SELECT key FROM documents WHERE id = ?", (document,)).fetchall()
            for row in rows:
                self._remove(row["key"])

    def _record(self, version: Version) -> None:
        document, key = version.document, version.document.ref.key
        if not key:
            raise ValueError("a version is recorded under a key: use new_key() for a new document")
        acl_class = self.acl_class(document.ref.acl)
        old = self._take_chunks(key)
        self._db.execute(
            "INSERT INTO documents (key, id, source, parent, acl_class, confidentiality, seen_version, seen_stamp,"
            " seen_recipe, reason, version, title, uri, media_type, modified_at, created_at, author, language, text,"
            " sections, notes, recorded_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET id = excluded.id, source = excluded.source, parent = excluded.parent,"
            " acl_class = excluded.acl_class, confidentiality = excluded.confidentiality, seen_version ="
            " excluded.seen_version, seen_stamp = excluded.seen_stamp, seen_recipe = excluded.seen_recipe, reason ="
            " NULL, version = excluded.version, hidden_version = NULL, title = excluded.title, uri = excluded.uri,"
            " media_type = excluded.media_type, modified_at = excluded.modified_at, created_at = excluded.created_at,"
            " author = excluded.author, language = excluded.language, text = excluded.text, sections ="
            " excluded.sections, notes = excluded.notes, recorded_at = excluded.recorded_at",
            (
                key,
                document.ref.id,
                source_of(document.ref.id),
                version.parent,
                acl_class,
                int(document.ref.confidentiality),
                document.ref.version,
                version.stamp,
                version.recipe,
                document.ref.version,
                document.title,
                document.uri,
                version.media_type,
                document.modified_at.isoformat(),
                document.created_at.isoformat() if document.created_at else None,
                document.author,
                document.language,
                document.text,
                json.dumps([section_json(section) for section in document.sections]),
                json.dumps(version.notes),
                now(),
            ),
        )
        self._keep_hidden(document)
        hashes = [content_hash(chunk) for chunk in version.chunks]
        self._db.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    chunk.id,
                    key,
                    chunk.version,
                    chunk.ordinal,
                    chunk.span.start,
                    chunk.span.end,
                    chunk.page,
                    json.dumps(chunk.headings),
                    chunk.context,
                    chunk.text,
                    name,
                )
                for chunk, name in zip(version.chunks, hashes, strict=True)
            ],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
            [
                (name, version.embedder, np.ascontiguousarray(vector, dtype="<f4").tobytes())
                for name, vector in zip(hashes, version.vectors, strict=True)
            ],
        )
        self._forget_vectors(old)
        self._db.executemany("DELETE FROM owed WHERE chunk = ?", [(chunk.id,) for chunk in version.chunks])

    def _remove(self, key: str) -> None:
        for row in self._db.execute("SELECT key FROM documents WHERE parent = ?", (key,)).fetchall():
            self._remove(row["key"])
        hashes = self._take_chunks(key)
        self._db.execute("DELETE FROM documents WHERE key = ?", (key,))
        self._forget_vectors(hashes)

    def _take_chunks(self, key: str) -> list[str]:
        """A document's chunks go, and become owed removals; returns their content hashes."""
        rows = self._db.execute("SELECT id, content_hash FROM chunks WHERE document = ?", (key,)).fetchall()
        self._owe([ChunkId(row["id"]) for row in rows], "remove")
        self._db.execute("DELETE FROM chunks WHERE document = ?", (key,))
        return [row["content_hash"] for row in rows]

    def _forget_vectors(self, hashes: Iterable[str]) -> None:
        """Vectors of texts that no document holds any more."""
        self._db.executemany(
            "DELETE FROM vectors WHERE content_hash = ?"
            " AND NOT EXISTS (SELECT 1 FROM chunks WHERE content_hash = vectors.content_hash)",
            [(name,) for name in hashes],
        )
