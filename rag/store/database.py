"""One SQLite connection that several threads share, its transactions, and its errors as ours."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rag.errors import IndexDamaged, StoreError, StoreFull
from rag.store import copies, schema

_NEARLY_FULL_BYTES = 1 << 20
_CHECKPOINT_S = 60.0
_FULL = "The disk is full. Nothing was lost; free some space and run the command again."


class Database:
    """WAL, synchronous FULL (an acknowledged transaction survives power loss), secure delete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            with suppress(FileExistsError):  # SQLite alone would make it 0644; opening it twice would drop its locks
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        except (OSError, sqlite3.Error) as error:
            raise _opening_error(path, error) from error
        try:
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA secure_delete = ON")
            copies.before_migrating(self._db, path)
            schema.prepare(self._db)
        except BaseException as error:
            self._db.close()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise _opening_error(path, error) from error
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the file or beside it: every page is written anew, the log is emptied.
        Readers go on meanwhile, writers wait.

        Raises:
            StoreFull: it needs as much room again as the ledger takes.
            StoreError: somebody read the ledger all the while; run it again.
        """
        try:
            with self._patient(), closing(sqlite3.connect(self.path, isolation_level=None, timeout=60)) as db:
                db.execute("PRAGMA secure_delete = ON")
                db.execute("VACUUM")
            self.empty_log()
            self._db.execute("PRAGMA shrink_memory")
        except sqlite3.Error as error:
            raise _store_error(error) from error

    def empty_log(self) -> None:
        """Put everything into the file itself and cut the log to nothing; waits for those who read an older state.

        Raises:
            StoreError: somebody reads on and on.
        """
        until = time.monotonic() + _CHECKPOINT_S
        while True:
            with self._lock:
                busy, left, done = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy and left <= max(done, 0):
                return
            if time.monotonic() > until:
                raise StoreError(
                    "The ledger's log could not be emptied: somebody reads it all the while. Run it again."
                )
            time.sleep(0.02)

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Whoever writes on this connection meanwhile waits for its turn, however long."""
        self._db.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_S * 10_000:.0f}")
        try:
            yield
        finally:
            self._db.execute("PRAGMA busy_timeout = 5000")

    def _all(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise _store_error(error) from error

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """For rooms that keep tables of their own here: what a question gives."""
        return self._all(sql, *parameters)

    def change(self, sql: str, parameters: Sequence[object]) -> int:
        """For the same: one statement, durably; gives how many rows it changed."""
        with self.transaction():
            return self._db.execute(sql, parameters).rowcount

    @contextmanager
    def _beside(self) -> Iterator[Callable[..., list[sqlite3.Row]]]:
        """Ask on a connection of one's own, for what takes long: nobody waits for it, and it waits for nobody."""
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
                db.row_factory = sqlite3.Row
                yield lambda sql, *parameters: db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _store_error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside becomes durable together, or not at all. One within another is a step of the larger."""
        with self._lock:
            if self._db.in_transaction:  # a step of a larger one
                yield
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise _store_error(error) from error
                raise


def disk_error(what: str, error: BaseException, directory: Path) -> StoreError:
    """What an index library says of its files, as ours: they raise whatever they like, and not all name a full disk.
    A full disk is no damage: nothing is to be moved away for it."""
    words = str(error).lower()
    named = any(sign in words for sign in ("no space left", "disk is full", "os error 28", "quota exceeded"))
    if named or shutil.disk_usage(directory).free < _NEARLY_FULL_BYTES:
        return StoreFull(_FULL)
    said = f"{what} could not be read or written: {error}. It is made anew from the ledger."
    return IndexDamaged(said, directory=directory)


def full(error: OSError | sqlite3.Error) -> bool:
    """Whether it is for want of space."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    code = getattr(error, "sqlite_errorcode", None)
    return (code is not None and code & 0xFF == sqlite3.SQLITE_FULL) or "full" in str(error)


def _opening_error(path: Path, error: OSError | sqlite3.Error) -> StoreError:
    if full(error):
        return StoreFull(_FULL)
    what = error.strerror if isinstance(error, OSError) else error
    return StoreError(f"The ledger {path} cannot be opened: {what}. Restore it from a backup, or move it away.")


def _store_error(error: sqlite3.Error) -> StoreError:
    if full(error):
        return StoreFull(_FULL)
    return StoreError(f"The ledger could not be read or written: {error}.")
