"""The version of the ledger's tables (`rag.store.tables`), and how an older ledger becomes a newer one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from rag.errors import StoreError
from rag.store import tables
from rag.text.dates import stated_date

VERSION = 6

_TO_2 = """
DROP INDEX documents_by_source;
CREATE TABLE source_states (
    source TEXT PRIMARY KEY,
    roots TEXT NOT NULL DEFAULT '{}',
    reached_at TEXT,
    offline_since TEXT,
    problem TEXT,
    held INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
ALTER TABLE documents ADD COLUMN hidden_version TEXT;
ALTER TABLE documents ADD COLUMN created_at TEXT;
ALTER TABLE documents ADD COLUMN author TEXT;
CREATE INDEX documents_scan ON documents (
    source, id, seen_stamp, seen_version, seen_recipe, acl_class, confidentiality, key
) WHERE parent IS NULL;
CREATE TABLE vectors (
    content_hash TEXT NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (content_hash, embedder)
) STRICT;
INSERT OR IGNORE INTO vectors SELECT content_hash, '', vector FROM chunks;
ALTER TABLE chunks RENAME TO chunks_1;
CREATE TABLE chunks (
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL REFERENCES documents (key) ON DELETE CASCADE,
    version TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    context TEXT NOT NULL,
    text TEXT NOT NULL,
    content_hash TEXT NOT NULL
) STRICT;
INSERT INTO chunks SELECT id, document, version, ordinal, span_start, span_end, page, headings, context, text,
    content_hash FROM chunks_1 ORDER BY document, ordinal;
DROP TABLE chunks_1;
CREATE INDEX chunks_by_document ON chunks (document, ordinal);
CREATE INDEX chunks_by_content ON chunks (content_hash);
"""
"""Version 1 knew one embedder and did not name it: its vectors keep the name "" until the embedder that made them is
opened again."""

_RIGHTS = """
-- Rights may hold more than a list of readers; the lists of before mean what they meant. Nothing is to be altered, but
-- an Archivar of version 2 would misread them, and so has to refuse.
"""

_TO_3 = tables.HIDDEN_TEXT + _RIGHTS + tables.AUDIT + tables.ERASURE
_TO_4 = tables.KEYS + tables.LISTINGS_UPLOADS_FEEDBACK
_TO_5 = tables.BOTS_AND_ACCOUNTS
_TO_6 = """
-- A document's date is the one it states of itself, where it states one.
UPDATE documents SET modified_at = coalesce(stated_date(text), modified_at) WHERE text IS NOT NULL;
"""

_MIGRATIONS = {1: _TO_2 + tables.STRETCHES, 2: _TO_3, 3: _TO_4, 4: _TO_5, 5: _TO_6}
"""Version → what makes the next one of it."""


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or bring an older ledger up to `VERSION`, in one transaction: a kill leaves the old one.

    Raises:
        StoreError: the ledger was written by a newer Archivar.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(
            f"This index was written by a newer Archivar (ledger version {found}, this one knows {VERSION}). "
            f"Install the newer version, or point --home to another directory."
        )
    if found == VERSION:
        return
    connection.create_function("stated_date", 1, _stated_date, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        fresh = [tables.DOCUMENTS + tables.STRETCHES + _TO_3 + _TO_4 + _TO_5]
        scripts = [_MIGRATIONS[version] for version in range(found, VERSION)] if found else fresh
        for statement in (statement for script in scripts for statement in _statements(script)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _stated_date(text: str) -> str | None:
    found = stated_date(text)
    return found.isoformat() if found else None


def _statements(script: str) -> Iterator[str]:
    """One after the other; a trigger's body holds semicolons of its own."""
    statement = ""
    for line in script.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            statement += f"{line}\n"
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
