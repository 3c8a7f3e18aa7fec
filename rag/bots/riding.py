"""Riding out what passes: rate limits with the pause they ask for, lost connections with growing pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from rag.bots.adapter import PlatformBusy, PlatformUnreachable
from rag.bots.told import ServiceBusy, ServiceUnreachable

T = TypeVar("T")

PASSING: Final = (PlatformBusy, PlatformUnreachable, ServiceBusy, ServiceUnreachable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long something is tried, and how the pauses between grow, seconds."""

    whole_s: float
    first_s: float = 1.0
    longest_s: float = 30.0

    async def ride(self, deed: Callable[[], Awaitable[T]]) -> T:
        """Do it until it is done.

        Raises:
            PlatformBusy, PlatformUnreachable, ServiceBusy, ServiceUnreachable: the last of them, once patience ends.
        """
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.whole_s, self.first_s
        while True:
            try:
                return await deed()
            except PASSING as error:
                wait = asked_pause(error) or pause
                if loop.time() + wait > until:
                    raise
                pause = min(2 * pause, self.longest_s)
            await asyncio.sleep(wait)


def asked_pause(error: Exception) -> float:
    """The pause that was asked for, seconds; 0 where none was."""
    return error.retry_after_s if isinstance(error, PlatformBusy | ServiceBusy) else 0.0
