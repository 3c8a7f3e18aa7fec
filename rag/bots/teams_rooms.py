"""Who can read what is said in a conversation, as the connector tells it. What it does not tell counts as guests.

Channel kinds are kept for a while, whether there are guests only for a moment; who the members are is never kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from microsoft_teams.api.clients.api_client import ApiClient
from microsoft_teams.api.models.account import TeamsChannelAccount
from microsoft_teams.api.models.activity import Activity as ActivityBase

from rag.access import Audience
from rag.bots.adapter import Account, Place, PlatformBusy, PlatformRefused, PlatformUnreachable
from rag.bots.teams_activity import Spot, account_id, spot, spot_of
from rag.bots.teams_connector import Connector
from rag.bots.teams_token import is_object_id

_log = logging.getLogger(__name__)

_PAGE: Final = 500
_MOST_PAGES: Final = 10
"""A room of more than 5,000 has no members that anybody could look through."""
_LOOK_S: Final = 2.5
"""How long a delivery waits to learn what kind of room it is from; Teams waits fifteen seconds for our word."""
_KINDS_S: Final = 600.0
_GUESTS_S: Final = 30.0
_MOST_KEPT: Final = 5000
_OURS: Final = frozenset({"", "user", "owner", "member", "admin"})
_AUDIENCES: Final = {"standard": Audience.PUBLIC_CHANNEL, "private": Audience.PRIVATE_CHANNEL}


class Rooms:
    """The rooms of one tenant. For one event loop."""

    def __init__(self, connector: Connector, *, tenant: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._connector, self._tenant, self._clock = connector, tenant, clock
        self._kept: dict[tuple[str, ...], tuple[float, Audience]] = {}

    async def audience(self, activity: ActivityBase) -> Audience:
        """Who hears what is said where this was said."""
        kind = activity.conversation.conversation_type
        if kind == "personal" and activity.conversation.is_group is not True:
            return Audience.DIRECT
        try:
            return await asyncio.wait_for(self._group_audience(activity, str(kind)), _LOOK_S)
        except (PlatformBusy, PlatformUnreachable, PlatformRefused, TimeoutError) as error:
            _log.warning(
                "It cannot be told who is in a conversation; it counts as one with guests",
                extra={"action": "teams_room_unknown", "kind": type(error).__name__},
            )
            return Audience.GUESTS

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        """Everybody in it; None where somebody has no account of the tenant's, where there is a guest though the place
        was held to have none, or where it cannot be told."""
        try:
            found = await self._listed(spot_of(place))
        except (PlatformBusy, PlatformUnreachable, PlatformRefused):
            return None
        if found is None or not found or not all(is_object_id(one.aad_object_id) for one in found):
            return None
        if place.audience is not Audience.GUESTS and any(map(self._is_guest, found)):
            return None
        return tuple(Account(id=account_id(one.aad_object_id, tenant=self._tenant)) for one in found)

    async def _group_audience(self, activity: ActivityBase, kind: str) -> Audience:
        where = spot(activity)
        if kind == "channel":
            data = activity.channel_data
            team = (data.team.id if data and data.team else None) or ""
            named = (data.channel.type if data and data.channel else None) or ""
            base = await self._channel_kind(where, team, named)
        elif kind == "groupChat":
            base = Audience.PRIVATE_CHANNEL
        else:
            base = Audience.GUESTS
        return base if base is Audience.GUESTS else await self._unless_guests(where, base)

    async def _channel_kind(self, where: Spot, team: str, named: str) -> Audience:
        if named == "shared" or not team:
            return Audience.GUESTS
        key = ("kind", where.service, team, where.id)
        if (kept := self._keeps(key, _KINDS_S)) is not None:
            return kept
        async with self._connector.at(where.service) as api:
            channels = await api.teams.get_conversations(team)
        kinds = {one.id: one.type or "" for one in channels}
        told = {kinds.get(where.id, ""), named} - {""}
        audience = _AUDIENCES.get(told.pop(), Audience.GUESTS) if len(told) == 1 else Audience.GUESTS
        return self._keep(key, audience)

    async def _unless_guests(self, where: Spot, base: Audience) -> Audience:
        key = ("guests", where.service, where.id)
        if (kept := self._keeps(key, _GUESTS_S)) is not None:
            return kept
        found = await self._listed(where)
        closed = bool(found) and not any(map(self._is_guest, found or ()))
        return self._keep(key, base if closed else Audience.GUESTS)

    async def _listed(self, where: Spot) -> list[TeamsChannelAccount] | None:
        """All members; None where there are too many, or the pages do not end."""
        found: list[TeamsChannelAccount] = []
        async with self._connector.at(where.service) as api:
            token: str | None = None
            for _ in range(_MOST_PAGES):
                page = await _page(api, where, token)
                found += page[0]
                if not page[1]:
                    return found
                if page[1] == token:
                    return None
                token = page[1]
        return None

    def _is_guest(self, member: TeamsChannelAccount) -> bool:
        elsewhere = (member.tenant_id or self._tenant).lower() != self._tenant.lower()
        invited = "#ext#" in (member.user_principal_name or "").lower()
        return elsewhere or invited or (member.user_role or "").lower() not in _OURS

    def _keeps(self, key: tuple[str, ...], lasts_s: float) -> Audience | None:
        found = self._kept.get(key)
        return found[1] if found and self._clock() - found[0] < lasts_s else None

    def _keep(self, key: tuple[str, ...], audience: Audience) -> Audience:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (self._clock(), audience)
        return audience


async def _page(api: ApiClient, where: Spot, token: str | None) -> tuple[list[TeamsChannelAccount], str | None]:
    page = await api.conversations.get_paged_members(where.id, page_size=_PAGE, continuation_token=token)
    return page.members, page.continuation_token
