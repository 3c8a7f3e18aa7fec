"""What has ended, outside the ledger: a restored backup does not know of it, and must not bring it back to life.

`revocations.jsonl` in the home holds ids of revoked keys and keyed hashes of people who are shut out, no secret and no
name. A restore reads the one of the home it replaces, those set aside there, and one that is given. Where there is
none, the keys of the backup are held until somebody says that they are still good (`rag keys release`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rag.errors import SettingsError, StoreError
from rag.store import copies
from rag.store.home_key import HomeKey
from rag.store.ledger import Ledger
from rag.store.rows import now

NAME = "revocations.jsonl"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """Id of a revoked key → when; keyed hash of a person shut out → when."""

    keys: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def joined(self, other: Ended) -> Ended:
        """What either knows."""
        return Ended({**other.keys, **self.keys}, {**other.people, **self.people})


def suspension_hash(key: HomeKey, plain_name: str) -> str:
    """What stands for a person who is shut out, in the ledger and here."""
    return key.hashed(f"suspended {plain_name}")


def begin(ledger: Ledger) -> None:
    """Have a file, also if nothing has ended yet: that there is one says that nothing is missing."""
    if not (ledger.path.parent / NAME).exists():
        keep(ledger)


def keep(ledger: Ledger, *, also: Iterable[str] = (), known: Iterable[Ended] = ()) -> None:
    """Write what the ledger knows to have ended, what the file knew, and `also` these keys, or what else is `known`.

    Raises:
        StoreError: it cannot be written; the older one is as it was.
    """
    path = ledger.path.parent / NAME
    ended = of_ledger(ledger).joined(_known(path, ledger.home_key))
    for one in (Ended(dict.fromkeys(also, now())), *known):
        ended = ended.joined(one)
    _write(path, ledger.home_key, ended)


def resume(ledger: Ledger, person: str) -> None:
    """Take a person out again.

    Raises:
        StoreError: it cannot be written.
    """
    path = ledger.path.parent / NAME
    known = of_ledger(ledger).joined(_known(path, ledger.home_key))
    known.people.pop(person, None)
    _write(path, ledger.home_key, known)


def of_ledger(ledger: Ledger) -> Ended:
    """What the ledger itself knows."""
    keys = ledger.rows("SELECT id, revoked_at FROM api_keys WHERE revoked_at IS NOT NULL")
    people = ledger.rows("SELECT hash, at FROM suspended")
    return Ended({row["id"]: row["revoked_at"] for row in keys}, {row["hash"]: row["at"] for row in people})


def read(path: Path, key: HomeKey) -> Ended:
    """What a file knows.

    Raises:
        SettingsError: it is not there, is damaged, or belongs to another home.
    """
    try:
        head, *lines = (json.loads(line) for line in path.read_text(encoding="ascii").splitlines())
        home, form = head["home"], int(head["format"])
        found = Ended(
            {str(line["key"]): str(line["at"]) for line in lines if "key" in line},
            {str(line["person"]): str(line["at"]) for line in lines if "person" in line},
        )
    except OSError as error:
        raise SettingsError(f"The revocations {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"The revocations {path} are damaged, or are none. Use another copy.") from error
    if form > _FORMAT:
        raise SettingsError(f"The revocations {path} were written by a newer Archivar. Install that first.")
    if home != key.name:
        raise SettingsError(f"The revocations {path} belong to another home than this backup.")
    return found


def reapply(ledger: Ledger, known: Iterable[Ended], *, hold: bool) -> tuple[int, int]:
    """End again, in a ledger that does not know of it; with `hold` every key that is good is held. Gives how many were
    revoked or shut out, and how many are held."""
    ended = Ended()
    for one in known:
        ended = ended.joined(one)
    again = held = 0
    with ledger.transaction():
        for name, at in ended.keys.items():
            again += ledger.change("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (at, name))
        for name, at in ended.people.items():
            again += ledger.change("INSERT OR IGNORE INTO suspended VALUES (?, NULL, ?)", (name, at))
        if hold:
            held = ledger.change(
                "UPDATE api_keys SET held_at = ? WHERE revoked_at IS NULL AND held_at IS NULL", (now(),)
            )
    return again, held


def known(ledger: Ledger) -> Ended:
    """What the file of a home knows, beyond its ledger."""
    path = ledger.path.parent / NAME
    return _known(path, ledger.home_key) if path.exists() else Ended()


def _known(path: Path, key: HomeKey) -> Ended:
    try:
        return read(path, key)
    except SettingsError:
        return Ended()  # none yet, or not ours: the ledger holds all that ended here


def _write(path: Path, key: HomeKey, ended: Ended) -> None:
    lines: list[dict[str, object]] = [{"format": _FORMAT, "home": key.name}]
    lines += [{"key": name, "at": at} for name, at in sorted(ended.keys.items())]
    lines += [{"person": name, "at": at} for name, at in sorted(ended.people.items())]
    try:
        copies.write_lines(path, lines)
    except OSError as error:
        raise StoreError(
            f"What has ended could not be written to {path}: {error.strerror}. It has ended here; an older backup does "
            f"not know. Make room and run the command again."
        ) from error
