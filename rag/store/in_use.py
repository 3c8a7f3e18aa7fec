"""Something that several threads use and one of them closes: closing waits until nobody is at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import StoreError

_PATIENCE_S = 30.0


class InUse:
    """Who is at it is counted; `what` it is, is told those who come when it is closed. Thread-safe. Open at first."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._free = threading.Condition()
        self._users = 0
        self._closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Not closed meanwhile.

        Raises:
            StoreError: it is closed.
        """
        with self._free:
            if self._closed:
                raise StoreError(f"{self._what} is closed.")
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                self._free.notify_all()

    def end(self) -> bool:
        """Nobody comes to it from here on; waits for those who are at it, half a minute at most. False: it was closed
        already, and whoever closed it sees to the rest."""
        with self._free:
            if self._closed:
                return False
            self._closed = True
            self._free.wait_for(lambda: not self._users, timeout=_PATIENCE_S)
        return True

    def begin(self) -> None:
        """It may be used again."""
        with self._free:
            self._closed = False
