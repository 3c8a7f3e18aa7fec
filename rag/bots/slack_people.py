"""Who somebody is in the workspace, and who can read what is said in a conversation. Asked of Slack, kept for a short
while, and read in the closed way: what Slack does not say counts as foreign."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

from rag.access import Audience
from rag.bots.adapter import Account
from rag.bots.slack_api import SlackApi

MOST_MEMBERS: Final = 100
"""Of a conversation with more it is not asked who they are: that takes a call each."""

_PERSON_S: Final = 120.0
_ROOM_S: Final = 30.0
_MEMBERS_S: Final = 5.0
_KEPT: Final = 5000
_AT_ONCE: Final = 8

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member. `foreign`: a guest, or of another workspace. `email` only where Slack has had it confirmed."""

    id: str
    foreign: bool
    gone: bool = False
    email: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A conversation. `partner` is the other in a direct message; `shared` with another organisation or workspace."""

    direct: bool
    public: bool
    shared: bool
    partner: str = ""


class Kept(Generic[K, V]):
    """What was looked up, for so many seconds, and not more of it than so many. One look-up at a time for each key; it
    goes on when whoever waited has given up, so that the next to ask finds it done."""

    def __init__(self, look_up: Callable[[K], Coroutine[Any, Any, V]], *, for_s: float) -> None:
        self._look_up = look_up
        self._for_s = for_s
        self._rows: dict[K, tuple[float, V]] = {}
        self._coming: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """It, looked up anew where it is too old. Raises what the look-up raises."""
        kept = self._rows.get(key)
        if kept is not None and time.monotonic() - kept[0] < self._for_s:
            return kept[1]
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = asyncio.create_task(self._look_up(key))
            coming.add_done_callback(partial(self._came, key))
        return await asyncio.shield(coming)

    def _came(self, key: K, task: asyncio.Task[V]) -> None:
        self._coming.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        while len(self._rows) >= _KEPT:
            del self._rows[next(iter(self._rows))]
        self._rows[key] = (time.monotonic(), task.result())


class People:
    """The workspace `team`, as the bot sees it. `bot` is the bot's own user id there. `with_email`: e-mail addresses
    are wanted at all. Everything raises as `SlackApi.call`."""

    def __init__(self, api: SlackApi, *, team: str, bot: str, with_email: bool) -> None:
        self._api = api
        self._team = team
        self._bot = bot
        self._with_email = with_email
        self._persons: Kept[str, Person] = Kept(self._person, for_s=_PERSON_S)
        self._rooms: Kept[str, Room] = Kept(self._room, for_s=_ROOM_S)
        self._members: Kept[str, tuple[str, ...] | None] = Kept(self._member_ids, for_s=_MEMBERS_S)

    async def person(self, user: str) -> Person:
        """Who that is."""
        return await self._persons.get(user)

    async def room(self, conversation: str) -> Room:
        """What kind of conversation that is."""
        return await self._rooms.get(conversation)

    def account_of(self, person: Person) -> Account:
        """The account of somebody who was looked up."""
        return Account(id=f"slack:{self._team}:{person.id}", email=person.email)

    async def audience(self, conversation: str, *, asker: Person, shared: bool) -> Audience:
        """Who reads what is said there. `shared`: the event itself says that others than ours are in it."""
        room = await self._rooms.get(conversation)
        if shared or room.shared or asker.foreign:
            return Audience.GUESTS
        if room.direct:
            return Audience.DIRECT
        members = await self.members(conversation)
        if members is not None and any(one.foreign for one in members):
            return Audience.GUESTS
        return Audience.PUBLIC_CHANNEL if room.public else Audience.PRIVATE_CHANNEL

    async def members(self, conversation: str) -> tuple[Person, ...] | None:
        """Everybody who can read there, the bot itself left out; None where they are too many.

        Bots of others are among them: they read what is said, and carry it who knows where.
        """
        ids = await self._members.get(conversation)
        if ids is None:
            return None
        gate = asyncio.Semaphore(_AT_ONCE)

        async def known(user: str) -> Person:
            async with gate:
                return await self.person(user)

        found = await asyncio.gather(*(known(user) for user in ids if user != self._bot))
        return tuple(one for one in found if not one.gone)

    async def _person(self, user: str) -> Person:
        answer = await self._api.call("users.info", user=user, include_locale=True)
        return _read_person(answer.get("user"), user=user, team=self._team, with_email=self._with_email)

    async def _room(self, conversation: str) -> Room:
        answer = await self._api.call("conversations.info", channel=conversation)
        row = answer.get("channel")
        row = row if isinstance(row, dict) else {"is_shared": True}
        sharing = ("is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared")
        return Room(
            direct=row.get("is_im") is True,
            public=row.get("is_channel") is True and row.get("is_private") is False and row.get("is_mpim") is not True,
            shared=any(row.get(key) for key in sharing) or _elsewhere(row, self._team),
            partner=str(row.get("user") or ""),
        )

    async def _member_ids(self, conversation: str) -> tuple[str, ...] | None:
        found: dict[str, None] = {}
        async for page in self._api.pages("conversations.members", "members", channel=conversation):
            found.update(dict.fromkeys(str(user) for user in page))
            if len(found) > MOST_MEMBERS:
                return None
        return tuple(found)


def _read_person(row: object, *, team: str, user: str, with_email: bool) -> Person:
    if not isinstance(row, dict) or row.get("id") != user:
        return Person(id=user, foreign=True)
    grid = row.get("enterprise_user")
    teams = [row.get("team_id"), *(grid.get("teams") or [] if isinstance(grid, dict) else [])]
    strange = any(row.get(key) for key in ("is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user"))
    foreign = strange or team not in teams
    vouched = with_email and not foreign and not row.get("is_bot") and row.get("is_email_confirmed") is True
    profile = row.get("profile")
    email = str(profile.get("email") or "") if vouched and isinstance(profile, dict) else ""
    return Person(
        id=user,
        foreign=foreign,
        gone=row.get("deleted") is True,
        email=email,
        language=_language(str(row.get("locale") or "")),
    )


def _elsewhere(row: Mapping[str, Any], team: str) -> bool:
    """Whether Slack names another workspace as one that the conversation belongs to."""
    others = [*(row.get("shared_team_ids") or []), *(row.get("connected_team_ids") or [])]
    return any(other != team for other in others)


def _language(locale: str) -> str:
    short = locale[:2].lower()
    return short if short in ("de", "en") else ""
