"""The tables of the ledger, by what they are kept for, as SQL. When each of them came stands in `rag.store.schema`.

What stands here was run on ledgers that exist: a change of it is a new version, and a migration there.
"""

from __future__ import annotations

DOCUMENTS = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Folders given to `rag ingest PATH`; those of rag.toml are not copied here.
CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

-- What is known of each source: `roots` is the identity of its root, and of what is mounted below, when it was last
-- listed in full; `held` counts removals that wait for a person.
CREATE TABLE source_states (
    source TEXT PRIMARY KEY,
    roots TEXT NOT NULL DEFAULT '{}',
    reached_at TEXT,
    offline_since TEXT,
    problem TEXT,
    held INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Each distinct set of rights once: the small integer that the indexes filter by. `readers` is a list of them, or,
-- where they do not decide alone, {"readers": …, "denied": …, "gates": …} (`rag.store.rows.rights_text`).
CREATE TABLE acl_classes (
    id INTEGER PRIMARY KEY,
    readers TEXT NOT NULL UNIQUE
) STRICT;

-- One row a document. `version` is what is searchable now (NULL: nothing is); `seen_version`, `seen_stamp` and
-- `seen_recipe` are what was last looked at, so that a failed file is tried again only when something changed.
-- `hidden_version` is what was searchable until the file could no longer be read: its text is kept, not shown.
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
    hidden_version TEXT,
    title TEXT NOT NULL,
    uri TEXT NOT NULL,
    media_type TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    created_at TEXT,
    author TEXT,
    language TEXT,
    text TEXT,
    sections TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    recorded_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_parent ON documents (parent);
-- Covers `scan`: a million unchanged files are compared without touching a document's row.
CREATE INDEX documents_scan ON documents (
    source, id, seen_stamp, seen_version, seen_recipe, acl_class, confidentiality, key
) WHERE parent IS NULL;

-- Each text that is embedded, once for every embedder, however many places hold it. `vector` is float32, little
-- endian: half precision would save half of 1.5 KB a text and cost the equality with what the indexes hold.
CREATE TABLE vectors (
    content_hash TEXT NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (content_hash, embedder)
) STRICT;

-- The chunks of the current versions, and of no others.
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
CREATE INDEX chunks_by_document ON chunks (document, ordinal);
CREATE INDEX chunks_by_content ON chunks (content_hash);

-- What the indexes still owe the ledger: chunks to sweep out, chunks whose rights changed.
CREATE TABLE owed (
    chunk TEXT PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('remove', 'protect'))
) STRICT, WITHOUT ROWID;
"""

STRETCHES = """
CREATE INDEX documents_failed ON documents (id) WHERE reason IS NOT NULL;
-- Stretches of a source in which everything was level when last compared: an equal signature spares comparing row by
-- row. Whatever changes a row ends the stretch it lies in, by trigger, so that nothing can forget to.
CREATE TABLE stretches (
    source TEXT NOT NULL,
    first TEXT NOT NULL,
    beyond TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (source, first)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER document_came AFTER INSERT ON documents WHEN NEW.parent IS NULL BEGIN
    DELETE FROM stretches WHERE source = NEW.source AND beyond > NEW.id AND first =
        (SELECT max(first) FROM stretches WHERE source = NEW.source AND first <= NEW.id);
END;
CREATE TRIGGER document_went AFTER DELETE ON documents WHEN OLD.parent IS NULL BEGIN
    DELETE FROM stretches WHERE source = OLD.source AND beyond > OLD.id AND first =
        (SELECT max(first) FROM stretches WHERE source = OLD.source AND first <= OLD.id);
END;
CREATE TRIGGER document_changed AFTER UPDATE OF
    id, source, parent, seen_version, seen_stamp, seen_recipe, acl_class, confidentiality ON documents BEGIN
    DELETE FROM stretches WHERE source = OLD.source AND beyond > OLD.id AND first =
        (SELECT max(first) FROM stretches WHERE source = OLD.source AND first <= OLD.id);
    DELETE FROM stretches WHERE source = NEW.source AND beyond > NEW.id AND first =
        (SELECT max(first) FROM stretches WHERE source = NEW.source AND first <= NEW.id);
END;
"""

HIDDEN_TEXT = """
-- Stretches of a document's text that nobody sees who opens it, each with the reason (`rag.documents.Hiding`).
CREATE TABLE hidden_text (
    document TEXT NOT NULL REFERENCES documents (key) ON DELETE CASCADE,
    version TEXT NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;
CREATE INDEX hidden_text_by_document ON hidden_text (document, span_start);
"""

AUDIT = """
-- The way back from the audit log, where it can be erased: whom a pseudonym stands for (in works-council mode sealed
-- for two people), what was asked where that is kept, and why somebody read what is not theirs.
CREATE TABLE audit_people (
    pseudonym TEXT PRIMARY KEY,
    name TEXT,
    sealed BLOB,
    first_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_texts (
    receipt TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('question', 'asked', 'reason')),
    text TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX audit_texts_by_receipt ON audit_texts (receipt);
"""

ERASURE = """
-- One row an erasure, from the moment it was asked for. Nothing in it names what is erased: `keys` are opaque,
-- `needles` are hashes of what the proof looks for, and go with the certificate.
CREATE TABLE erasures (
    id TEXT PRIMARY KEY,
    asked_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'removed', 'cleared', 'proven', 'reapplied')),
    keys TEXT NOT NULL,
    facts TEXT NOT NULL DEFAULT '{}',
    needles BLOB
) STRICT, WITHOUT ROWID;

-- What does not come back: `path` is the keyed hash of a document's id, `contents` of the versions it had, `documents`
-- the keys it had; `stays` are the keys of documents that held the same text and were not erased.
CREATE TABLE tombstones (
    path TEXT PRIMARY KEY,
    erasure TEXT NOT NULL,
    documents TEXT NOT NULL,
    contents TEXT NOT NULL,
    stays TEXT NOT NULL DEFAULT '[]',
    erased_at TEXT NOT NULL,
    allowed_at TEXT
) STRICT, WITHOUT ROWID;
"""

KEYS = """
-- API keys, without their secrets: `hash` is a secret's SHA-256. `user` is whom a key speaks for, "service:NAME" for a
-- program; `scopes` and `sources` are lists, no sources mean no limit. `held_at`: restored, and not yet confirmed.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    sources TEXT,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    used_on TEXT,
    revoked_at TEXT,
    held_at TEXT
) STRICT, WITHOUT ROWID;

