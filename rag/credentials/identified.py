"""What a credential says, once it was verified: whom it speaks for, what it may be used for, which way answers take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rag.access import Channel, ChannelKind

SEARCH: Final = "search"
ASK: Final = "ask"
DOCUMENTS: Final = "documents"
ADMIN: Final = "admin"
BOT: Final = "bot"
PERSONAL: Final = (SEARCH, ASK, DOCUMENTS, ADMIN)
"""What a person's or a program's credential can be good for; `admin` sees the state of the service and confirms
removals, and reads nothing."""
SCOPES: Final = (*PERSONAL, BOT)
"""What a credential can be good for at all; `bot` is for the key of a bot in a chat, and for nothing else."""
READING: Final = frozenset({SEARCH, ASK, DOCUMENTS})
"""What a person who signs in may do; who is listed as an administrator may the fourth as well."""

INTRANET: Final = Channel(kind=ChannelKind.INTRANET)

SERVICE: Final = "service:"
"""Begins the name of a program that is nobody's: no person can be called so."""


def always() -> bool:
    """Good as long as it is not looked at again."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """A verified credential. `groups` are those it claims, None: its kind claims none; `scopes` None: what the person
    may; `sources` None: no limit; `key` the id of an API key, `bot` the platform it serves where it is a bot's.
    `unsure`: it should name groups, and does not. `account`: tenant and object id, as the provider names them. `good`
    is asked again while an answer is on its way: cheap, from any thread."""

    user: str
    groups: frozenset[str] | None = None
    scopes: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    channel: Channel = INTRANET
    key: str | None = None
    bot: str = ""
    unsure: bool = False
    account: str = ""
    good: Callable[[], bool] = always
