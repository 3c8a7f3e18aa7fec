"""People who are shut out, whatever they show, from that moment on: by `rag keys suspend` or by `[auth] suspended`.

Names are compared without regard to case and to how letters are composed: better one too many shut out than one let in.
A suspension outlives the erasure of the person's name: it is kept by a keyed hash.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rag.credentials import revocations
from rag.credentials.revocations import suspension_hash
from rag.errors import SettingsError
from rag.store.ledger import Ledger
from rag.store.rows import now


class Suspended(NamedTuple):
    """Somebody who is shut out; `user` is None once the name was erased, `at` where it stands in the settings."""

    user: str | None
    at: str | None


class Suspensions:
    """Those of one home, held in memory: every change goes through here, and counts at once. Thread-safe. `listed` are
    those of the settings."""

    def __init__(self, ledger: Ledger, *, listed: Iterable[str] = ()) -> None:
        self._ledger = ledger
        self._listed = {plain(user): user for user in listed}
        self._lock = threading.Lock()
        self._hashes = frozenset(row["hash"] for row in ledger.rows("SELECT hash FROM suspended"))

    def hold(self, names: Iterable[str]) -> bool:
        """Whether whoever goes by these names is shut out."""
        if not self._hashes and not self._listed:
            return False
        return any(plain(name) in self._listed or self._hash(name) in self._hashes for name in names)

    def all(self) -> list[Suspended]:
        """Everybody who is shut out, those of the settings first."""
        rows = self._ledger.rows("SELECT user, at FROM suspended ORDER BY at, user")
        listed = [Suspended(user, None) for user in self._listed.values()]
        return listed + [Suspended(row["user"], row["at"]) for row in rows]

    def suspend(self, user: str) -> bool:
        """Shut somebody out; False: they were already.

        Raises:
            SettingsError: it cannot be a name.
            StoreError: they are shut out, but this could not be written down.
        """
        if not user.strip() or not user.isprintable():
            raise SettingsError("Whom? Give the name they sign in by.")
        with self._lock:
            name = self._hash(user)
            fresh = name not in self._hashes
            self._hashes |= {name}  # first: it counts, whatever becomes of the disk
            if fresh:
                self._ledger.change("INSERT OR IGNORE INTO suspended VALUES (?, ?, ?)", (name, user, now()))
            revocations.keep(self._ledger)
        return fresh

    def resume(self, user: str) -> bool:
        """Let somebody in again; False: they were not shut out.

        Raises:
            SettingsError: they are shut out by the settings.
        """
        if plain(user) in self._listed:
            raise SettingsError(f'"{user}" is suspended in rag.toml: take the name out there, under [auth] suspended.')
        with self._lock:
            name = self._hash(user)
            found = name in self._hashes
            if found:
                self._ledger.change("DELETE FROM suspended WHERE hash = ?", (name,))
                revocations.resume(self._ledger, name)
                self._hashes -= {name}
        return found

    def forget(self, names_person: Callable[[str], bool]) -> int:
        """Erase the name of a person; they stay shut out. Gives how many names there were."""
        rows = self._ledger.rows("SELECT hash, user FROM suspended WHERE user IS NOT NULL")
        gone = [row["hash"] for row in rows if names_person(row["user"])]
        for name in gone:
            self._ledger.change("UPDATE suspended SET user = NULL WHERE hash = ?", (name,))
        return len(gone)

    def _hash(self, user: str) -> str:
        return suspension_hash(self._ledger.home_key, plain(user))


def plain(user: str) -> str:
    """A name as names are compared."""
    folded = user
    for _ in range(2):  # once is not enough for every letter: Unicode 3.13, D146
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded).casefold()).strip()
    return folded