-- People who are shut out: `hash` is the keyed hash of the name, which stays when the name is erased.
CREATE TABLE suspended (
    hash TEXT PRIMARY KEY,
    user TEXT,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

LISTINGS_UPLOADS_FEEDBACK = """
-- Files that came in by upload, as long as the document is there: `owner` is the keyed hash of who sent it and of the
-- document, so that they alone may replace or remove it; `stamp` and `version` are the file they sent.
CREATE TABLE uploads (
    document TEXT PRIMARY KEY,
    receipt TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    stamp TEXT NOT NULL,
    version TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER upload_went AFTER DELETE ON documents BEGIN
    DELETE FROM uploads WHERE document = OLD.id;
END;

-- Covers listings: found, counted and sorted without touching a document's row, which holds its text.
CREATE INDEX documents_listed ON documents (
    acl_class, confidentiality, source, media_type, reason, version, id, title, modified_at, recorded_at, key
);

-- What people said of answers. Who they are only the audit's record of the receipt tells, by pseudonym.
CREATE TABLE feedback (
    receipt TEXT PRIMARY KEY,
    verdict TEXT NOT NULL,
    reason TEXT,
    question TEXT,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

BOTS_AND_ACCOUNTS = """
-- The platform that the key of a bot in a chat serves; NULL for every other key.
ALTER TABLE api_keys ADD COLUMN bot TEXT;

-- Which message of a bot's shows which documents: `message` is opaque to us, `document` a key that outlives the
-- document. `withdraw_at`: an administrator wants the message taken back, and its bot has not done it yet.
CREATE TABLE bot_messages (
    platform TEXT NOT NULL,
    message TEXT NOT NULL,
    document TEXT NOT NULL,
    receipt TEXT NOT NULL,
    at TEXT NOT NULL,
    withdraw_at TEXT,
    PRIMARY KEY (platform, message, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX bot_messages_by_document ON bot_messages (document);
CREATE INDEX bot_messages_by_receipt ON bot_messages (receipt);

-- Whose account it is that the provider named when somebody signed in: `account` is tenant and object id.
CREATE TABLE provider_accounts (
    account TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
