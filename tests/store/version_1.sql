-- The tables of version 1, as they were released.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Folders given to `rag ingest PATH`; those of rag.toml are not copied here.
CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

-- Each distinct set of readers once: the small integer that the indexes filter by.
CREATE TABLE acl_classes (
    id INTEGER PRIMARY KEY,
    readers TEXT NOT NULL UNIQUE
) STRICT;

-- One row a document. `version` is what is searchable now (NULL: nothing is); `seen_version`, `seen_stamp` and
-- `seen_recipe` are what was last looked at, so that a failed file is tried again only when something changed.
CREATE TABLE documents (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    parent TEXT REFERENCES documents (key) ON DELETE CASCADE,
    acl_class INTEGER NOT NULL REFERENCES acl_classes (id),
    confidentiality INTEGER NOT NULL,
    seen_version TEXT NOT NULL,
    seen_stamp TEXT NOT NULL,
    seen_recipe TEXT NOT NULL,
    reason TEXT,
    version TEXT,
    title TEXT NOT NULL,
    uri TEXT NOT NULL,
    media_type TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    language TEXT,
    text TEXT,
    sections TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    recorded_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_source ON documents (source);
CREATE INDEX documents_by_parent ON documents (parent);

-- The chunks of the current versions, and of no others. `vector` is float32, little endian.
CREATE TABLE chunks (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL REFERENCES documents (key) ON DELETE CASCADE,
    version TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    context TEXT NOT NULL,
    text TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    vector BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX chunks_by_document ON chunks (document, ordinal);
CREATE INDEX chunks_by_content ON chunks (content_hash);

-- What the indexes still owe the ledger: chunks to sweep out, chunks whose rights changed.
CREATE TABLE owed (
    chunk TEXT PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('remove', 'protect'))
) STRICT, WITHOUT ROWID;
