"""What is said about one question: one message, posted once, grown, and ended.

    written down that it is about to be posted → posted → written down what it is called → edited → the last word

After a crash between the first two and the third nobody knows whether a message stands there. Where the platform can
tell by the nonce, it is the same message; where it cannot, the second one says that it counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from rag.bots.adapter import (
    Asked,
    ChatAdapter,
    MessageRef,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Stage,
)
from rag.bots.client import Service
from rag.bots.entries import Entry
from rag.bots.inbox import Inbox
from rag.bots.replies import Replies
from rag.bots.riding import Patience
from rag.bots.screen import Screen
from rag.bots.unbroken import Unbroken

T = TypeVar("T")

_SURE: Final = (PlatformBusy, PlatformRefused)
"""After these nothing was posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patiences:
    """How long what is tried, seconds. A slow model shows that it is working every `sign_s`, where the platform has a
    sign for it every `typing_s`; `stale_s` is how old a question may be when it is taken up, `attempts` how often."""

    service: Patience = field(default_factory=lambda: Patience(whole_s=300, first_s=2, longest_s=20))
    platform: Patience = field(default_factory=lambda: Patience(whole_s=3600, first_s=1, longest_s=60))
    typing_s: float = 4.0
    sign_s: float = 15.0
    stale_s: float = 3600.0
    attempts: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every question is answered with. `off` runs what writes to the inbox off the event loop; `clock` is the time
    that entries were received by; an answer is cut at `most_chars`, where the platform bears more."""

    adapter: ChatAdapter
    service: Service
    inbox: Inbox
    off: Callable[[Callable[[], T]], Awaitable[T]]
    page: str
    patiences: Patiences
    clock: Callable[[], float]
    most_chars: int
    unbroken: Unbroken = field(default_factory=Unbroken)


class Speaking:
    """The message of one question. Raises everywhere as `rag.bots.adapter.ChatAdapter.post`, and StoreError where the
    inbox cannot be written."""

    def __init__(self, means: Means, entry: Entry, asked: Asked, replies: Replies) -> None:
        self._means, self._asked, self._replies = means, asked, replies
        self._adapter, self._patience = means.adapter, means.patiences.platform
        self._screen: Screen | None = None
        self.entry = entry

    async def begin(self) -> None:
        """It is being worked on. Raises TakenBack where it is not to be any more."""
        await self._keep(lambda: self._means.inbox.begin(self.entry))

    async def open(self) -> bool:
        """The message stands, and can grow. Whether it was there already: a crash has left it."""
        resumed = bool(self.entry.message)
        if not resumed:
            await self._post(self._replies.working())
        self._screen = Screen(self._show, pace_s=self._adapter.pace_s)
        return resumed

    async def say(self, reply: Reply) -> None:
        """The only word, in the message that is there or in a new one."""
        if not self.entry.message:
            await self._post(reply)
            return
        self._screen = Screen(self._show, pace_s=self._adapter.pace_s)
        try:
            await self.settle(lambda: _ready(reply))
        except PlatformRefused:
            await self.anew()
            await self._post(reply)

    def grow(self, reply: Reply) -> None:
        """Show it when its time comes, once the message is open."""
        if self._screen is not None:
            self._screen.grow(reply)

    async def settle(self, reply: Callable[[], Awaitable[Reply]]) -> None:
        """The last word in the message that is open."""
        if self._screen is not None:
            await self._screen.settle(reply, patience=self._patience)

    async def anew(self) -> None:
        """The message can be changed no more: the next one is another."""
        self._screen = None
        await self._keep(lambda: self._means.inbox.anew(self.entry))

    def abandon(self) -> None:
        """Begin to show nothing more."""
        if self._screen is not None:
            self._screen.abandon()

    async def _post(self, reply: Reply) -> None:
        await self._patience.ride(lambda: self._means.unbroken.done(self.entry.event, self._posted(reply)))

    async def _posted(self, reply: Reply) -> None:
        """Post it and remember it, the one as little interrupted as the other."""
        entry, inbox = self.entry, self._means.inbox
        if not entry.doubtful:
            await self._means.off(lambda: inbox.posting(entry))
        try:
            message = await self._adapter.post(self._asked.place, self._in_full(reply), nonce=entry.nonce)
        except _SURE:
            if not entry.doubtful:
                await self._means.off(lambda: inbox.unposted(entry))
            raise
        except PlatformUnreachable:
            self.entry = replace(entry, doubtful=True)
            raise
        await self._keep(lambda: inbox.posted(entry, message))

    async def _show(self, reply: Reply) -> None:
        message: MessageRef = self.entry.message
        edit = self._adapter.edit(self._asked.place, message, self._in_full(reply))
        await self._means.unbroken.done(self.entry.event, edit)

    def _in_full(self, reply: Reply) -> Reply:
        """A last word tells where it may be the second."""
        if not self.entry.doubtful or self._adapter.finds_again or reply.stage is not Stage.FINAL:
            return reply
        return replace(reply, notice=f"{reply.notice} {self._replies.said('counts')}".strip())

    async def _keep(self, work: Callable[[], Entry]) -> None:
        self.entry = await self._means.off(work)


async def _ready(reply: Reply) -> Reply:
    return reply
