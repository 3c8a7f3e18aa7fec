"""What a bot has taken and not yet answered, written down before the platform is told that it arrived.

    received → working → ended: answered, told why not, taken back, or given up

A small SQLite file below the home, readable by its owner alone. It holds the text of a question until its end and not
one moment longer. Ids of events and of their messages stay ninety days: so a redelivery is known over restarts, and the
answer is found when somebody takes their question back. That a message is about to be posted is written down before it
is: so a process that is started again knows where one may stand that it does not know.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final

from rag.bots.adapter import Asked, Event, MessageRef, Withdrawn
from rag.bots.entries import NO_MESSAGE, Crowded, Entry, Posting, bounded, read, read_place, written, written_place
from rag.errors import RagError, StoreError, StoreFull, StoreOwned

KEPT_S: Final = 90 * 24 * 3600.0
"""How long an event's id is known, seconds, and with it the message that answers it."""
_NEVER: Final = "never"
"""How something ended that was taken back before it came."""
_NEVER_KEPT_S: Final = 24 * 3600.0
"""How long that is remembered, seconds: platforms repeat an event within hours."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS event (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL,
  received REAL NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('received', 'working', 'ended')),
  crowded TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  nonce TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  how TEXT NOT NULL DEFAULT '',
  body TEXT
);
CREATE TABLE IF NOT EXISTS reply (
  event TEXT NOT NULL,
  nonce TEXT NOT NULL,
  place TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (event, nonce)
);
CREATE INDEX IF NOT EXISTS open_events ON event (state) WHERE state != 'ended';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many questions may wait: in all, in one conversation, and of one person."""

    waiting: int = 200
    waiting_here: int = 10
    waiting_each: int = 10


class TakenBack(RagError):
    """Its asker took it back: there is nothing left to do."""


