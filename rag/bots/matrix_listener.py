"""Receives: from the homeserver's mark up to which everything was taken, again and again.

The mark moves on only when everything before it is taken, so a crash loses nothing; what comes twice is known to the
inbox by the id of its event. A new bot has no mark: it takes the first one there is, and answers nothing older.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import nio

from rag.bots.adapter import (
    Account,
    Asked,
    Judged,
    Place,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Take,
    Withdrawn,
)
from rag.bots.matrix_connection import Connection, Refusal
from rag.bots.matrix_events import Message, Reaction, Redaction, Sealed, is_invitation, is_joining, read, since_invited
from rag.bots.matrix_memory import Memory
from rag.bots.matrix_rooms import server_of
from rag.bots.matrix_text import notice
from rag.bots.matrix_views import Views
from rag.text.sentences import LANGUAGES, texts

_log = logging.getLogger(__name__)

_NOTHING: Final = {"not_types": ["*"]}
_FILTER: Final = {
    "presence": _NOTHING,
    "account_data": _NOTHING,
    "room": {"timeline": {"limit": 20}, "ephemeral": _NOTHING, "account_data": _NOTHING},
}
_WAIT_MS: Final = 25_000
_WAIT_FOR_KEY_MS: Final = 1_000
_PAGE: Final = 100
_MOST_PAGES: Final = 200
_MOST_PAUSE_S: Final = 60.0
_KEY_WAIT_S: Final = 60.0
_FATAL: Final = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED", "M_USER_LOCKED", "redirect"})


_ODD: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What an event raises that is made in no way we know; not what a disk or a network raises."""


