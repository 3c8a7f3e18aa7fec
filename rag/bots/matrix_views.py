"""Who reads in a room now, asked of the homeserver itself, and what one person said there before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable
from rag.bots.matrix_connection import Connection
from rag.bots.matrix_events import Message, read
from rag.bots.matrix_rooms import Room, room

_MOST_EARLIER: Final = 6
_LOOKED_AT: Final = 50
_TOGETHER_MS: Final = 3_600_000
"""In the main timeline of a direct conversation, what was said longer before the question belongs to another one."""


class Views:
    """The rooms of one bot, as they were when somebody last asked; a change of a room's state makes its view void."""

    def __init__(self, connection: Connection, *, display_name: str) -> None:
        self._connection = connection
        self.display_name = display_name
        self._known: dict[str, Room] = {}
        self.fresh = False
        """Whether changes are being listened to, so that a view may be kept."""

    async def now(self, name: str) -> Room:
        """As it is at this moment. Raises as `Connection`."""
        state = await self._connection.call("GET", f"/rooms/{quote(name, safe='')}/state")
        self._known[name] = room(state if isinstance(state, list) else [], bot=self._connection.user_id)
        return self._known[name]

    async def known(self, name: str) -> Room:
        """As it is since its state last changed. Raises as `Connection`."""
        return self._known[name] if self.fresh and name in self._known else await self.now(name)

    def void(self, name: str) -> None:
        """Something of the room's state has changed."""
        self._known.pop(name, None)

    async def close_history(self, name: str) -> Room:
        """From now on whoever comes into the room later does not read what was said before; the room after that."""
        path = f"/rooms/{quote(name, safe='')}/state/m.room.history_visibility/"
        with suppress(PlatformRefused):
            await self._connection.call("PUT", path, body={"history_visibility": "joined"})
        return await self.now(name)

    async def earlier(self, name: str, message: Message) -> tuple[str, ...]:
        """What the person of this message said before it in the same conversation, oldest first; () where the
        homeserver does not tell."""
        try:
            said = await (self._in_thread(name, message.thread) if message.thread else self._in_timeline(name))
        except (PlatformBusy, PlatformRefused, PlatformUnreachable):
            return ()
        events = [self._read(name, source) for source in said]
        before = _before(events, message.event)
        own = [
            one for one in before if one.sender == message.sender and one.text and one.thread in ("", message.thread)
        ]
        if not message.thread:
            own = [one for one in own if message.at_ms - one.at_ms <= _TOGETHER_MS]
        return tuple(one.text for one in own[-_MOST_EARLIER:])

    def _read(self, name: str, source: Any) -> Message | None:
        found = read(
            self._connection.opened(name, source), bot=self._connection.user_id, display_name=self.display_name
        )
        return found if isinstance(found, Message) else None

    async def _in_thread(self, name: str, root: str) -> list[Any]:
        where = f"/rooms/{quote(name, safe='')}"
        path = f"{where}/relations/{quote(root, safe='')}/m.thread?dir=b&limit={_LOOKED_AT}"
        answer = await self._connection.call("GET", path, version="v1")
        first = await self._connection.call("GET", f"{where}/event/{quote(root, safe='')}")
        return [first, *reversed(answer.get("chunk", []))]

    async def _in_timeline(self, name: str) -> list[Any]:
        path = f"/rooms/{quote(name, safe='')}/messages?dir=b&limit={_LOOKED_AT}"
        answer = await self._connection.call("GET", path)
        return list(reversed(answer.get("chunk", [])))


def _before(events: Sequence[Message | None], event: str) -> list[Message]:
    """The messages before this one; none where it is not among them, since then their order is not known."""
    messages = [one for one in events if one is not None]
    place = next((place for place, one in enumerate(messages) if one.event == event), 0)
    return messages[:place]
