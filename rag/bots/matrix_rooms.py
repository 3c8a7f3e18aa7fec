"""Who can read what is said in a room: pure, from the state of the room as the homeserver tells it.

What is not known for certain counts as open. History decides as well as membership: in a room whose history is `shared`
(the usual thing) whoever joins later reads everything that was said before, and the rights of that person were never
asked. So such a room is a public one to us; where history begins with somebody's invitation or joining, an invite-only
room is a closed one. Guest access opens nothing by itself:
where only the invited come in, a guest account has to be invited like anybody, and is a member like anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from rag.access import Audience

_WIDTH: Final = (Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS)
_CLOSED_DOORS: Final = frozenset({"invite", "knock"})
_CLOSED_HISTORY: Final = frozenset({"invited", "joined"})
_HISTORY: Final = "m.room.history_visibility"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room as it is now. `members` are those who have joined or are invited, without the bot; `alone`: one person and
    the bot; `may_close`: only its history keeps it from being closed, and the bot has the power to change that."""

    audience: Audience
    members: tuple[str, ...]
    encrypted: bool
    alone: bool
    may_close: bool = False


def server_of(user: str) -> str:
    """The homeserver of ``@anna:example.org``: what stands after the first colon."""
    return user.partition(":")[2].lower()


def is_wider(one: Audience, other: Audience) -> bool:
    """Whether more people read in `one` than in `other`."""
    return _WIDTH.index(one) > _WIDTH.index(other)


def room(state: Iterable[Any], *, bot: str) -> Room:
    """What the state events of a room, in the form of the client-server interface, say of who reads there."""
    content = _contents(state)
    present = {
        key
        for (kind, key), value in content.items()
        if kind == "m.room.member" and _is_present(value.get("membership"))
    }
    members = tuple(sorted(present - {bot}))
    guests = any(server_of(member) != server_of(bot) for member in members)
    doors = content.get(("m.room.join_rules", ""), {}).get("join_rule") in _CLOSED_DOORS
    history = content.get((_HISTORY, ""), {}).get("history_visibility") in _CLOSED_HISTORY
    alone = len(members) == 1
    return Room(
        audience=_audience(guests=guests, closed=doors and history, alone=alone),
        members=members,
        encrypted=("m.room.encryption", "") in content,
        alone=alone,
        may_close=alone and doors and not guests and not history and _may_set(content, bot=bot, kind=_HISTORY),
    )


def _audience(*, guests: bool, closed: bool, alone: bool) -> Audience:
    if guests:
        return Audience.GUESTS
    if not closed:
        return Audience.PUBLIC_CHANNEL
    return Audience.DIRECT if alone else Audience.PRIVATE_CHANNEL


def _contents(state: Iterable[Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for event in state:
        if not isinstance(event, Mapping):
            continue
        kind, key, content = event.get("type"), event.get("state_key"), event.get("content")
        if isinstance(kind, str) and isinstance(key, str):
            found[kind, key] = content if isinstance(content, Mapping) else {}
            if kind == "m.room.create" and isinstance(sender := event.get("sender"), str):
                found[kind, key] = {**found[kind, key], "sender": sender}
    return found


def _is_present(membership: object) -> bool:
    """Only who is certainly gone is left out."""
    return membership not in ("leave", "ban", "knock")


def _may_set(content: Mapping[tuple[str, str], Mapping[str, Any]], *, bot: str, kind: str) -> bool:
    """Whether the bot's power suffices for a state event of this kind."""
    levels = content.get(("m.room.power_levels", ""), {})
    users, events = levels.get("users"), levels.get("events")
    own = _level(users, bot, _level(levels, "users_default", 0))
    create = content.get(("m.room.create", ""), {})
    founders: Set[object] = {create.get("sender"), *_words(create.get("additional_creators"))}
    return bot in founders or own >= _level(events, kind, _level(levels, "state_default", 50))


def _level(levels: object, key: str, usual: int) -> int:
    found = levels.get(key, usual) if isinstance(levels, Mapping) else usual
    return found if isinstance(found, int) else usual


def _words(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
