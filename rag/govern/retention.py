"""How long records are kept: each kind for its days, and a purge once a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from rag.errors import RagError

_log = logging.getLogger(__name__)

_LOOK_S = 60.0

Purge: TypeAlias = Callable[[str], int]
"""Erases what is older than a day (``2026-11-26``, UTC); gives how much it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of record, and for how many days it is kept."""

    name: str
    days: int
    purge: Purge


def purge(kinds: Iterable[Kind], *, now: datetime) -> dict[str, int]:
    """Erase what is too old; kind → how much went. A record made today is a day old tomorrow."""
    return {kind.name: kind.purge(f"{now.astimezone(UTC) - timedelta(days=kind.days):%Y-%m-%d}") for kind in kinds}


class Daily:
    """Runs `work` at once and then whenever another day has begun (UTC), in a thread of its own, until closed.

    What fails is logged and tried again at the next look, a minute later.
    """

    def __init__(self, work: Callable[[], object], *, clock: Callable[[], datetime], look_s: float = _LOOK_S) -> None:
        self._work, self._clock, self._look_s = work, clock, look_s
        self._stopped = threading.Event()
        self._done = ""
        self._thread = threading.Thread(target=self._run, name="daily")
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(self._look_s)

    def look(self) -> None:
        """Do the work, if it was not done today."""
        today = f"{self._clock().astimezone(UTC):%Y-%m-%d}"
        if today == self._done:
            return
        try:
            self._work()
            self._done = today
        except RagError as error:
            _log.error("Old records could not be purged: %s", error, extra={"action": "purge_failed"})
