"""One question from its place in the inbox to its end: always an answer, or why there is none.

    message posted → service asked (and asked again while it is busy or away) → sentences shown as they come
      → the message registered with its receipt → standing asked → the last word → ended in the inbox

A crash anywhere before the end begins it again in the same message. When the question is taken back, the runner cancels
it, which also stops the model. What a message shows for good is registered before,
so that whoever deletes a document later finds every message that cites it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from rag.access import Audience
from rag.bots.adapter import Asked, PlatformBusy, PlatformRefused, PlatformUnreachable, Reply
from rag.bots.client import Heard
from rag.bots.entries import NO_MESSAGE, Entry
from rag.bots.replies import Replies, language_of_asked
from rag.bots.riding import PASSING
from rag.bots.speaking import Means, Speaking
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

_OF_CODE: Final = {"question_empty": "empty", "question_too_long": "too_long"}
"""What is told for a refusal of the service; "refused" for all others."""
_OF_CROWD: Final = {"all": "crowded", "here": "crowded_here", "each": "crowded_each"}
"""What is told where too many wait already."""


class Answering:
    """One question's way; `run` once."""

    def __init__(self, means: Means, entry: Entry, asked: Asked) -> None:
        self._means, self._asked = means, asked
        self._adapter, self._patiences = means.adapter, means.patiences
        self._replies = Replies(
            language=language_of_asked(asked),
            audience=asked.place.audience,
            page=means.page,
            most_chars=means.most_chars,
        )
        self._speaking = Speaking(means, entry, asked, self._replies)
        self._written: list[Written] = []
        self._notice: tuple[str, dict[str, object]] = ("working", {})
        self._registered = NO_MESSAGE
        self._how = ""

    async def run(self) -> str:
        """How it ended: an outcome, or the key of the reason that was told.

        Raises:
            PlatformBusy, PlatformUnreachable, PlatformRefused: nobody could be told.
            TakenBack: nobody wants to be told any more.
            StoreError: the inbox cannot be written.
        """
        await self._speaking.begin()
        self._how = self._why_not()
        if self._how:
            await self._speaking.say(self._replies.ended(self._how))
            return self._how
        try:
            await self._open()
            async with self._signs():
                reply = await self._outcome()
            await self._settle(reply)
        except BaseException:
            self._speaking.abandon()
            raise
        return self._how

    def _why_not(self) -> str:
        """Why it is not even asked; "" where it is."""
        if self._speaking.entry.crowded:
            return _OF_CROWD[self._speaking.entry.crowded]
        if self._speaking.entry.attempts > self._patiences.attempts:
            return "failed"
        if self._means.clock() - self._speaking.entry.received > self._patiences.stale_s:
            return "stale"
        return "" if self._asked.text.strip() else "empty"

    async def _open(self) -> None:
        """The message stands, and can grow. Where a crash has left one it is taken up."""
        if await self._speaking.open():
            self._notice = ("resumed", {})
            self._refresh()

    async def _settle(self, reply: Callable[[], Awaitable[Reply]]) -> None:
        """The last word; in another message, once, where this one can be changed no more."""
        try:
            await self._speaking.settle(reply)
        except PlatformRefused:
            await self._speaking.anew()
            await self._open()
            await self._speaking.settle(reply)

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
        if self._written:
            self._speaking.grow(self._replies.writing(self._written, key, **values))
        else:
            self._speaking.grow(self._replies.working(key or "working", **values))

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
        message = self._speaking.entry.message
        if self._registered != message:
            await service.posted(receipt, message, account)
            self._registered = message
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


async def _ready(reply: Reply) -> Reply:
    return reply
