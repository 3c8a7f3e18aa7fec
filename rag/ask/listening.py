"""An answer on its way, and whoever it is for: still there, and still allowed to hear it?

A generator cannot be stopped while it runs, and an answer mostly waits for its model. So who reads it says so here,
from any thread, and the flow looks: between its steps, once a second while the model is silent, and the model's own
stream four times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from rag.answers import AnswerEvent


class Unheard(Exception):
    """Nobody waits for the answer any more. Never leaves `rag.ask`."""


class Listening:
    """Whether whoever asked is still there (`gone`) and may still hear the answer (`revoked`)."""

    __slots__ = ("gone", "revoked")

    def __init__(self) -> None:
        self.gone = self.revoked = False

    def wanted(self) -> bool:
        """Whether to go on."""
        return not (self.gone or self.revoked)


class Telling(Iterator[AnswerEvent]):
    """The events of an answer. One thread at a time iterates and closes it; any thread may end it."""

    def __init__(self, tell: Callable[[Listening], Generator[AnswerEvent, None, None]]) -> None:
        self._listening = Listening()
        self._events = tell(self._listening)

    def __next__(self) -> AnswerEvent:
        return next(self._events)

    def close(self) -> None:
        """Nobody listens, and none of the answer is being made just now."""
        self._listening.gone = True
        self._events.close()

    def hang_up(self) -> None:
        """Nobody listens any more: the model is let go at once, the answer ends as one that was stopped."""
        self._listening.gone = True

    def revoke(self) -> None:
        """Whoever asked may not hear it any more: the model is let go, `Done` says that the answer is incomplete."""
        self._listening.revoked = True
