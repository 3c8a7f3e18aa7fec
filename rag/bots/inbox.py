"""What a bot has taken and not yet answered, written down before the platform is told that it arrived.

    received → working → ended: answered, told why not, or given up

A small SQLite file below the home, readable by its owner alone. It holds the text of a question until its end and not
one moment longer; ids of events stay thirty days, so that a redelivery is known over restarts.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rag.access import Audience
from rag.bots.adapter import Account, Asked, Judged, MessageRef, Place, Verdict
from rag.errors import StoreError, StoreFull, StoreOwned

KEPT_S: Final = 30 * 24 * 3600.0
"""How long an event's id is known, seconds."""
_MOST_CHARS: Final = 4000
_MOST_EARLIER: Final = 20
_NO_MESSAGE: Final = MessageRef("")
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
CREATE INDEX IF NOT EXISTS open_events ON event (state) WHERE state != 'ended';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many questions may wait: in all, and in one conversation."""

    waiting: int = 200
    waiting_here: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event that is not ended. `crowded` is "all" or "here" where too many waited when it came; `attempts` counts
    how often it was begun, `message` is the reply that stands in the chat already."""

    said: Asked | Judged
    received: float
    nonce: str
    crowded: str = ""
    attempts: int = 0
    message: MessageRef = _NO_MESSAGE

    @property
    def event(self) -> str:
        """The event's id."""
        return self.said.event


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

    def take(self, said: Asked | Judged) -> Entry | None:
        """Write it down, durably; None where it was taken before."""
        now, here = self._clock(), said.place.conversation
        crowded = self._crowded(here) if isinstance(said, Asked) else ""
        entry = Entry(said=_bounded(said), received=now, nonce=secrets.token_hex(16), crowded=crowded)
        added = self._run(
            "INSERT INTO event (id, conversation, received, state, crowded, nonce, body) "
            "VALUES (?, ?, ?, 'received', ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            said.event, here, now, crowded, entry.nonce, _written(entry.said),
        ).rowcount  # fmt: skip
        return entry if added else None

    def open(self) -> tuple[Entry, ...]:
        """What is not ended, in the order it came."""
        rows = self._run(
            "SELECT body, received, nonce, crowded, attempts, message FROM event WHERE state != 'ended' ORDER BY number"
        )
        return tuple(
            Entry(
                said=_read(body), received=received, nonce=nonce, crowded=crowded, attempts=attempts,
                message=MessageRef(message),
            )
            for body, received, nonce, crowded, attempts, message in rows.fetchall()
        )  # fmt: skip

    def begin(self, entry: Entry) -> Entry:
        """It is being worked on."""
        self._run("UPDATE event SET state = 'working', attempts = attempts + 1 WHERE id = ?", entry.event)
        return replace(entry, attempts=entry.attempts + 1)

    def posted(self, entry: Entry, message: MessageRef) -> Entry:
        """A reply stands in the chat."""
        self._run("UPDATE event SET message = ? WHERE id = ?", message, entry.event)
        return replace(entry, message=message)

    def anew(self, entry: Entry) -> Entry:
        """What stood in the chat cannot be changed any more: the next reply is another message."""
        nonce = secrets.token_hex(16)
        self._run("UPDATE event SET message = '', nonce = ? WHERE id = ?", nonce, entry.event)
        return replace(entry, message=_NO_MESSAGE, nonce=nonce)

    def end(self, entry: Entry, how: str) -> None:
        """It is ended, and its text forgotten."""
        self._run("UPDATE event SET state = 'ended', how = ?, body = NULL WHERE id = ?", how, entry.event)
        if not self.waiting:
            self._empty_log()

    def tidy(self) -> None:
        """Forget ids that are too old, and leave no text in the file's log."""
        self._run("DELETE FROM event WHERE state = 'ended' AND received < ?", self._clock() - KEPT_S)
        self._empty_log()

    @property
    def waiting(self) -> int:
        """How many are not ended."""
        return int(self._run("SELECT count(*) FROM event WHERE state != 'ended'").fetchone()[0])

    def ends(self) -> dict[str, int]:
        """How events ended, counted."""
        return dict(self._run("SELECT how, count(*) FROM event WHERE state = 'ended' GROUP BY how").fetchall())

    def _crowded(self, here: str) -> str:
        everywhere, in_this = self._run(
            "SELECT count(*), coalesce(sum(conversation = ?), 0) FROM event WHERE state != 'ended' AND crowded = ''",
            here,
        ).fetchone()
        if in_this >= self._bounds.waiting_here:
            return "here"
        return "all" if everywhere >= self._bounds.waiting else ""

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


def _bounded(said: Asked | Judged) -> Asked | Judged:
    """No longer than what the service would refuse in any case."""
    if isinstance(said, Judged):
        return said
    earlier = tuple(one[:_MOST_CHARS] for one in said.earlier[-_MOST_EARLIER:])
    return replace(said, text=said.text[:_MOST_CHARS], earlier=earlier)


def _written(said: Asked | Judged) -> str:
    return json.dumps({"kind": type(said).__name__, **asdict(said)})


def _read(body: str) -> Asked | Judged:
    form: dict[str, Any] = json.loads(body)
    place = Place(**{**form["place"], "audience": Audience(form["place"]["audience"])})
    account, event = Account(**form["account"]), form["event"]
    if form["kind"] == "Judged":
        verdict = Verdict(form["verdict"])
        return Judged(event=event, account=account, place=place, receipt=form["receipt"], verdict=verdict)
    earlier = tuple(form["earlier"])
    return Asked(
        event=event, account=account, place=place, text=form["text"], earlier=earlier, language=form["language"]
    )
