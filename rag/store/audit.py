"""Who was shown what: an append-only, hash-chained log. A record is opened before the prompt, closed with the answer.

It holds opaque document keys and keyed hashes, never a name, a path, a question or an answer; the way back from key to
document is in the ledger, where it can be erased. No durable record means no answer.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.access import Channel, Principal
from rag.answers import Passage
from rag.errors import StoreError

_log = logging.getLogger(__name__)

_START = "0" * 64
_KEY_BYTES = 32
_BLOCK_BYTES = 1 << 20


class AuditLog:
    """One log file and the key of its hashes. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._key = _key(directory / "key")
            self._path = directory / "log.jsonl"
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            _drop_unfinished(self._file)
            self._sequence, self._head = _last(self._path)
        except OSError as error:
            raise StoreError(f"The audit log in {directory} cannot be opened: {error.strerror}.") from error

    def open(
        self,
        *,
        question: str,
        principal: Principal,
        channel: Channel,
        passages: Sequence[Passage],
        acting: str | None = None,
    ) -> str:
        """Write, durably, that a question is about to be answered from these passages; returns the receipt.

        `acting` names who asked on the principal's behalf. Raises StoreError where the record cannot be made durable.
        """
        receipt = secrets.token_urlsafe(12)
        self._append(
            {
                "event": "opened",
                "receipt": receipt,
                "user": self.pseudonym(principal.user),
                **({"acting": self.pseudonym(acting)} if acting else {}),
                "question": self._hash(question),
                "channel": channel.kind.value,
                "audience": channel.audience.value,
                "passages": [
                    [passage.key, passage.chunk.version, passage.chunk.span.start, passage.chunk.span.end]
                    for passage in passages
                ],
            }
        )
        return receipt

    def close_record(self, receipt: str, *, outcome: str, model: str, digest: str, cited: Sequence[str]) -> None:
        """Write, durably, how the answer ended; `cited` are document keys."""
        self._append(
            {
                "event": "closed",
                "receipt": receipt,
                "outcome": outcome,
                "model": model,
                "digest": digest,
                "cited": list(cited),
            }
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record, oldest first."""
        for number, line in enumerate(self._lines(), 1):
            record = _record(line)
            if record is None:
                raise StoreError(
                    f"Record {number} of the audit log is damaged; `rag audit verify` tells from where on."
                )
            yield record

    def verify(self) -> int | None:
        """The 1-based number of the first record that is changed, missing or out of order; None where all are well.

        A cut-off tail is seen only against a head hash that was kept elsewhere.
        """
        before = _START
        for number, line in enumerate(self._lines(), 1):
            record = _record(line)
            if record is None or record.get("sequence") != number or record.get("hash") != _chained(before, record):
                return number
            before = record["hash"]
        return None

    def pseudonym(self, user: str) -> str:
        """A name that stays the same within this home and tells nothing without its key."""
        return self._hash(user)

    @property
    def head(self) -> str:
        """The hash of the newest record: print it, and keep it elsewhere."""
        return self._head

    def copy_to(self, directory: Path) -> dict[str, str]:
        """Copy the key and the records so far, durably; gives the sha256 of each file. Records go on meanwhile."""
        with self._lock:
            size = os.fstat(self._file).st_size
        sums = {}
        for name, source, length in (("key", self._path.with_name("key"), _KEY_BYTES), ("log.jsonl", self._path, size)):
            left = length
            made = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            digest = hashlib.sha256()
            with source.open("rb") as lines, open(made, "wb") as out:  # noqa: PTH123  # made with its mode
                while block := lines.read(min(left, _BLOCK_BYTES)):
                    left -= len(block)
                    digest.update(block)
                    out.write(block)
                out.flush()
                os.fsync(made)
            sums[name] = digest.hexdigest()
        return sums

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _lines(self) -> Iterator[bytes]:
        """The lines there are now; one that is being appended is not among them."""
        with self._lock:
            left = os.fstat(self._file).st_size
        with self._path.open("rb") as lines:
            for line in lines:
                if left <= 0:
                    return
                left -= len(line)
                yield line

    def _append(self, entry: dict[str, Any]) -> None:
        with self._lock:
            record = {"sequence": self._sequence + 1, "at": datetime.now(UTC).isoformat(), **entry}
            record["hash"] = _chained(self._head, record)
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, _line(record)) != len(_line(record)):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fdatasync(self._file)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._file, size)  # no half record, and none that was not acknowledged
                raise StoreError(
                    f"The audit log cannot be written ({error.strerror}); without a record no question is answered."
                ) from error
            self._sequence, self._head = record["sequence"], record["hash"]

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _key(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise StoreError(f"The audit log's key {path} is damaged. Restore it from a backup.")
        return key
    key, fresh = secrets.token_bytes(_KEY_BYTES), path.with_name("key.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, key)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)
    return key


def _drop_unfinished(file: int) -> None:
    """A last line without its end was being written when the machine stopped: nobody was answered on its strength."""
    size = end = os.fstat(file).st_size
    while end:
        block = os.pread(file, min(4096, end), max(0, end - 4096))
        end -= len(block) - (block.rfind(b"\n") + 1)
        if b"\n" in block:
            break
    if end < size:
        os.ftruncate(file, end)
        os.fsync(file)
        _log.warning("An unfinished audit record was taken off", extra={"action": "audit_cut", "bytes": size - end})


def _last(path: Path) -> tuple[int, str]:
    last = b""
    with path.open("rb") as lines:
        for line in lines:
            last = line
    if not last:
        return 0, _START
    record = _record(last)
    if record is None or not isinstance(record.get("sequence"), int) or not isinstance(record.get("hash"), str):
        raise StoreError(
            f"The last record of the audit log {path} is damaged. Move the file away to keep it, and start again."
        )
    return record["sequence"], record["hash"]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _record(line: bytes) -> dict[str, Any] | None:
    """The record a line holds, or None where it is not, byte for byte, one that was written here."""
    try:
        record = json.loads(line)
        return record if isinstance(record, dict) and _line(record) == line else None
    except (ValueError, RecursionError):
        return None


def _chained(before: str, record: dict[str, Any]) -> str:
    content = json.dumps({k: v for k, v in record.items() if k != "hash"}, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"{before}{content}".encode()).hexdigest()
