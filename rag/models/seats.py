"""How many texts a model writes at the same time. Whoever lets it write takes a seat first and gives it back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Seats:
    """So many seats before a model. Safe to use from several threads; nobody ever waits here."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError("a model has at least one seat")
        self.count = self._allowed = count
        self._taken = 0
        self._lock = threading.Lock()
        self._told: list[Callable[[], None]] = []

    @property
    def free(self) -> int:
        """How many are free now."""
        return max(0, self._allowed - self._taken)

    def allow(self, count: int) -> None:
        """So many of them, 1 to all, may be taken from now on: a model on fewer servers writes fewer texts. Those that
        are taken stay so."""
        with self._lock:
            more = count > self._allowed
            self._allowed = min(max(1, count), self.count)
        if more:
            self._say_so()

    def take(self) -> bool:
        """Take a seat, if one is free."""
        with self._lock:
            if self._taken >= self._allowed:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        """Leave a seat that was taken; those who wanted to know are told."""
        with self._lock:
            if self._taken == 0:
                raise ValueError("no seat is taken")
            self._taken -= 1
        self._say_so()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """A seat for what can do without: whether one was free."""
        free = self.take()
        try:
            yield free
        finally:
            if free:
                self.give_back()

    def tell(self, freed: Callable[[], None]) -> None:
        """Have `freed` called whenever a seat becomes free, in whatever thread left it."""
        self._told.append(freed)

    def _say_so(self) -> None:
        for tell in self._told:
            tell()
