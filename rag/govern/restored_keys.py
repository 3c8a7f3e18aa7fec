"""A restored home ends again what had ended: revoked keys, and people who are shut out. By the revocations of the home
that is replaced, of those that earlier restores set aside in it, and by those that are named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rag.credentials import revocations
from rag.credentials.revocations import Ended
from rag.errors import SettingsError
from rag.store.home_key import HomeKey
from rag.store.ledger import Ledger


class RestoredKeys:
    """The revocations that count for a restore into `home`; `journal` is the erasure journal that was asked for.

    Where none is known, nobody can tell which keys were revoked since the backup was made: all of them are held.
    `again` counts what was ended again, `held` the keys that wait for `rag keys release`.
    """

    def __init__(self, home: Path, named: Path | None) -> None:
        self._home = home
        self._named = named
        places = [home / revocations.NAME, *home.glob(f"before-restore-*/{revocations.NAME}")]
        self._there = [path for path in places if path.is_file()]
        self._known: list[Ended] = []
        self.again = self.held = 0

    def reapply(self, ledger: Ledger, staged: Path) -> None:
        """End again in a ledger that is about to take its place.

        Raises:
            SettingsError: the revocations that were named cannot be used; nothing was changed.
        """
        key = HomeKey(staged)
        if self._named is not None:
            self._known.append(revocations.read(self._named, key))
        for path in self._there:
            with suppress(SettingsError):  # of another home: nothing in it means anything here
                self._known.append(revocations.read(path, key))
        self.again, self.held = revocations.reapply(ledger, self._known, hold=not self._known)

    def keep(self, ledger: Ledger) -> None:
        """The revocations of the home that was made: everything that is known."""
        if self._known or ledger.rows("SELECT 1 FROM api_keys LIMIT 1"):
            revocations.keep(ledger, known=self._known)
