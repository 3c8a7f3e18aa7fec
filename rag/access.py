"""Who may read what, and through which channel: the one place where "may read" is written.

Rights are never ambient: every call that can reach a document takes a `Principal`, and a `Channel` where the answer
may leave the house.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType

Token = NewType("Token", str)
"""A reader as rights are written: ``user:anna``, ``group:hr`` or ``everyone``."""

EVERYONE = Token("everyone")


def user(name: str) -> Token:
    """The token of one person."""
    return Token(f"user:{name}")


def group(name: str) -> Token:
    """The token of a group."""
    return Token(f"group:{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The person a question is answered for. Made only by `rag.identity`."""

    user: str
    groups: frozenset[str] = frozenset()

    @property
    def tokens(self) -> frozenset[Token]:
        """Every token this person holds; ``everyone`` is always among them."""
        return frozenset({EVERYONE, user(self.user), *(group(name) for name in self.groups)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """The readers of a document. Empty means nobody."""

    readers: frozenset[Token] = frozenset()

    def admits(self, principal: Principal) -> bool:
        """Whether the principal may read."""
        return not self.readers.isdisjoint(principal.tokens)


NOBODY = Acl()


class Confidentiality(IntEnum):
    """The class of a source's documents; higher is more secret. What is not stated is STRICT."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    STRICT = 3


class ChannelKind(StrEnum):
    """Where an answer is shown, by how far it travels."""

    LOOPBACK = "loopback"
    INTRANET = "intranet"
    SELF_HOSTED_CHAT = "self_hosted_chat"
    CLOUD_CHAT = "cloud_chat"


class Audience(StrEnum):
    """Who else sees an answer."""

    DIRECT = "direct"
    PRIVATE_CHANNEL = "private_channel"
    PUBLIC_CHANNEL = "public_channel"
    GUESTS = "guests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The way an answer takes: bound to the credential, never claimed by the asker."""

    kind: ChannelKind
    audience: Audience = Audience.DIRECT


LOOPBACK = Channel(kind=ChannelKind.LOOPBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a search may touch: the rights classes a principal reads, and a narrowing to sources if asked for."""

    acl_classes: frozenset[int]
    sources: frozenset[str] | None = field(default=None)
