"""The erasure journal: a copy of all tombstones outside the ledger, so that an older backup, which does not know of an
erasure, is erased again before anything in it can be found.

It holds keyed hashes and opaque keys, no name: whoever has the file alone learns how much was erased and when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from rag.errors import SettingsError, StoreError
from rag.store import copies
from rag.store.home_key import HomeKey
from rag.store.tombstones import Tombstone

NAME = "erasures.jsonl"
_FORMAT = 1


def keep(path: Path, key: HomeKey, stones: Iterable[Tombstone]) -> None:
    """Write these and everything the journal knew, whole and durable or not at all.

    Raises:
        StoreError: it cannot be written; the older one is as it was.
    """
    known = {stone.path: stone for stone in _known(path, key)}
    for stone in stones:
        known[stone.path] = stone.joined(known[stone.path]) if stone.path in known else stone
    lines = [{"format": _FORMAT, "home": key.name}, *(asdict(known[name]) for name in sorted(known))]
    try:
        copies.write_lines(path, lines)
    except OSError as error:
        raise StoreError(f"The erasure journal {path} cannot be written: {error.strerror}.") from error


def read(path: Path, key: HomeKey) -> list[Tombstone]:
    """Every tombstone of a journal.

    Raises:
        SettingsError: it is not there, is damaged, or belongs to another home.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        head, *rest = (json.loads(line) for line in lines)
        home, form = head["home"], int(head["format"])
        stones = [_stone(line) for line in rest]
    except OSError as error:
        raise SettingsError(f"The erasure journal {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"The erasure journal {path} is damaged, or is none. Use another copy of it.") from error
    if form > _FORMAT:
        raise SettingsError(f"The erasure journal {path} was written by a newer Archivar. Install that first.")
    if home != key.name:
        raise SettingsError(f"The erasure journal {path} belongs to another home than this backup.")
    return stones


def _known(path: Path, key: HomeKey) -> list[Tombstone]:
    try:
        return read(path, key)
    except SettingsError:
        return []  # none yet, or not ours: the ledger holds all that was erased here


def _stone(line: dict[str, object]) -> Tombstone:
    names = {name: tuple(map(str, line[name])) for name in ("documents", "contents", "stays")}  # type: ignore[call-overload]  # what cannot be walked through is damaged
    allowed = line["allowed_at"]
    return Tombstone(
        path=str(line["path"]),
        erasure=str(line["erasure"]),
        erased_at=str(line["erased_at"]),
        allowed_at=None if allowed is None else str(allowed),
        **names,
    )
