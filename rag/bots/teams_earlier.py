"""A person's own earlier questions in a conversation, for as long as a conversation lasts; kept in memory alone."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from rag.bots.adapter import Account, Place

_LASTS_S: Final = 1800.0
_MOST_EACH: Final = 4
_MOST_PLACES: Final = 2000


class Earlier:
    """What this process has taken. Nobody else's words are ever among it, the bot's own neither."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[tuple[str, str, str], deque[tuple[float, str, str]]] = OrderedDict()

    def of(self, account: Account, place: Place) -> tuple[str, ...]:
        """Oldest first."""
        since = self._clock() - _LASTS_S
        return tuple(text for at, text, _ in self._said.get(_key(account, place), ()) if at > since)

    def add(self, account: Account, place: Place, text: str, *, event: str) -> None:
        """This was said now, by the event of this id."""
        key = _key(account, place)
        self._said.setdefault(key, deque(maxlen=_MOST_EACH)).append((self._clock(), text, event))
        self._said.move_to_end(key)
        while len(self._said) > _MOST_PLACES:
            self._said.popitem(last=False)

    def forget(self, event: str) -> None:
        """It was taken back: it is no part of any conversation."""
        for key, said in self._said.items():
            self._said[key] = deque((one for one in said if one[2] != event), maxlen=_MOST_EACH)


def _key(account: Account, place: Place) -> tuple[str, str, str]:
    return account.id, place.conversation, place.thread
