"""The writing of the audit log's chain: records go to the file of the day, which is sealed when the day is over, and
whole days go when their time is up."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rag.errors import StoreError
from rag.store import copies
from rag.store.chain_key import key_in
from rag.store.segments import (
    BEGUN,
    PURGED,
    SEALED,
    START,
    Segment,
    chained,
    drop_unfinished,
    last_line,
    line,
    lines,
    record_of,
    segments,
)
from rag.store.verifying import Anchor

_log = logging.getLogger(__name__)

COUNCIL = "council.json"
_BLOCK_BYTES = 1 << 20
_BACK_S = 5.0


class Chain:
    """Thread-safe. `sealed` is told the last record of each day that is sealed.

    A day is over when the clock says another, later one: a clock that goes back ends none, and is noted in the record.
    """

    def __init__(
        self, directory: Path, *, clock: Callable[[], datetime], sealed: Callable[[Anchor, str], None]
    ) -> None:
        self._lock, self._files = threading.Lock(), threading.RLock()
        self._directory, self._clock, self._sealed = directory, clock, sealed
        self._file = -1
        self.failures = 0
        """Records that could not be written."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._resume()
            self.key = key_in(directory / "key", anew=not self._sequence)
        except OSError as error:
            raise StoreError(f"The audit log in {directory} cannot be opened: {error.strerror}.") from error

    def append(self, entry: dict[str, Any]) -> None:
        """Write a record, durably.

        Raises:
            StoreError: it cannot be written; nothing of it is left.
        """
        with self._lock:
            try:
                self._append(entry)
            except StoreError:
                self.failures += 1
                raise

    def _append(self, entry: dict[str, Any]) -> None:
        today = f"{self.now():%Y-%m-%d}"
        if self._file >= 0 and self._day < today:
            self._seal()
        if self._file < 0:
            self._begin(max(today, self._day))
        self._write(entry)

    def now(self) -> datetime:
        """The clock, in UTC."""
        return self._clock().astimezone(UTC)

    @property
    def head(self) -> Anchor:
        """The newest record's number and hash."""
        with self._lock:
            return Anchor(self._sequence, self._head)

    def records(self, *, since: str = "") -> Iterator[dict[str, Any]]:
        """Every record, oldest first, of the days from `since` (``2026-11-26``) on; the file before days always.

        Raises:
            StoreError: one is damaged.
        """
        for segment in segments(self._directory):
            if not segment.day or segment.day >= since:
                yield from self._read(segment)

    def holding(self, text: str, *, day: str) -> list[dict[str, Any]]:
        """The records of a day that hold a text, in order; every one is looked at."""
        found = []
        for segment in segments(self._directory):
            if segment.day == day:
                with suppress(FileNotFoundError):  # purged meanwhile
                    for written in lines(segment.path, self._sizes().get(segment.path.name)):
                        if text.encode() in written and (record := record_of(written)) is not None:
                            found.append(record)
        return found

    def lines(self) -> Iterator[bytes]:
        """Every record as it is written; one that is being appended is not among them."""
        for segment in segments(self._directory):
            with suppress(FileNotFoundError):  # purged meanwhile
                yield from lines(segment.path, self._sizes().get(segment.path.name))

    @contextmanager
    def still(self) -> Iterator[dict[str, int]]:
        """No file goes meanwhile; gives how much of the file that is written to is whole, by name."""
        with self._files:
            yield self._sizes()

    def _read(self, segment: Segment) -> Iterator[dict[str, Any]]:
        with suppress(FileNotFoundError):  # purged meanwhile
            for number, written in enumerate(lines(segment.path, self._sizes().get(segment.path.name)), 1):
                record = record_of(written)
                if record is None:
                    raise StoreError(
                        f"Record {number} of the audit log {segment.path.name} is damaged; `rag audit verify` tells "
                        f"from where on."
                    )
                yield record

    def turn(self) -> None:
        """Seal the day before, if it is over and has records."""
        with self._lock:
            if self._file >= 0 and self._day < f"{self.now():%Y-%m-%d}":
                self._seal()

    def purge(self, *, before: str) -> int:
        """Drop whole sealed days before the day `before` (``2026-11-26``); gives how many records went. A record of it
        keeps their seals, so that the rest still verifies."""
        with self._files:
            self.turn()
            gone, old = [], []
            for segment in segments(self._directory):
                last = record_of(last_line(segment.path)) or {}
                if last.get("event") != SEALED or (segment.day or str(last["at"])[:10]) >= before:
                    break
                old.append(segment)
                count, seal = last["count"] + 1, {"seal": last["hash"], "last": last["sequence"]}
                gone.append({"day": segment.day, "count": count, **seal})
            if not old:
                return 0
            if not self._purged_before(gone[-1]["seal"]):
                self.append({"event": PURGED, "segments": gone})
            for segment in old:
                segment.path.unlink()
            copies.sync(self._directory)
        counted = sum(int(entry["count"]) for entry in gone)
        _log.info("Audit records were purged", extra={"action": "audit_purged", "records": counted, "before": before})
        return counted

    def _purged_before(self, seal: str) -> bool:
        """Whether a purge was recorded but not carried out: the process ended in between."""
        purges = (record for record in self.records() if record["event"] == PURGED)
        return any(entry["seal"] == seal for record in purges for entry in record["segments"])

    def copy_to(self, directory: Path) -> dict[str, str]:
        """Copy the key and the records so far, durably; gives the sha256 of each file. Records go on meanwhile."""
        with self._files:
            sizes = self._sizes()
            named = [self._directory / name for name in ("key", COUNCIL) if (self._directory / name).exists()]
            named += [segment.path for segment in segments(self._directory)]
            return {path.name: _copied(path, directory / path.name, sizes.get(path.name)) for path in named}

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _sizes(self) -> dict[str, int]:
        """How much of the file that is written to is whole."""
        with self._lock:
            return {self._path.name: self._size} if self._file >= 0 else {}

    def _resume(self) -> None:
        """Go on after the newest record. A file without one was made when the machine stopped, and is removed."""
        self._sequence, self._head, self._day, self._count, self._size = 0, START, "", 0, 0
        self._at: datetime | None = None
        for segment in reversed(segments(self._directory)):
            file = os.open(segment.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            drop_unfinished(file)
            if not os.fstat(file).st_size:
                os.close(file)
                segment.path.unlink()
                continue
            last = record_of(last_line(segment.path))
            if last is None or not isinstance(last.get("sequence"), int) or not isinstance(last.get("hash"), str):
                os.close(file)
                raise StoreError(
                    f"The last record of the audit log {segment.path} is damaged. Move the file away to keep it, and "
                    f"start again."
                )
            self._sequence, self._head, self._day, self._path = last["sequence"], last["hash"], *segment
            self._count, self._size = sum(1 for _ in lines(segment.path)), segment.path.stat().st_size
            if last.get("event") == SEALED:
                os.close(file)
            else:
                self._file = file
            return

    def _begin(self, day: str) -> None:
        self._path = self._directory / f"{day}.jsonl"
        if self._path.exists():  # sealed although its day was not over: the clock went back since
            day = f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}"
            self._path = self._directory / f"{day}.jsonl"
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            copies.sync(self._directory)
        except OSError as error:
            raise _down(error) from error
        self._day, self._count, self._size = day, 0, 0
        try:
            self._write({"event": BEGUN, "day": day, "before": self._head})
        except StoreError:
            os.close(self._file)
            self._file = -1
            with suppress(OSError):
                self._path.unlink()
            raise

    def _seal(self) -> None:
        self._write({"event": SEALED, "count": self._count, "last": self._head})
        os.close(self._file)
        self._file = -1
        self._sealed(Anchor(self._sequence, self._head), self._day)

    def _write(self, entry: dict[str, Any]) -> None:
        now = self._clock()
        back = (self._at - now).total_seconds() if self._at is not None else 0.0
        told = {"clock_back_s": round(back, 1)} if back > _BACK_S else {}
        record = {"sequence": self._sequence + 1, "at": now.astimezone(UTC).isoformat(), **entry, **told}
        record["hash"] = chained(self._head, record, self.key)
        written = line(record)
        try:
            self._refuse_another_file()
            if os.write(self._file, written) != len(written):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)  # no half record, and none that was not acknowledged
            raise _down(error) from error
        self._sequence, self._head, self._at = record["sequence"], record["hash"], now
        self._count, self._size = self._count + 1, self._size + len(written)

    def _refuse_another_file(self) -> None:
        """A file that was removed or moved away is written to without an error, and nobody would find the record.

        Raises:
            OSError: the file of that name is not the one that is open.
        """
        if not os.path.samestat(os.fstat(self._file), self._path.stat()):
            raise OSError(errno.ESTALE, "its file was moved away")


def _down(error: OSError) -> StoreError:
    return StoreError(f"The audit log cannot be written ({error.strerror}); without a record no question is answered.")


def _copied(source: Path, target: Path, size: int | None) -> str:
    left = source.stat().st_size if size is None else size
    digest = hashlib.sha256()
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as written, open(made, "wb") as out:  # noqa: PTH123  # made with its mode
        while block := written.read(min(left, _BLOCK_BYTES)):
            left -= len(block)
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(made)
    return digest.hexdigest()
