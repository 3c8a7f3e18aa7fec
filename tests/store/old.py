"""Ledgers as earlier versions left them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_DOCUMENT = (
    "key, id, source, parent, acl_class, confidentiality, seen_version, seen_stamp, seen_recipe, reason, version,"
    " title, uri, media_type, modified_at, language, text, sections, notes, recorded_at"
)
_CHUNK = (
    "c.id, c.document, c.version, c.ordinal, c.span_start, c.span_end, c.page, c.headings, c.context, c.text,"
    " c.content_hash, v.vector"
)


def as_version_1(path: Path) -> None:
    """Put in the place of a ledger of today the one that version 1 would have written."""
    new = path.with_name("today.sqlite")
    path.rename(new)
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(Path(__file__).with_name("version_1.sql").read_text(encoding="utf-8"))
        db.execute("ATTACH ? AS today", (str(new),))
        for table in ("sources", "acl_classes", "owed"):
            db.execute(f"INSERT INTO {table} SELECT * FROM today.{table}")
        db.execute(f"INSERT INTO documents ({_DOCUMENT}) SELECT {_DOCUMENT} FROM today.documents ORDER BY parent")
        db.execute(
            f"INSERT INTO chunks SELECT {_CHUNK} FROM today.chunks c JOIN today.vectors v USING (content_hash)"
            " GROUP BY c.id"
        )
        db.execute("PRAGMA user_version = 1")
        db.execute("DETACH today")
    new.unlink()
