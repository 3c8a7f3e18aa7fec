"""Where documents stand, who may read them and whether their source can be reached: what changes without their content,
and so embeds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rag.access import Acl, Confidentiality, within
from rag.documents import ChunkId, DocumentId
from rag.store.granting import Granting
from rag.store.rows import file_title, now, rights_text, source_of
from rag.store.seen import Stretch


class Move(NamedTuple):
    """A document has another place."""

    old: DocumentId
    new: DocumentId
    stamp: str
    uri: str


class Places(Granting):
    """The ledger's changes that leave text and vectors alone."""

    _owed_anew: set[ChunkId] | None = None
    """Between `take_owed` and `settle`, which only this process does; touched with the lock held."""

    def acl_class(self, acl: Acl) -> int:
        """The small integer of these rights, made when first seen."""
        readers = rights_text(acl)
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO acl_classes (readers) VALUES (?)", (readers,))
            row = self._db.execute("SELECT id FROM acl_classes WHERE readers = ?", (readers,)).fetchone()
        return int(row["id"])

    def hide(self, documents: Iterable[DocumentId], reason: str) -> None:
        """Files that may no longer be read: not shown from here on, parts included. Their text is kept, so that nothing
        is embedded again when they come back; stamp and version are forgotten, so that the next run looks."""
        with self.transaction():
            for document in documents:
                self._db.execute(
                    "UPDATE documents SET hidden_version = coalesce(version, hidden_version), version = NULL,"
                    " reason = ?, seen_stamp = '', seen_version = '' WHERE id = ? OR (id > ? AND id < ?)",
                    (reason, document, f"{document}!/", f"{document}!0"),
                )

    def withdraw_outdated(
        self, document: DocumentId, acl: Acl, confidentiality: Confidentiality, *, version: str | None = None
    ) -> None:
        """Before a document takes these rights: a text that is not what its file holds by now (`version`, or what was
        seen last) is not for readers it never had, and is not shown any more, parts included."""
        entry = self.entry(document)
        if entry is None or entry.version is None:
            return
        row = self._db.execute("SELECT seen_version FROM documents WHERE id = ?", (document,)).fetchone()
        current = entry.version == (row["seen_version"] if version is None else version)
        if current or (within(acl, entry.acl) and confidentiality >= entry.confidentiality):
            return
        self._db.execute(
            "UPDATE documents SET hidden_version = version, version = NULL"
            " WHERE version IS NOT NULL AND (id = ? OR (id > ? AND id < ?))",
            (document, f"{document}!/", f"{document}!0"),
        )

    def reveal(self, document: DocumentId, *, version: str, recipe: str, stamp: str) -> bool:
        """Show a hidden document again, parts included, if this is the very version that was hidden."""
        with self.transaction():
            found = self._db.execute(
                "UPDATE documents SET version = hidden_version, hidden_version = NULL, reason = NULL,"
                " seen_version = hidden_version, seen_stamp = ?"
                " WHERE id = ? AND version IS NULL AND hidden_version = ? AND seen_recipe = ?",
                (stamp, document, version, recipe),
            )
            if not found.rowcount:
                return False
            self._db.execute(
                "UPDATE documents SET version = hidden_version, hidden_version = NULL, reason = NULL,"
                " seen_version = hidden_version WHERE hidden_version IS NOT NULL AND id > ? AND id < ?",
                (f"{document}!/", f"{document}!0"),
            )
        return True

    def touch(self, document: DocumentId, stamp: str) -> None:
        """The file was touched but its content is the same."""
        with self.transaction():
            self._db.execute("UPDATE documents SET seen_stamp = ? WHERE id = ?", (stamp, document))

    def move(self, moves: Sequence[Move]) -> None:
        """Documents, parts included, have other places; their keys, chunks and vectors stay. They may change places
        with each other: all leave before the first arrives, for names that no source gives."""
        with self.transaction():
            for number, move in enumerate(moves):
                self._rename(move.old, DocumentId(f"//{number}"))
            for number, move in enumerate(moves):
                self._rename(DocumentId(f"//{number}"), move.new)
                self._db.execute(
                    "UPDATE documents SET source = ?, uri = ?, seen_stamp = ?,"
                    " title = CASE WHEN title = ? THEN ? ELSE title END WHERE id = ?",
                    (source_of(move.new), move.uri, move.stamp, file_title(move.old), file_title(move.new), move.new),
                )
                self._db.execute(
                    "UPDATE documents SET source = ?, uri = ? || substr(uri, instr(uri, '!/')) WHERE id > ? AND id < ?",
                    (source_of(move.new), move.uri, f"{move.new}!/", f"{move.new}!0"),
                )

    def reprotect(self, document: DocumentId, acl: Acl, confidentiality: Confidentiality) -> list[ChunkId]:
        """Change who may read a document and its parts. Holds at once; returns the chunks the indexes now owe."""
        acl_class = self.acl_class(acl)
        whole = (document, f"{document}!/", f"{document}!0")
        with self.transaction():
            self.withdraw_outdated(document, acl, confidentiality)
            self._db.execute(
                "UPDATE documents SET acl_class = ?, confidentiality = ? WHERE id = ? OR (id > ? AND id < ?)",
                (acl_class, int(confidentiality), *whole),
            )
            rows = self._db.execute(
                "SELECT c.id FROM chunks c JOIN documents d ON d.key = c.document"
                " WHERE d.id = ? OR (d.id > ? AND d.id < ?)",
                whole,
            ).fetchall()
            chunks = [ChunkId(row["id"]) for row in rows]
            self._owe(chunks, "protect")
        return chunks

    def source_reached(self, source: str, roots: Mapping[str, str] | None, *, held: int | None) -> None:
        """The source could be listed; `roots`, where given, are its identity from now on, `held` what waits there."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO source_states (source, roots, reached_at, held) VALUES (?1, coalesce(?2, '{}'), ?3,"
                " coalesce(?4, 0)) ON CONFLICT (source) DO UPDATE SET roots = coalesce(?2, roots), reached_at = ?3,"
                " held = coalesce(?4, held), offline_since = NULL, problem = NULL",
                (source, json.dumps(roots) if roots is not None else None, now(), held),
            )

    def remember_stretches(self, source: str, stretches: Iterable[Stretch]) -> None:
        """Everything in these is level. Any change of a document in one of them forgets it."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO stretches VALUES (?, ?, ?, ?)", [(source, *stretch) for stretch in stretches]
            )

    def source_offline(self, source: str, problem: str) -> None:
        """The source cannot be reached; its documents go on answering, with their age."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO source_states (source, offline_since, problem) VALUES (?, ?, ?)"
                " ON CONFLICT (source) DO UPDATE SET offline_since = coalesce(offline_since, excluded.offline_since),"
                " problem = excluded.problem",
                (source, now(), problem),
            )

    def _rename(self, old: DocumentId, new: DocumentId) -> None:
        self._db.execute("UPDATE documents SET id = ? WHERE id = ?", (new, old))
        self._db.execute(
            "UPDATE documents SET id = ? || substr(id, ?) WHERE id > ? AND id < ?",
            (new, len(old) + 1, f"{old}!/", f"{old}!0"),
        )

    def take_owed(self) -> dict[ChunkId, str]:
        """What the indexes owe, for the one who does it now: what is owed anew from here on, `settle` leaves owed."""
        with self._lock:
            self._owed_anew = set()
            return self.owed()

    def settle(self, chunks: Iterable[ChunkId]) -> None:
        """The indexes have done what they owed for these chunks when it was taken."""
        with self.transaction():
            anew, self._owed_anew = self._owed_anew or set(), None
            self._db.executemany("DELETE FROM owed WHERE chunk = ?", [(one,) for one in chunks if one not in anew])

    def _owe(self, chunks: Iterable[ChunkId], action: str) -> None:
        rows = [(chunk, action) for chunk in chunks]
        self._db.executemany("INSERT OR REPLACE INTO owed VALUES (?, ?)", rows)
        if self._owed_anew is not None:
            self._owed_anew.update(chunk for chunk, _ in rows)
