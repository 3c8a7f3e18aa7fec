"""The files of the audit log: one a day, a record a line, each record chained to the one before by a keyed hash.

`log.jsonl`, where there is one, is what versions before segments wrote: its chain has no key, and a keyed seal at its
end. After it comes `2026-11-26.jsonl` for each day with records: a record `begun` that names the seal before it, what
was recorded, and, once the day is over, a record `sealed` with the count and the last hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)

START = "0" * 64
"""What the first record is chained to."""
FIRST = "log.jsonl"
BEGUN, SEALED, PURGED = "begun", "sealed", "purged"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.jsonl")
_BLOCK_BYTES = 4096


class Segment(NamedTuple):
    """One file. `day` is "" for the one from before segments; segments sort as they follow each other."""

    day: str
    path: Path


def segments(directory: Path) -> list[Segment]:
    """Every file there is, oldest first."""
    names = sorted(path.name for path in directory.iterdir() if _DAY.fullmatch(path.name))
    first = [Segment("", directory / FIRST)] if (directory / FIRST).exists() else []
    return first + [Segment(name.removesuffix(".jsonl"), directory / name) for name in names]


def line(record: dict[str, Any]) -> bytes:
    """A record as it is written."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def record_of(written: bytes) -> dict[str, Any] | None:
    """The record a line holds, or None where it is not, byte for byte, one that was written here."""
    try:
        record = json.loads(written)
        return record if isinstance(record, dict) and line(record) == written else None
    except (ValueError, RecursionError):
        return None


def chained(before: str, record: dict[str, Any], key: bytes | None) -> str:
    """The hash of a record, all but its own hash, and of the one before it; without a key as log.jsonl has it."""
    content = json.dumps({k: v for k, v in record.items() if k != "hash"}, separators=(",", ":"), sort_keys=True)
    whole = f"{before}{content}".encode()
    return hashlib.sha256(whole).hexdigest() if key is None else hmac.new(key, whole, hashlib.sha256).hexdigest()


def lines(path: Path, size: int | None = None) -> Iterator[bytes]:
    """The lines of the first `size` bytes, or of all."""
    left = path.stat().st_size if size is None else size
    with path.open("rb") as written:
        for entry in written:
            if left <= 0:
                return
            left -= len(entry)
            yield entry


def last_line(path: Path) -> bytes:
    """The last line, b"" where there is none; only the end of the file is read."""
    with path.open("rb") as written:
        end = written.seek(0, os.SEEK_END)
        tail = b""
        while end and b"\n" not in tail[:-1]:
            start = max(0, end - _BLOCK_BYTES)
            written.seek(start)
            tail, end = written.read(end - start) + tail, start
    return tail[:-1].rpartition(b"\n")[2] + tail[-1:]


def drop_unfinished(file: int) -> None:
    """A last line without its end was being written when the machine stopped: nobody was answered on its strength."""
    size = end = os.fstat(file).st_size
    while end:
        block = os.pread(file, min(_BLOCK_BYTES, end), max(0, end - _BLOCK_BYTES))
        end -= len(block) - (block.rfind(b"\n") + 1)
        if b"\n" in block:
            break
    if end < size:
        os.ftruncate(file, end)
        os.fsync(file)
        _log.warning("An unfinished audit record was taken off", extra={"action": "audit_cut", "bytes": size - end})
