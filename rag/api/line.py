"""Who is next: a waiting line that is fair between people, not between questions.

People take turns in the order in which they came to wait; each turn serves the oldest of their questions. So whoever
asks fifty things delays everybody else by one. Nothing here knows time, threads or models.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A question's place in the line: `position` 1 is next, 0 means that its turn has come. `of` is how many wait."""

    position: int
    of: int


class Line(Generic[T]):
    """The questions that wait, by who asked them."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._turns.values()))

    def join(self, user: str, item: T) -> None:
        """Wait behind one's own, and, having none there, behind everybody else's turn."""
        self._turns.setdefault(user, deque()).append(item)

    def leave(self, user: str, item: T) -> None:
        """Give up the place; others move up.

        Raises:
            ValueError: it does not wait here.
        """
        if user not in self._turns:
            raise ValueError("it does not wait here")
        self._turns[user].remove(item)
        if not self._turns[user]:
            del self._turns[user]

    def first(self, may: Callable[[str], bool] = lambda user: True) -> T | None:
        """Whose turn it is, of those people who `may` be served now; None where there is nobody."""
        return next((waiting[0] for user, waiting in self._turns.items() if may(user)), None)

    def serve(self, may: Callable[[str], bool] = lambda user: True) -> T | None:
        """Take that question out of the line; the next turn of whoever asked it comes after everybody else's."""
        for user, waiting in self._turns.items():
            if may(user):
                item = waiting.popleft()
                self._turns.move_to_end(user)
                if not waiting:
                    del self._turns[user]
                return item
        return None

    def order(self) -> list[T]:
        """All that wait, as they would be served if nobody came or left."""
        rounds = max(map(len, self._turns.values()), default=0)
        return [waiting[n] for n in range(rounds) for waiting in self._turns.values() if len(waiting) > n]
