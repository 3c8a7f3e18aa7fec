"""One question from its place in the inbox to its end: always an answer, or why there is none.

    message posted → service asked (and asked again while it is busy or away) → sentences shown as they come
      → the message registered with its receipt → standing asked → the last word → ended in the inbox

A crash anywhere before the end begins it again in the same message. What a message shows for good is registered before,
so that whoever deletes a document later finds every message that cites it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rag.access import Audience
from rag.bots.adapter import Asked, ChatAdapter, PlatformBusy, PlatformRefused, PlatformUnreachable, Reply
from rag.bots.client import Heard, Service
from rag.bots.inbox import Entry, Inbox
from rag.bots.replies import Replies, language_of_asked
from rag.bots.riding import PASSING, Patience
from rag.bots.screen import Screen
from rag.bots.told import (
    AccountUnknown,
    Finished,
    Found,
    Queued,
    RoomUnclear,
    ServiceBusy,
    ServiceRefused,
    ServiceUnreachable,
    Thinking,
    Told,
    Written,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")

_OF_CODE: Final = {"question_empty": "empty", "question_too_long": "too_long"}
"""What is told for a refusal of the service; "refused" for all others."""


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
    that entries were received by."""

    adapter: ChatAdapter
    service: Service
    inbox: Inbox
    off: Callable[[Callable[[], T]], Awaitable[T]]
    page: str
    patiences: Patiences
    clock: Callable[[], float]


