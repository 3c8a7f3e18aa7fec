"""From what was heard to what is taken: who asks, who reads along, and what the same person said before.

Slack waits three seconds for an acknowledgement. What Slack does not tell us within two is missing: then the event is
left unacknowledged, and Slack sends it again, three times within minutes. The last time it is taken in the closed way,
as asked by somebody unknown among guests, so that there is a reason given and not silence.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Mapping
from typing import Any, Final

from rag.access import Audience
from rag.bots.adapter import Account, Asked, Judged, Place, PlatformUnreachable, Take, Withdrawn
from rag.bots.slack_api import SlackApi
from rag.bots.slack_hearing import Command, Deleted, Pressed, Spoken
from rag.bots.slack_people import People, Person
from rag.bots.slack_text import mentions, slack_words, typed
from rag.errors import RagError

_LOOK_UP_S: Final = 2.0
_LAST: Final = 3
"""Slack sends an event three times more, and then no more."""

_EARLIER: Final = 5
_DIRECT_S: Final = 30 * 60
"""In a direct message without a thread, what was said in the last half hour belongs together."""

_KEPT: Final = 5000

_Thread = tuple[str, str]


class Asking:
    """Takes questions, commands and verdicts of one workspace. `follow`: who asked in a thread may go on there without
    calling the bot again."""

    def __init__(self, api: SlackApi, people: People, *, take: Take, team: str, bot: str, follow: bool) -> None:
        self._api = api
        self._people = people
        self._take = take
        self._team = team
        self._bot = bot
        self._follow = follow
        self._callers: collections.OrderedDict[_Thread, set[str]] = collections.OrderedDict()
        self._known: set[_Thread] = set()

    async def spoken(self, spoken: Spoken, *, again: int) -> None:
        """Take it, if it is for the bot. `again`: how often Slack sent it before.

        Raises:
            RagError: Slack does not tell who asks or who is there, and will send it again.
        """
        thread = (spoken.conversation, spoken.thread or spoken.at)
        if not (spoken.called or spoken.direct) and (not self._follow or not spoken.thread or spoken.others):
            return
        try:
            asked = await self._looked_up(spoken, thread)
        except (RagError, TimeoutError) as error:
            if again < _LAST:
                raise PlatformUnreachable("Slack does not tell in time who asks.") from error
            asked = self._closed(spoken) if spoken.called or spoken.direct else None
        if asked is None:
            return
        if not spoken.direct:
            self._caller(thread, spoken.user)
        await self._take(asked)

    async def command(self, command: Command) -> str:
        """Take it, to be answered in a direct message. What is to be told the person at once, in private."""
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                person = await self._people.person(command.user)
                words = slack_words(person.language)
                if person.foreign:
                    return words["other_workspace"]
                if not command.text:
                    return words["command_empty"]
                opened = await self._api.call("conversations.open", users=command.user)
                conversation = str((opened.get("channel") or {}).get("id") or "")
        except (RagError, TimeoutError):
            return slack_words("en")["command_failed"]
        asked = Asked(
            event=f"slack:{self._team}:command:{command.invocation}",
            account=self._people.account_of(person),
            place=Place(conversation=conversation, audience=Audience.DIRECT),
            text=command.text,
            language=person.language,
        )
        await self._take(asked)
        return words["command_taken"]

    async def pressed(self, pressed: Pressed) -> str:
        """Take the verdict. What is to be told the person who gave it."""
        language = ""
        account = Account(id=f"slack:{self._team}:{pressed.user}")
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                person = await self._people.person(pressed.user)
                account, language = self._people.account_of(person), person.language
        except (RagError, TimeoutError):
            pass  # the id alone is enough where [bots.accounts] knows it
        judged = Judged(
            event=f"slack:{self._team}:press:{pressed.conversation}:{pressed.message}:{pressed.user}:{pressed.at}",
            account=account,
            place=Place(conversation=pressed.conversation, thread=pressed.thread),
            receipt=pressed.receipt,
            verdict=pressed.verdict,
        )
        await self._take(judged)
        return slack_words(language)["thanks"]

    async def deleted(self, deleted: Deleted) -> None:
        """Have it taken that somebody deleted a message, whether it was a question or not."""
        question = self._event(deleted.conversation, deleted.at)
        place = Place(conversation=deleted.conversation)
        await self._take(Withdrawn(event=f"{question}:deleted", place=place, question=question))

    async def _looked_up(self, spoken: Spoken, thread: _Thread) -> Asked | None:
        async with asyncio.timeout(_LOOK_UP_S):
            if not (spoken.called or spoken.direct) and not await self._may_follow(spoken, thread):
                return None
            earlier, person, _ = await asyncio.gather(
                self._earlier(spoken), self._people.person(spoken.user), self._people.room(spoken.conversation)
            )
            audience = await self._people.audience(spoken.conversation, asker=person, shared=spoken.shared)
        return self._asked(spoken, person, audience, earlier)

    def _closed(self, spoken: Spoken) -> Asked:
        return self._asked(spoken, Person(id=spoken.user, foreign=True), Audience.GUESTS, ())

    def _asked(self, spoken: Spoken, person: Person, audience: Audience, earlier: tuple[str, ...]) -> Asked:
        where = spoken.thread if spoken.direct else spoken.thread or spoken.at
        return Asked(
            event=self._event(spoken.conversation, spoken.at),
            account=self._people.account_of(person),
            place=Place(conversation=spoken.conversation, thread=where, audience=audience),
            text=spoken.text,
            earlier=earlier,
            language=person.language,
        )

    def _event(self, conversation: str, at: str) -> str:
        return f"slack:{self._team}:{conversation}:{at}"

    async def _may_follow(self, spoken: Spoken, thread: _Thread) -> bool:
        """Whether this person called the bot in this thread before; asked of Slack once for each thread."""
        if spoken.user not in self._callers.get(thread, ()) and thread not in self._known:
            for row in await self._rows(spoken):
                if self._bot in mentions(str(row.get("text") or "")):
                    self._caller(thread, str(row.get("user") or ""))
            self._known.add(thread)
        return spoken.user in self._callers.get(thread, ())

    def _caller(self, thread: _Thread, user: str) -> None:
        self._callers.setdefault(thread, set()).add(user)
        while len(self._callers) > _KEPT:
            forgotten, _ = self._callers.popitem(last=False)
            self._known.discard(forgotten)
        if len(self._known) > 2 * _KEPT:
            self._known.clear()

    async def _earlier(self, spoken: Spoken) -> tuple[str, ...]:
        """What this person, and nobody else, said before in the thread."""
        if not (spoken.thread or spoken.direct):
            return ()
        own = [row for row in await self._rows(spoken) if row.get("user") == spoken.user and not row.get("bot_id")]
        said = [typed(str(row.get("text") or ""), bot=self._bot) for row in own if _before(row, spoken.at)]
        return tuple(text for text in said if text)[-_EARLIER:]

    async def _rows(self, spoken: Spoken) -> list[Mapping[str, Any]]:
        """The thread's messages, or of a direct message what was said last; oldest first."""
        where: dict[str, Any] = {"channel": spoken.conversation, "latest": spoken.at, "limit": 200}
        if spoken.thread:
            answer = await self._api.call("conversations.replies", ts=spoken.thread, **where)
            rows = answer.get("messages")
        else:
            oldest = f"{float(spoken.at) - _DIRECT_S:.6f}"
            answer = await self._api.call("conversations.history", oldest=oldest, **where)
            rows = [
                row for row in (answer.get("messages") or [])[::-1] if row.get("thread_ts") in (None, row.get("ts"))
            ]
        return [row for row in rows or [] if isinstance(row, dict)]


def _before(row: Mapping[str, Any], at: str) -> bool:
    return not row.get("subtype") and _order(str(row.get("ts") or "")) < _order(at)


def _order(at: str) -> tuple[int, int]:
    whole, _, part = at.partition(".")
    return (int(whole), int(part or 0)) if whole.isdigit() and (part or "0").isdigit() else (0, 0)
