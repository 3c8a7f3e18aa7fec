"""One message that grows: what is newest is shown at the pace its platform bears, and the last word surely."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable, Reply
from rag.bots.riding import Patience

_AFTER_LOSS_S = 2.0


class Screen:
    """Shows replies in one message: `show` edits it, every `pace_s` seconds at most. Between `grow` and `settle` what
    was not shown in time is never shown: only the newest is."""

    def __init__(self, show: Callable[[Reply], Awaitable[None]], *, pace_s: float) -> None:
        self._show, self._pace_s = show, pace_s
        self._newest: Reply | None = None
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        self._next_s = 0.0
        self._growing: asyncio.Task[None] | None = None

    def grow(self, reply: Reply) -> None:
        """Show it when its time comes, if nothing newer is there by then."""
        self._newest = reply
        self._changed.set()
        if self._growing is None:
            self._growing = asyncio.create_task(self._grow())

    async def settle(self, reply: Callable[[], Awaitable[Reply]], *, patience: Patience) -> None:
        """The last word, made anew for each try; nothing is shown after it.

        Raises:
            PlatformRefused: the message cannot be changed.
            PlatformBusy, PlatformUnreachable: and patience ended. Whatever `reply` raises.
        """
        await self._hold()
        await asyncio.sleep(self._left_s())

        async def say() -> None:
            await self._show(await reply())

        await patience.ride(say)

    def abandon(self) -> None:
        """Show nothing more, whatever is on its way: the process ends."""
        if self._growing is not None:
            self._growing.cancel()

    async def _hold(self) -> None:
        """An edit on its way is waited for, so that it cannot come after the last word."""
        self._closing.set()
        self._changed.set()
        if self._growing is not None:
            await self._growing
            self._growing = None

    async def _grow(self) -> None:
        while not self._closing.is_set():
            await self._changed.wait()
            await self._paused(self._left_s())
            reply, self._newest = self._newest, None
            self._changed.clear()
            if self._closing.is_set() or reply is None:
                continue
            try:
                await self._show(reply)
                self._rest(self._pace_s)
            except PlatformBusy as busy:
                self._put_back(reply)
                self._rest(max(busy.retry_after_s, self._pace_s))
            except PlatformUnreachable:
                self._put_back(reply)
                self._rest(_AFTER_LOSS_S)
            except PlatformRefused:
                return  # the last word finds out what to do

    def _put_back(self, reply: Reply) -> None:
        self._newest = self._newest or reply
        self._changed.set()

    def _rest(self, seconds: float) -> None:
        self._next_s = asyncio.get_running_loop().time() + seconds

    def _left_s(self) -> float:
        return max(0.0, self._next_s - asyncio.get_running_loop().time())

    async def _paused(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