class Answering:
    """One question's way; `run` once."""

    def __init__(self, means: Means, entry: Entry, asked: Asked) -> None:
        self._means, self._entry, self._asked = means, entry, asked
        self._adapter, self._patiences = means.adapter, means.patiences
        self._replies = Replies(
            language=language_of_asked(asked),
            audience=asked.place.audience,
            page=means.page,
            most_chars=means.adapter.most_chars,
        )
        self._written: list[Written] = []
        self._notice: tuple[str, dict[str, object]] = ("working", {})
        self._screen: Screen | None = None
        self._registered = False
        self._how = ""

    async def run(self) -> str:
        """How it ended: an outcome, or the key of the reason that was told.

        Raises:
            PlatformBusy, PlatformUnreachable, PlatformRefused: nobody could be told.
            StoreError: the inbox cannot be written.
        """
        self._entry = await self._off(lambda: self._means.inbox.begin(self._entry))
        self._how = self._why_not()
        if self._how:
            await self._say(self._replies.ended(self._how))
            return self._how
        await self._open()
        try:
            async with self._signs():
                reply = await self._outcome()
            await self._settle(reply)
        except BaseException:
            if self._screen is not None:
                self._screen.abandon()
            raise
        return self._how

    def _why_not(self) -> str:
        """Why it is not even asked; "" where it is."""
        if self._entry.crowded:
            return "crowded_here" if self._entry.crowded == "here" else "crowded"
        if self._entry.attempts > self._patiences.attempts:
            return "failed"
        if self._means.clock() - self._entry.received > self._patiences.stale_s:
            return "stale"
        return "" if self._asked.text.strip() else "empty"

    async def _open(self) -> None:
        """The message stands, and can grow. Where a crash has left one it is taken up."""
        if self._entry.message:
            self._notice = ("resumed", {})
        else:
            await self._post(self._replies.working())
        self._screen, self._registered = Screen(self._adapter, self._asked.place, self._entry.message), False
        if self._notice[0] == "resumed":
            self._refresh()

    async def _post(self, reply: Reply) -> None:
        message = await self._patiences.platform.ride(
            lambda: self._adapter.post(self._asked.place, reply, nonce=self._entry.nonce)
        )
        self._entry = await self._off(lambda: self._means.inbox.posted(self._entry, message))

    async def _say(self, reply: Reply) -> None:
        """The only word, in the message that is there or in a new one."""
        if not self._entry.message:
            await self._post(reply)
            return
        self._screen = Screen(self._adapter, self._asked.place, self._entry.message)
        await self._settle(lambda: _ready(reply))

    async def _settle(self, reply: Callable[[], Awaitable[Reply]]) -> None:
        """The last word; in another message, once, where this one can be changed no more."""
        try:
            await self._shown_last(reply)
        except PlatformRefused:
            self._entry = await self._off(lambda: self._means.inbox.anew(self._entry))
            await self._open()
            await self._shown_last(reply)

    async def _shown_last(self, reply: Callable[[], Awaitable[Reply]]) -> None:
        if self._screen is not None:
            await self._screen.settle(reply, patience=self._patiences.platform)

    async def _outcome(self) -> Callable[[], Awaitable[Reply]]:
        """What is to be said at the end, made at the moment it is said."""
        try:
            finished = await self._patiences.service.ride(self._asking)
        except AccountUnknown:
            return self._ended("unknown", account=self._asked.account.id)
        except (RoomUnclear, PlatformBusy, PlatformUnreachable):
            return self._ended("room_unclear")
        except ServiceBusy:
            return self._ended("busy")
        except ServiceUnreachable:
            return self._ended("away")
        except ServiceRefused as refused:
            _log.error("The service refused a question", extra={"action": "question_refused", "code": refused.code})
            return self._ended(_OF_CODE.get(refused.code, "refused"))
        self._how = finished.outcome
        reply = self._replies.final(finished, wrote=bool(self._written))
        if not reply.text and not reply.sources:
            return lambda: _ready(reply)
        return lambda: self._standing(finished, reply)

    def _ended(self, key: str, **values: object) -> Callable[[], Awaitable[Reply]]:
        self._how = key
        return lambda: _ready(self._replies.ended(key, **values))

    async def _asking(self) -> Finished:
        """Ask once, from the beginning; what passes is told while it is waited for."""
        self._written.clear()
        try:
            async with self._means.service.ask(
                self._asked.text, await self._heard(), earlier=self._asked.earlier
            ) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        return event
                    self._heed(event)
        except ServiceBusy:
            self._tell("busy_waiting")
            raise
        except ServiceUnreachable:
            self._tell("away_waiting")
            raise
        raise ServiceUnreachable("The service ended an answer without its end.")

    def _heed(self, event: Told) -> None:
        if isinstance(event, Found):
            self._tell("reading" if event.passages else "working")
        elif isinstance(event, Queued):
            self._tell("queued", place=event.position) if event.position else self._tell("reading")
        elif isinstance(event, Thinking):
            self._tell("reading" if event.over else "thinking")
        elif isinstance(event, Written):
            self._written.append(event)
            self._tell("")

    def _tell(self, key: str, **values: object) -> None:
        self._notice = (key, values)
        if key in ("busy_waiting", "away_waiting"):
            self._written.clear()
        self._refresh()

    def _refresh(self) -> None:
        key, values = self._notice
        if self._screen is None:
            return
        if self._written:
            self._screen.grow(self._replies.writing(self._written, key, **values))
        else:
            self._screen.grow(self._replies.working(key or "working", **values))

    @asynccontextmanager
    async def _signs(self) -> AsyncIterator[None]:
        """While it is worked on, people see that it is."""
        task = asyncio.create_task(self._sign())
        try:
            yield
        finally:
            task.cancel()

    async def _sign(self) -> None:
        loop = asyncio.get_running_loop()
        began = told = loop.time()
        while True:
            await self._adapter.working(self._asked.place)
            await asyncio.sleep(self._patiences.typing_s)
            if loop.time() - told >= self._patiences.sign_s:
                told = loop.time()
                self._tell("still", seconds=round(told - began))

    async def _standing(self, finished: Finished, reply: Reply) -> Reply:
        """The answer, where it may still be shown there: asked again right before it is."""
        try:
            stands = await self._patiences.service.ride(lambda: self._stands(finished.receipt))
        except PASSING:
            return await self._ended("away")()
        except (AccountUnknown, RoomUnclear, ServiceRefused):
            stands = False
        if stands:
            self._how = finished.outcome
            return reply
        return await self._ended("gone")()

    async def _stands(self, receipt: str) -> bool:
        service, account = self._means.service, self._asked.account
        if not self._registered:
            await service.posted(receipt, self._entry.message, account)
            self._registered = True
        return await service.standing(receipt, await self._heard())

    async def _heard(self) -> Heard:
        """Who asks, and who else reads it at this moment.

        Raises:
            RoomUnclear: the platform cannot say.
        """
        place = self._asked.place
        if place.audience is Audience.DIRECT:
            return Heard(account=self._asked.account, audience=place.audience)
        try:
            members = await self._adapter.members(place)
        except PlatformRefused as error:
            raise RoomUnclear("The platform does not say who is in the channel.") from error
        if members is None:
            raise RoomUnclear("The platform does not say who is in the channel.")
        return Heard(account=self._asked.account, audience=place.audience, members=members)

    async def _off(self, work: Callable[[], Entry]) -> Entry:
        return await self._means.off(work)


async def _ready(reply: Reply) -> Reply:
    return reply
