"""What the bot must still know of its messages after a restart: which answer one shows, and what stands in its place.

Teams names below a thumb only the message it is for, and lets a bot read nothing that it has said. One SQLite file,
readable by its owner alone; it holds ids only, for ninety days. Opened for each look: looks are rare.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rag.errors import StoreError

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS judged (message TEXT PRIMARY KEY, receipt TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS moved (ref TEXT PRIMARY KEY, message TEXT NOT NULL, at REAL NOT NULL);
"""
_KEPT_S: Final = 90 * 24 * 3600.0


class Memory:
    """Of one bot, in this folder.

    Raises:
        StoreError: everywhere, where the file cannot be opened, read or written.
    """

    def __init__(self, home: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = home / "messages.sqlite", clock

    def receipt(self, message: str) -> str:
        """The receipt of the answer that a message shows, "" for none."""
        return self._one("SELECT receipt FROM judged WHERE message = ?", message)

    def may_be_judged(self, message: str, receipt: str) -> None:
        """This message shows the answer of this receipt."""
        with self._open() as rows:
            rows.execute("INSERT OR REPLACE INTO judged VALUES (?, ?, ?)", (message, receipt, self._clock()))
            for table in ("judged", "moved"):
                rows.execute(f"DELETE FROM {table} WHERE at < ?", (self._clock() - _KEPT_S,))

    def moved(self, ref: str) -> str:
        """The message that stands for the one of this name, "" where it stands itself."""
        return self._one("SELECT message FROM moved WHERE ref = ?", ref)

    def move(self, ref: str, message: str) -> None:
        """Another message stands for it."""
        with self._open() as rows:
            rows.execute("INSERT OR REPLACE INTO moved VALUES (?, ?, ?)", (ref, message, self._clock()))

    def forget(self, message: str) -> None:
        """The message is gone."""
        with self._open() as rows:
            rows.execute("DELETE FROM judged WHERE message = ?", (message,))

    def _one(self, query: str, name: str) -> str:
        with self._open() as rows:
            found = rows.execute(query, (name,)).fetchone()
        return str(found[0]) if found else ""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            rows = sqlite3.connect(self._path, timeout=5)
            try:
                with rows:
                    rows.executescript(f"PRAGMA synchronous = FULL; {_TABLES}")
                    yield rows
            finally:
                rows.close()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"What the bot keeps of its messages, {self._path}, cannot be read or written: {error}. Mend that, or "
                f"move it away: thumbs below answers that stand already are lost then."
            ) from error
