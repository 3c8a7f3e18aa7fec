"""What is on its way to a platform arrives, also where whoever waits for it is called off.

A post that is broken off may stand in the chat, and nobody knows its name; an edit that is broken off may arrive after
the message was taken back. So both go to their end, and who takes something back waits for them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Unbroken:
    """Deeds under way, by the event they are done for."""

    def __init__(self) -> None:
        self._open: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)

    async def done(self, event: str, deed: Coroutine[Any, Any, T]) -> T:
        """What the deed gives; it goes on when the waiting is cancelled. Raises as the deed does."""
        task = asyncio.ensure_future(deed)
        self._open[event].add(task)
        task.add_done_callback(lambda _: self._leave(event, task))
        return await asyncio.shield(task)

    async def rest(self, event: str) -> None:
        """Wait until nothing is under way for this event; how it ended is told to whoever did it."""
        if under_way := self._open.get(event):
            await asyncio.wait(set(under_way))

    async def drop(self) -> None:
        """Break all of it off: the process ends."""
        left = [task for tasks in self._open.values() for task in tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _leave(self, event: str, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # it is told to whoever waits; where nobody does any more, it is no news
        self._open[event].discard(task)
        if not self._open[event]:
            del self._open[event]