class Inbox:
    """One bot's inbox; a context manager. Any thread, one at a time.

    Raises:
        StoreOwned: another process has it.
        StoreError: it cannot be opened, read or written.
    """

    def __init__(self, folder: Path, *, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._bounds, self._clock = bounds or Bounds(), clock
        self.path = folder / "inbox.sqlite"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _owned(folder / "lock")
        try:
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            os.close(self._lock)
            raise StoreError(
                f"The bot's inbox {self.path} cannot be opened: {_why(error)}. Mend that, or move it away: "
                f"questions that wait in it are lost then."
            ) from error

    def __enter__(self) -> Inbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        os.close(self._lock)

    def take(self, said: Event) -> Entry | None:
        """Write it down, durably; None where it was taken before. What is taken back is ended with the same write, also
        where it comes only later."""
        now, here = self._clock(), said.place.conversation
        crowded = self._crowded(said) if isinstance(said, Asked) else ""
        entry = Entry(said=bounded(said), received=now, nonce=secrets.token_hex(16), crowded=crowded)
        with self._together():
            if isinstance(said, Withdrawn) and not self._end_withdrawn(said, now):
                return None
            added = self._run(
                "INSERT INTO event (id, conversation, received, state, crowded, nonce, body) "
                "VALUES (?, ?, ?, 'received', ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                said.event, here, now, crowded, entry.nonce, written(entry.said),
            ).rowcount  # fmt: skip
        return entry if added else None

    def _end_withdrawn(self, said: Withdrawn, now: float) -> bool:
        """Whether what was taken back is known. What is not is only remembered for a while, lest it comes later."""
        sql = "UPDATE event SET state = 'ended', how = 'withdrawn', body = NULL WHERE id = ? AND conversation = ? AND "
        here = said.place.conversation
        self._run(sql + "state != 'ended'", said.question, here)
        return not self._run(
            "INSERT INTO event (id, conversation, received, state, how, nonce) VALUES (?, ?, ?, 'ended', ?, '') "
            "ON CONFLICT (id) DO NOTHING",
            said.question, here, now, _NEVER,
        ).rowcount  # fmt: skip

    def open(self) -> tuple[Entry, ...]:
        """What is not ended, in the order it came."""
        rows = self._run(
            "SELECT body, received, nonce, crowded, attempts, message, EXISTS (SELECT 1 FROM reply WHERE "
            "reply.event = event.id AND reply.nonce = event.nonce AND reply.place != '') "
            "FROM event WHERE state != 'ended' ORDER BY number"
        )
        return tuple(
            Entry(
                said=read(body), received=received, nonce=nonce, crowded=crowded, attempts=attempts,
                message=MessageRef(message), doubtful=bool(doubtful),
            )
            for body, received, nonce, crowded, attempts, message, doubtful in rows.fetchall()
        )  # fmt: skip

    def begin(self, entry: Entry) -> Entry:
        """It is being worked on.

        Raises:
            TakenBack
        """
        sql = "UPDATE event SET state = 'working', attempts = attempts + 1 WHERE id = ? AND state != 'ended'"
        if not self._run(sql, entry.event).rowcount:
            raise TakenBack("The question was taken back.")
        return replace(entry, attempts=entry.attempts + 1)

    def posting(self, entry: Entry) -> None:
        """A reply is about to be posted."""
        self._run(
            "INSERT OR REPLACE INTO reply (event, nonce, place) VALUES (?, ?, ?)",
            entry.event, entry.nonce, written_place(entry.said.place),
        )  # fmt: skip

    def unposted(self, entry: Entry) -> None:
        """It was not, for certain."""
        self._run("DELETE FROM reply WHERE event = ? AND nonce = ? AND message = ''", entry.event, entry.nonce)

    def posted(self, entry: Entry, message: MessageRef) -> Entry:
        """A reply stands in the chat. Its place is forgotten, but where another one may stand there too."""
        with self._together():
            self._run("UPDATE event SET message = ? WHERE id = ?", message, entry.event)
            self._run(
                "INSERT INTO reply (event, nonce, place, message) VALUES (?, ?, '', ?) ON CONFLICT (event, nonce) "
                "DO UPDATE SET message = excluded.message, place = CASE WHEN ? THEN place ELSE '' END",
                entry.event, entry.nonce, message, entry.doubtful,
            )  # fmt: skip
        return replace(entry, message=message)

    def anew(self, entry: Entry) -> Entry:
        """What stood in the chat cannot be changed any more: the next reply is another message."""
        nonce = secrets.token_hex(16)
        self._run("UPDATE event SET message = '', nonce = ? WHERE id = ?", nonce, entry.event)
        return replace(entry, message=NO_MESSAGE, nonce=nonce, doubtful=False)

    def replies(self, withdrawn: Withdrawn) -> tuple[Posting, ...]:
        """All that was posted about what was taken back, or may have been; nothing where that was said elsewhere."""
        sql = "SELECT nonce, message FROM event WHERE id = ? AND conversation = ?"
        last = self._run(sql, withdrawn.question, withdrawn.place.conversation).fetchall()
        sql = "SELECT nonce, message, place FROM reply WHERE event = ? ORDER BY rowid"
        found = [
            Posting(nonce=nonce, message=MessageRef(message), place=read_place(place) if place else None)
            for nonce, message, place in self._run(sql, withdrawn.question).fetchall()
        ]
        known = {"", *(one.message for one in found)}
        other = [Posting(nonce=nonce, message=message) for nonce, message in last if message not in known]
        return tuple(found + other) if last else ()

    def end(self, entry: Entry, how: str) -> None:
        """It is ended, and its text forgotten."""
        sql = "UPDATE event SET state = 'ended', how = ?, body = NULL WHERE id = ? AND state != 'ended'"
        self._run(sql, how, entry.event)
        if not self.waiting:
            self._empty_log()

    def tidy(self) -> None:
        """Forget ids that are too old, and leave no text in the file's log."""
        now = self._clock()
        sql = "DELETE FROM event WHERE state = 'ended' AND (received < ? OR how = ? AND received < ?)"
        self._run(sql, now - KEPT_S, _NEVER, now - _NEVER_KEPT_S)
        self._run("DELETE FROM reply WHERE event NOT IN (SELECT id FROM event)")
        self._empty_log()

    @property
    def waiting(self) -> int:
        """How many are not ended."""
        return int(self._run("SELECT count(*) FROM event WHERE state != 'ended'").fetchone()[0])

    def ends(self) -> dict[str, int]:
        """How events ended, counted."""
        return dict(self._run("SELECT how, count(*) FROM event WHERE state = 'ended' GROUP BY how").fetchall())

    def _crowded(self, asked: Asked) -> Crowded:
        everywhere, here, theirs = self._run(
            "SELECT count(*), coalesce(sum(conversation = ?), 0), "
            "coalesce(sum(json_extract(body, '$.account.id') = ?), 0) "
            "FROM event WHERE state != 'ended' AND crowded = ''",
            asked.place.conversation, asked.account.id,
        ).fetchone()  # fmt: skip
        if here >= self._bounds.waiting_here:
            return "here"
        if theirs >= self._bounds.waiting_each:
            return "each"
        return "all" if everywhere >= self._bounds.waiting else ""

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(StoreError):  # a full disk has undone it already
                self._run("ROLLBACK")
            raise

    def _empty_log(self) -> None:
        self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _run(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """Halves of characters, which no file can hold, are written out."""
        try:
            return self._db.execute(sql, [_whole(one) for one in parameters])
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise StoreFull("The disk is full. Nothing that was acknowledged is lost; free some space.") from error
            raise StoreError(f"The bot's inbox {self.path} could not be read or written: {error}.") from error


def waiting_in(path: Path) -> tuple[int, float]:
    """How many events wait in the inbox of this file, and when the first of them came; looked at from outside, also
    while its bot runs.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            sql = "SELECT count(*), coalesce(min(received), 0) FROM event WHERE state != 'ended'"
            count, first = db.execute(sql).fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"The bot's inbox {path} cannot be read: {error}.") from error
    return int(count), float(first)


def _owned(path: Path) -> int:
    """The lock of the folder, held until its descriptor is closed, also by the end of the process."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StoreOwned(
            f"Another process runs this bot already, with the inbox in {path.parent}. Stop it first."
        ) from error
    return lock


def _whole(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _why(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