class Listener:
    """One bot's ear. `servers`: whose people are heard; what was said is taken back whoever does it."""

    def __init__(
        self,
        connection: Connection,
        memory: Memory,
        views: Views,
        *,
        servers: frozenset[str],
        take: Take,
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._views = views
        self._servers = servers
        self._take = take
        self._untaken: nio.SyncResponse | None = None
        self.synced = asyncio.Event()
        """Set once the rooms are known."""

    async def listen(self) -> None:
        """Until cancelled. Raises Refusal where the homeserver does not let the bot in any more."""
        pause_s = 0.5
        while True:
            try:
                await self._once()
                pause_s = 0.5
                continue
            except PlatformBusy as busy:
                wait_s = busy.retry_after_s
            except Exception as error:
                if isinstance(error, Refusal) and error.code in _FATAL:
                    raise
                wait_s = pause_s * random.uniform(0.75, 1.25)  # noqa: S311  # spreads bots out, keeps no secret
                pause_s = min(pause_s * 2, _MOST_PAUSE_S)
                _log.warning(
                    "The homeserver's events could not be taken; again in a while",
                    extra={"action": "matrix_pause", "reason": type(error).__name__, "seconds": round(wait_s, 1)},
                )
            await asyncio.sleep(wait_s)

    async def _once(self) -> None:
        since = self._memory.since
        if self._untaken is None:
            first = not self.synced.is_set()
            self._untaken = await self._connection.sync(
                timeout=0 if first else _WAIT_FOR_KEY_MS if self._memory.sealed() else _WAIT_MS,
                sync_filter=_FILTER,
                since=since or None,
                full_state=first or None,
            )
            self._changed(self._untaken)
            self._views.fresh = True
            self.synced.set()
        await self._connection.keep_keys()
        await self._answer_invitations(self._untaken)
        if since:
            for name, info in self._untaken.rooms.join.items():
                for source in await self._told(name, info, since):
                    await self._heed(name, source)
        await self._try_sealed()
        self._memory.read_up_to(self._untaken.next_batch)
        self._untaken = None

    def _changed(self, response: nio.SyncResponse) -> None:
        for name, info in response.rooms.join.items():
            if info.state or any("state_key" in _source(event) for event in info.timeline.events):
                self._views.void(name)
        for name in response.rooms.leave:
            self._views.void(name)

    async def _answer_invitations(self, response: nio.SyncResponse) -> None:
        """Come where people of ours ask us in; decline what others ask."""
        for name, info in response.rooms.invite.items():
            own = [_source(event) for event in info.invite_state]
            hosts = [one.get("sender") for one in own if is_invitation(one, bot=self._connection.user_id)]
            welcome = bool(hosts) and server_of(str(hosts[-1])) in self._servers
            room = quote(name, safe="")
            try:
                await self._connection.call("POST", f"/join/{room}" if welcome else f"/rooms/{room}/leave", body={})
            except Refusal as error:
                _raise_if_fatal(error)
                _log.warning("An invitation could not be answered", extra={"action": "matrix_invitation"})

    async def _said(self, name: str, info: Any, since: str) -> list[Any]:
        """Everything that was said in a room since the mark, oldest first."""
        found = [_source(event) for event in info.timeline.events]
        if info.timeline.limited and info.timeline.prev_batch:
            came = any(is_joining(source, bot=self._connection.user_id) for source in found)
            end = None if came else since  # what was said between invitation and joining may lie before the mark
            found = await self._gap(name, info.timeline.prev_batch, end) + found
        return since_invited(found, bot=self._connection.user_id)

    async def _gap(self, name: str, start: str, end: str | None) -> list[Any]:
        """What lies before the beginning of what the homeserver gave at once, back to a mark or to our invitation."""
        found: list[Any] = []
        for _ in range(_MOST_PAGES):
            page = await self._connection.room_messages(name, start=start, end=end, limit=_PAGE)
            sources = [_source(event) for event in page.chunk]
            found.extend(sources)
            invited = any(is_invitation(source, bot=self._connection.user_id) for source in sources)
            if invited or end is None or not page.end or page.end == start:
                break
            start = page.end
        else:
            _log.warning(
                "A room said more than can be caught up on", extra={"action": "matrix_gap", "events": len(found)}
            )
        return found[::-1]

    async def _told(self, name: str, info: Any, since: str) -> list[Any]:
        """As `_said`; what the homeserver does not show the bot any more is left."""
        try:
            return await self._said(name, info, since)
        except PlatformRefused as error:
            _raise_if_fatal(error)
            _log.warning("A room could not be read; what was said there is left", extra={"action": "matrix_room"})
            return []

    async def _heed(self, name: str, source: Any) -> None:
        """One event; one that cannot be made sense of is left, or it would keep all others waiting for ever."""
        try:
            await self._consider(name, source)
        except _ODD as error:
            extra = {"action": "matrix_unread", "reason": type(error).__name__}
            _log.error("An event of a room could not be read, and is left", extra=extra)

    async def _consider(self, name: str, source: Any) -> None:
        found = read(source, bot=self._connection.user_id, display_name=self._views.display_name)
        if isinstance(found, Redaction) and found.sender != self._connection.user_id:
            await self._taken_back(name, found)
        if found is None or isinstance(found, Redaction) or not self._is_heard(found.sender):
            return
        try:
            if isinstance(found, Message):
                await self._message(name, found)
            elif isinstance(found, Reaction):
                await self._reaction(name, found)
            else:
                await self._seal(name, found, source)
        except PlatformRefused as error:
            _raise_if_fatal(error)
            _log.warning("A room could not be looked at; what was said there is left", extra={"action": "matrix_room"})

    async def _taken_back(self, name: str, redaction: Redaction) -> None:
        """Also what waits for its key is dropped: it is not to be read any more."""
        self._memory.unsealed(redaction.redacted)
        place = Place(conversation=name)
        await self._take(Withdrawn(event=redaction.event, place=place, question=redaction.redacted))

    def _is_heard(self, sender: str) -> bool:
        return sender != self._connection.user_id and server_of(sender) in self._servers

    async def _message(self, name: str, message: Message) -> None:
        room = await self._views.known(name)
        if not room.alone and not message.addressed:
            return
        room = await self._views.now(name)
        if room.may_close:
            room = await self._views.close_history(name)
        root = message.thread or ("" if room.alone else message.event)
        if not message.text:
            await self._tell(name, "only_text", message.event)
            return
        place = Place(conversation=name, thread=root, audience=room.audience)
        earlier = await self._views.earlier(name, message)
        account = Account(id=f"matrix:{message.sender}")
        await self._take(Asked(event=message.event, account=account, place=place, text=message.text, earlier=earlier))
        await self._mark_read(name, message)

    async def _reaction(self, name: str, reaction: Reaction) -> None:
        receipt = self._memory.receipt(reaction.message)
        if not receipt:
            return
        place = Place(conversation=name, audience=(await self._views.known(name)).audience)
        account = Account(id=f"matrix:{reaction.sender}")
        event = reaction.event
        await self._take(Judged(event=event, account=account, place=place, receipt=receipt, verdict=reaction.verdict))

    async def _seal(self, name: str, sealed: Sealed, source: Any) -> None:
        """What cannot be read is kept until its key comes, or its sender is told."""
        if self._connection.olm is not None:
            self._memory.keep_sealed(sealed.event, name, source)
        elif self._memory.first_time(name, "sealed"):
            await self._tell(name, "sealed.no_extra", sealed.event)

    async def _try_sealed(self) -> None:
        for event, name, source, age_s in self._memory.sealed():
            opened = self._connection.opened(name, source)
            if opened is not source:
                await self._heed(name, opened)
            elif age_s <= _KEY_WAIT_S:
                continue
            else:
                await self._tell_of_key(name, event)
            self._memory.unsealed(event)

    async def _tell_of_key(self, name: str, event: str) -> None:
        try:
            if (await self._views.known(name)).alone:
                await self._tell(name, "sealed.no_key", event)
        except PlatformRefused as error:  # the bot is not in the room any more
            _raise_if_fatal(error)

    async def _tell(self, name: str, key: str, about: str) -> None:
        """A sentence of the adapter's own, in every language there is: nobody says which one is read."""
        text = "\n\n".join(texts(language, "matrix")[key] for language in LANGUAGES)
        encrypted = self._connection.olm is not None and (await self._views.known(name)).encrypted
        await self._connection.say(name, notice(text), transaction=f"t{about[1:]}", encrypted=encrypted)

    async def _mark_read(self, name: str, message: Message) -> None:
        path = f"/rooms/{quote(name, safe='')}/receipt/m.read/{quote(message.event, safe='')}"
        with suppress(PlatformBusy, PlatformRefused, PlatformUnreachable):
            await self._connection.call("POST", path, body={"thread_id": message.thread or "main"})


def _raise_if_fatal(error: PlatformRefused) -> None:
    """Whether it is only this one thing that the homeserver refuses, or the bot."""
    if isinstance(error, Refusal) and error.code in _FATAL:
        raise error


def _source(event: Any) -> Any:
    """The JSON of an event, also of one that the library could not make sense of; of memberships it takes parts out."""
    source = getattr(event, "source", None) or getattr(event, "event_dict", None) or {}
    if source.get("type") != "m.room.member" or "content" in source:
        return source
    before = getattr(event, "prev_content", None)
    return {**source, "content": getattr(event, "content", {}), "unsigned": {"prev_content": before or {}}}
