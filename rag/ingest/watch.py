"""Keep sources level until stopped: hints bring a sync forward, a full sync every so often is the truth."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)
_RETRY_S = 60.0
_LONGEST_S = 60.0  # a source that is never quiet is synced all the same


class Watch:
    """A loop that syncs each source when it has been quiet for `settle_s` after a hint, or a minute after the first
    hint where it is never quiet, and every `full_sync_s`.

    `sync` is called with a source's name, from one thread only.
    """

    def __init__(
        self,
        names: Mapping[str, object],
        sync: Callable[[str], None],
        *,
        settle_s: float = 2.0,
        full_sync_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sync, self._settle_s, self._full_sync_s, self._clock = sync, settle_s, full_sync_s, clock
        self._due = {name: clock() for name in names}
        self._hinted: dict[str, float] = {}
        self._wake = threading.Condition()
        self._stopped = False

    def hint(self, name: str) -> None:
        """Something changed in a source: sync it once it has been quiet."""
        with self._wake:
            first = self._hinted.setdefault(name, self._clock())
            self._due[name] = min(self._clock() + self._settle_s, first + _LONGEST_S)
            self._wake.notify()

    def stop(self) -> None:
        """End the loop after the sync that is under way."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: a long sync asks this between two documents."""
        return self._stopped

    def run(self) -> None:
        """Sync every source once, then keep watching until `stop`. A failed sync is logged and tried again."""
        while True:
            self.turn()
            with self._wake:
                if self._stopped:
                    return
                self._wake.wait(self._pause())

    def turn(self) -> float:
        """Sync what is due now; returns the seconds until something is due again."""
        for name in self._ready():
            if self._stopped:
                break
            with self._wake:
                self._due[name] = self._clock() + self._full_sync_s
                self._hinted.pop(name, None)
            try:
                self._sync(name)
            except Exception:
                with self._wake:
                    self._due[name] = min(self._due[name], self._clock() + _RETRY_S)
                _log.exception("A sync failed; it is tried again", extra={"action": "sync_failed", "source": name})
        with self._wake:
            return self._pause()

    def _ready(self) -> list[str]:
        now = self._clock()
        with self._wake:
            return [name for name, due in self._due.items() if due <= now]

    def _pause(self) -> float:
        return max(0.0, min(self._due.values(), default=_LONGEST_S) - self._clock())
