"""A restored home is erased again before anything in it can be found: by the journal of the home that is replaced, of
those that earlier restores set aside in it, and by the one that is named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rag.errors import SettingsError
from rag.govern.reapply import reapply
from rag.store import journal
from rag.store.home_key import HomeKey
from rag.store.ledger import Ledger
from rag.store.tombstones import Tombstone


class Journals:
    """The journals that count for a restore into `home`; `named` is the one that was asked for. `erased` counts the
    documents that were erased again, `known` whether there was any journal."""

    def __init__(self, home: Path, named: Path | None) -> None:
        self._home, self._named = home, named
        self._there = [
            path for path in (home / journal.NAME, *home.glob(f"before-restore-*/{journal.NAME}")) if path.is_file()
        ]
        self._contents: list[Tombstone] = []
        self.erased, self.known = 0, False

    def reapply(self, ledger: Ledger, staged: Path) -> None:
        """Erase again in a ledger that is about to take its place.

        Raises:
            SettingsError: the journal that was named cannot be used; nothing was changed.
        """
        key = HomeKey(staged)
        stones: dict[str, Tombstone] = {stone.path: stone for stone in ledger.tombstones()}
        self.known = bool(stones)
        if self._named is not None:
            self._take(stones, journal.read(self._named, key))
        for path in self._there:
            with suppress(SettingsError):  # of another home: nothing in it means anything here
                self._take(stones, journal.read(path, key))
        if stones:
            self.erased = reapply(ledger, key, list(stones.values()))

    def keep(self, ledger: Ledger) -> None:
        """The journal of the home that was made: everything that is known."""
        if self.known:
            journal.keep(self._home / journal.NAME, ledger.home_key, ledger.tombstones())

    def _take(self, stones: dict[str, Tombstone], found: list[Tombstone]) -> None:
        self.known = True
        for stone in found:
            stones[stone.path] = stone.joined(stones[stone.path]) if stone.path in stones else stone
