"""What the bot must still know after a restart: how far it has read, and which messages are its own.

One SQLite file per device, readable by its owner alone. It holds ids only; but for an encrypted event whose key has not
come yet, as it came, for at most a few minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sent (nonce TEXT PRIMARY KEY, event TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS judged (event TEXT PRIMARY KEY, receipt TEXT NOT NULL, at REAL NOT NULL);
DROP TABLE IF EXISTS answer;
DROP TABLE IF EXISTS withdrawn;
CREATE TABLE IF NOT EXISTS told (room TEXT, what TEXT, PRIMARY KEY (room, what));
CREATE TABLE IF NOT EXISTS sealed (event TEXT PRIMARY KEY, room TEXT NOT NULL, source TEXT NOT NULL, at REAL NOT NULL);
"""
_KEPT_S: Final = 90 * 24 * 3600.0


class Memory:
    """Of one device of one account."""

    def __init__(self, home: Path, *, user: str, device: str) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(f"{user} {device}".encode()).hexdigest()[:16]
        before = os.umask(0o077)
        try:
            self._rows = sqlite3.connect(home / f"{name}.sqlite", isolation_level=None, check_same_thread=False)
            self._rows.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_TABLES}")
        finally:
            os.umask(before)
        for table in ("sent", "judged"):
            self._rows.execute(f"DELETE FROM {table} WHERE at < ?", (time.time() - _KEPT_S,))

    def close(self) -> None:
        """Give the file back."""
        self._rows.close()

    @property
    def since(self) -> str:
        """The homeserver's mark up to which everything has been taken; "" for a new bot."""
        return self._one("SELECT since FROM position")

    def read_up_to(self, since: str) -> None:
        """Everything up to there has been taken."""
        self._rows.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (since,))

    def sent(self, nonce: str) -> str:
        """The event that was sent for a nonce, "" for none."""
        return self._one("SELECT event FROM sent WHERE nonce = ?", nonce)

    def remember(self, nonce: str, event: str) -> None:
        """This event was sent for this nonce."""
        self._rows.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (nonce, event, time.time()))

    def receipt(self, event: str) -> str:
        """The receipt of the answer that a message of the bot's shows, "" for none."""
        return self._one("SELECT receipt FROM judged WHERE event = ?", event)

    def may_be_judged(self, event: str, receipt: str) -> None:
        """This message shows the answer of this receipt."""
        self._rows.execute("INSERT OR REPLACE INTO judged VALUES (?, ?, ?)", (event, receipt, time.time()))

    def forget(self, event: str) -> None:
        """The message is gone."""
        self._rows.execute("DELETE FROM judged WHERE event = ?", (event,))

    def first_time(self, room: str, what: str) -> bool:
        """Whether something is told in a room for the first time; from now on it is not."""
        return self._rows.execute("INSERT OR IGNORE INTO told VALUES (?, ?)", (room, what)).rowcount > 0

    def keep_sealed(self, event: str, room: str, source: Any) -> None:
        """An encrypted event whose key may still come."""
        row = (event, room, json.dumps(source), time.time())
        self._rows.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?, ?)", row)

    def sealed(self) -> list[tuple[str, str, Any, float]]:
        """(event, room, its JSON, age in seconds), oldest first."""
        now = time.time()
        rows = self._rows.execute("SELECT event, room, source, at FROM sealed ORDER BY at").fetchall()
        return [(event, room, json.loads(source), now - at) for event, room, source, at in rows]

    def unsealed(self, event: str) -> None:
        """It was decrypted, or nobody waits for its key any more."""
        self._rows.execute("DELETE FROM sealed WHERE event = ?", (event,))

    def _one(self, query: str, *values: str) -> str:
        row = self._rows.execute(query, values).fetchone()
        return str(row[0]) if row else ""
