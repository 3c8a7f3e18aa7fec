"""What an index's files were when it was closed: how a damaged one is told before a library opens it.

Both indexes are native code that believes its files: one flipped bit made Chroma die of a segmentation fault, give
other neighbours, or panic. A sum over all bytes costs a second a gigabyte and finds every such change.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_BLOCK_BYTES = 1 << 20
_PASSING = (".lock", ".managed.json", "-journal", "-wal", "-shm")  # kept by the libraries for the time they are open


class Sum(NamedTuple):
    """One file: bytes, when it was written, CRC-32 of its content."""

    size: int
    mtime_ns: int
    crc: int


Seal = Mapping[str, Sum]
"""Path below the index's directory → its sum."""


def seal(directory: Path, before: Seal | None = None) -> Seal:
    """The seal of a closed index. A file that has the size and time it had `before` is not read again."""
    return {name: _sum(path, (before or {}).get(name)) for name, path in _files(directory)}


def broken(directory: Path, sealed: Seal) -> list[str]:
    """The files that are gone or not what they were, in order; every byte is read."""
    there = dict(_files(directory))
    return sorted(name for name, old in sealed.items() if name not in there or _sum(there[name])[::2] != old[::2])


def as_text(sealed: Seal) -> str:
    """For the ledger."""
    return json.dumps(sealed)


def from_text(text: str) -> Seal:
    """From the ledger."""
    return {name: Sum(*values) for name, values in json.loads(text).items()}


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_PASSING):
            yield str(path.relative_to(directory)), path


def _sum(path: Path, before: Sum | None = None) -> Sum:
    state = path.stat()
    if before is not None and (before.size, before.mtime_ns) == (state.st_size, state.st_mtime_ns):
        return before
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return Sum(state.st_size, state.st_mtime_ns, crc)
