"""One question on its way, and its answer as one reader on the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from rag.answers import Answer, AnswerEvent, Done, Passage
from rag.api.caller import ENDED, Caller
from rag.api.line import Waiting
from rag.api.problems import Refused


class Stage(Enum):
    """Where a question is."""

    FINDING = auto()
    WAITING = auto()
    WRITING = auto()
    ENDING = auto()
    ENDED = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Asked:
    """One question on its way, and what its reader has not read yet."""

    make: Callable[[], Iterator[AnswerEvent]]
    caller: Caller
    loop: asyncio.AbstractEventLoop
    context: Context = field(default_factory=copy_context)
    inbox: asyncio.Queue[tuple[AnswerEvent | Waiting | None, BaseException | None]] = field(
        default_factory=asyncio.Queue
    )
    stage: Stage = Stage.FINDING
    counted: bool = True
    gone: bool = False
    iterator: Iterator[AnswerEvent] | None = None
    passages: tuple[Passage, ...] = ()
    place: Waiting | None = None
    place_read: bool = True
    began_s: float = 0.0

    @property
    def user(self) -> str:
        """Whose turn it takes."""
        return self.caller.principal.user

    def told(self, place: Waiting) -> None:
        """Tell the place, unless it is known or the last one was not read yet; the turn is told in any case."""
        if place != self.place and (self.place_read or not place.position):
            self.place, self.place_read = place, False
            self.inbox.put_nowait((place, None))

    def later(self, do: Callable[..., Any], *arguments: Any) -> None:
        """Have something done on the event loop, from any thread; not at all where there is none any more."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(do, *arguments)

    def tell(self, what: str) -> bool:
        """Tell the flow behind the iterator to ``hang_up`` or ``revoke``, if it can be told (`rag.ask.listening`); a
        plain iterator is closed at its next item."""
        method = getattr(self.iterator, what, None)
        if method is not None:
            method()
        return method is not None


class Answering:
    """The events of one answer, for one reader on the event loop; `Waiting` between `Found` and the rest.

    Raises, from `__anext__`, whatever the answer's iterator raises, and Refused when the service is stopped or the
    credential no longer holds.
    """

    def __init__(self, asked: Asked, *, leave: Callable[[Asked], None]) -> None:
        self._asked, self._leave, self._over = asked, leave, False

    def __aiter__(self) -> Answering:
        return self

    async def __anext__(self) -> AnswerEvent | Waiting:
        if self._over:
            raise StopAsyncIteration
        event, error = await self._asked.inbox.get()
        if event is None:
            self._over = True
            raise error or StopAsyncIteration
        if not self._asked.caller.standing():
            self.close()
            raise Refused(ENDED)
        if isinstance(event, Waiting):
            self._asked.place_read = True
        return event

    def close(self) -> None:
        """Nobody reads any more: the place in the line or the model's seat is freed. On the event loop."""
        self._over = True
        self._leave(self._asked)

    async def aclose(self) -> None:
        """The same, as asynchronous iterators spell it."""
        self.close()


async def answer_of(events: Answering) -> Answer:
    """The answer at the end of its events."""
    async for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("an answer ends with Done")
