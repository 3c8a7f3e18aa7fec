"""Everything the ledger holds of documents, read as a whole: of those that are to be erased, to know what to look for
afterwards; of those that stay, to know what may still be found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rag.documents import DocumentId
from rag.ports import Vector
from rag.store.embedders import Embedders
from rag.store.rows import Entry, entry_of, marks, source_of

_BATCH = 500
_PAGE = 4096
_DOCUMENT_TEXTS = "SELECT key, id, title, uri, author, reason, notes, sections, text FROM documents WHERE key"
_CHUNK_TEXTS = "SELECT document AS key, headings, context, text FROM chunks WHERE document"


class Held(NamedTuple):
    """What the ledger holds of a document that is to be erased."""

    key: str
    id: DocumentId
    parent: str | None
    versions: tuple[str, ...]
    names: tuple[str, ...]
    """Its id, title, address and author: what would name it."""
    text: str
    chunks: tuple[str, ...]
    contexts: tuple[str, ...]
    """What was indexed with them, each once: title, headings, a table's header."""
    vectors: tuple[Vector, ...]


class Placed(NamedTuple):
    """A document as tombstones know it."""

    key: str
    id: str
    versions: tuple[str, ...]


class Texted(NamedTuple):
    """A document and its text; the entry's `chunks` are not counted."""

    entry: Entry
    text: str


class Contents(Embedders):
    """The part of the ledger that gives texts, names and vectors in bulk."""

    def with_parts(self, keys: Iterable[str]) -> list[str]:
        """These documents and everything inside them, each once, containers before their parts."""
        wanted = dict.fromkeys(keys)
        waiting = list(wanted)
        while waiting:
            rows = self._all(
                f"SELECT key FROM documents WHERE parent IN ({marks(waiting[:_BATCH])})", *waiting[:_BATCH]
            )
            waiting = waiting[_BATCH:] + [row["key"] for row in rows if row["key"] not in wanted]
            wanted |= dict.fromkeys(row["key"] for row in rows)
        return list(wanted)

    def places(self) -> Iterator[Placed]:
        """Every document there is: its key, its id, the versions it is known by."""
        with self._beside() as ask:
            for row in ask("SELECT key, id, version, hidden_version, seen_version FROM documents ORDER BY key"):
                key, name, *versions = row
                yield Placed(key, name, tuple(dict.fromkeys(version for version in versions if version)))

    def every_text(self) -> Iterator[Texted]:
        """Every document there is with its text, hidden ones too, in order of id."""
        with self._beside() as ask:
            ids = [row["id"] for row in ask("SELECT id FROM documents ORDER BY id")]
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                for row in ask(
                    "SELECT d.*, a.readers, 0 AS chunks FROM documents d JOIN acl_classes a ON a.id = d.acl_class"
                    f" WHERE d.id IN ({marks(batch)}) ORDER BY d.id",
                    *batch,
                ):
                    yield Texted(entry_of(row), row["text"] or "")

    def held(self, keys: Sequence[str]) -> list[Held]:
        """What there is of these documents, in order of key."""
        found: list[Held] = []
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            rows = self._all(f"SELECT * FROM documents WHERE key IN ({marks(batch)}) ORDER BY key", *batch)
            for row in rows:
                chunks = self._all(
                    "SELECT text, context, content_hash FROM chunks WHERE document = ? ORDER BY ordinal",
                    row["key"],
                )
                versions = (row["version"], row["hidden_version"], row["seen_version"])
                names = (row["id"], row["title"], row["uri"], row["author"])
                found.append(
                    Held(
                        key=row["key"],
                        id=DocumentId(row["id"]),
                        parent=row["parent"],
                        versions=tuple(dict.fromkeys(version for version in versions if version)),
                        names=tuple(name for name in names if name),
                        text=row["text"] or "",
                        chunks=tuple(chunk["text"] for chunk in chunks),
                        contexts=tuple(dict.fromkeys(chunk["context"] for chunk in chunks if chunk["context"])),
                        vectors=self._vectors_by_content([chunk["content_hash"] for chunk in chunks]),
                    )
                )
        return found

    def living_texts(self) -> Iterator[tuple[str, bytes]]:
        """Everything that names or tells something of each document there is, under its key, as its bytes stand in the
        ledger; sources come under ""."""
        with self._beside() as ask:
            for row in ask("SELECT name, path FROM sources"):
                yield "", f"{row['name']}\n{row['path']}".encode("utf-8", "surrogatepass")
            keys = [row["key"] for row in ask("SELECT key FROM documents ORDER BY key")]
            for start in range(0, len(keys), _BATCH):
                batch = keys[start : start + _BATCH]
                for sql in (_DOCUMENT_TEXTS, _CHUNK_TEXTS):
                    for row in ask(f"{sql} IN ({marks(batch)})", *batch):
                        content = "\n".join(part for part in tuple(row)[1:] if part)
                        yield row["key"], content.encode("utf-8", "surrogatepass")

    def living_vectors(self) -> Iterator[tuple[str, bytes]]:
        """Every vector there is, whoever embedded it, under its content hash."""
        with self._beside() as ask:
            last = 0
            while rows := ask(
                f"SELECT rowid, content_hash, vector FROM vectors WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}", last
            ):
                last = rows[-1]["rowid"]
                yield from ((row["content_hash"], row["vector"]) for row in rows)

    def forget_stretches(self, documents: Iterable[DocumentId]) -> None:
        """What is remembered of a source by the ids that lie in it, wherever these documents lay: their ids may be
        among them. The next look compares row by row once."""
        with self.transaction():
            for source in {source_of(document) for document in documents}:
                self._db.execute("DELETE FROM stretches WHERE source = ?", (source,))

    def _vectors_by_content(self, hashes: Sequence[str]) -> tuple[Vector, ...]:
        found: list[Vector] = []
        for start in range(0, len(hashes), _BATCH):
            batch = hashes[start : start + _BATCH]
            rows = self._all(f"SELECT vector FROM vectors WHERE content_hash IN ({marks(batch)})", *batch)
            found += [np.frombuffer(row["vector"], "<f4") for row in rows]
        return tuple(found)
