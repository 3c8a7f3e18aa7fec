"""Who may read what, and through which channel: the one place where "may read" is written.

Rights are never ambient: every call that can reach a document takes a `Principal`, and a `Channel` where the answer
may leave the house.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, NewType

Token = NewType("Token", str)
"""A reader as rights are written: ``user:anna``, ``group:hr`` or ``everyone``."""

EVERYONE = Token("everyone")
OWNER: Final = "local"
"""Whoever works at the machine itself: no directory and no provider knows them."""


def user(name: str) -> Token:
    """The token of one person."""
    return Token(f"user:{name}")


def group(name: str) -> Token:
    """The token of a group."""
    return Token(f"group:{name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The person a question is answered for. Made only by `rag.identity`.

    `aliases` are other names of the same account. `unsure`: there may be groups that could not be looked up, so what
    shuts out any group shuts out this person too. `breaks_glass`: whatever anybody may read, this person may, for once.
    `company` are those who read along, as in a room of a chat: what one of them may not read, nobody is told there.
    """

    user: str
    groups: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    unsure: bool = False
    breaks_glass: bool = False
    company: frozenset[Principal] = frozenset()

    @property
    def tokens(self) -> frozenset[Token]:
        """Every token this person holds; ``everyone`` is always among them."""
        names = (user(name) for name in (self.user, *self.aliases))
        return frozenset({EVERYONE, *names, *(group(name) for name in self.groups)})


class Step(NamedTuple):
    """Whoever holds one of the tokens is let in, or shut out. Without a token: it is about somebody unknown."""

    admits: bool
    tokens: frozenset[Token]

    def meets(self, held: Set[Token], *, unsure: bool) -> bool:
        """Whether it decides about who holds these; about somebody unsure, a group that is shut out does."""
        met = not self.tokens.isdisjoint(held)
        return met or (unsure and not self.admits and any(token.startswith("group:") for token in self.tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Rights whose order matters, as file systems write them: the first step that meets a person decides; whom none
    meets is shut out."""

    steps: tuple[Step, ...]

    def passes(self, held: Set[Token], *, unsure: bool = False) -> bool:
        """Whether who holds these tokens comes through."""
        return next((step.admits for step in self.steps if step.meets(held, unsure=unsure)), False)


OPEN = Gate(steps=(Step(True, frozenset({EVERYONE})),))
"""The gate everybody passes."""


def gate(entries: Iterable[Step]) -> Gate:
    """The shortest gate that decides as these entries do in their order.

    An entry about somebody unknown lets nobody in; where it shuts out, nobody can be told from those it means, and so
    nothing after it counts.
    """
    steps: list[Step] = []
    decided: set[Token] = set()
    for admits, tokens in entries:
        left = frozenset({EVERYONE}) if EVERYONE in tokens else tokens - decided
        decided |= left
        if not tokens and not admits:
            break
        if steps and left and steps[-1].admits is admits:
            left |= steps.pop().tokens
        if left:
            steps.append(Step(admits, frozenset({EVERYONE}) if EVERYONE in left else left))
        if EVERYONE in left:
            break
    while steps and not steps[-1].admits:
        steps.pop()
    return Gate(steps=tuple(steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """Who may read a document: whoever is one of `readers`, is none of `denied`, and passes every gate. No readers mean
    nobody, whatever else is said."""

    readers: frozenset[Token] = frozenset()
    denied: frozenset[Token] = frozenset()
    gates: tuple[Gate, ...] = ()

    def admits(self, principal: Principal) -> bool:
        """Whether the principal may read, and everybody who reads along."""
        return self._admits(principal) and all(self.admits(one) for one in principal.company)

    def _admits(self, principal: Principal) -> bool:
        held, unsure = principal.tokens, principal.unsure
        if principal.breaks_glass:
            return bool(self.readers)
        return (
            not self.readers.isdisjoint(held)
            and not Step(False, self.denied).meets(held, unsure=unsure)
            and all(one.passes(held, unsure=unsure) for one in self.gates)
        )

    @property
    def plain(self) -> bool:
        """Whether the readers alone decide."""
        return not self.denied and not self.gates


NOBODY = Acl()


def through(gates: Iterable[Gate], *, denied: frozenset[Token] = frozenset()) -> Acl:
    """The rights of who passes all these gates and is none of `denied`; equal rights come out equal.

    Its readers are never more than the gates need: where they do not decide alone, they leave out nobody who may read.
    """
    left: set[Gate] = set()
    for one in gates:
        steps = one.steps
        if steps and not steps[0].admits:
            denied, steps = denied | steps[0].tokens, steps[1:]
        if not steps:
            return NOBODY
        left.add(Gate(steps=steps))
    if EVERYONE in denied:
        return NOBODY
    lists = [one for one in left if len(one.steps) == 1]  # of these the shorter ones leave the longer ones nothing
    needed = [one for one in lists if not any(_within(other, one) for other in lists)]
    ordered = sorted(needed, key=_order) + sorted(left.difference(lists), key=_order)
    ordered = [one for one in ordered if one != OPEN]
    if not ordered:
        return Acl(readers=frozenset({EVERYONE}), denied=denied)
    readers: frozenset[Token] = frozenset().union(*(step.tokens for step in ordered[0].steps if step.admits))
    rest = ordered[1:] if len(ordered[0].steps) == 1 else ordered
    return Acl(readers=frozenset({EVERYONE}) if EVERYONE in readers else readers, denied=denied, gates=tuple(rest))


def both(one: Acl, other: Acl) -> Acl:
    """The rights of who may read by either of them."""
    gates = [gate([Step(True, acl.readers)]) for acl in (one, other)]
    return through([*gates, *one.gates, *other.gates], denied=one.denied | other.denied)


def within(one: Acl, other: Acl) -> bool:
    """Whether nobody may read by `one` who may not by `other`; False where that is not plain to see."""
    return both(one, other) == both(one, one)


def _within(one: Gate, other: Gate) -> bool:
    """Whether a list of readers lets in fewer than another."""
    return one.steps[0].tokens < other.steps[0].tokens


def _order(one: Gate) -> list[tuple[int, bool, list[Token]]]:
    return [(len(step.tokens), step.admits, sorted(step.tokens)) for step in one.steps]


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
    """What a search may touch: the rights classes a principal reads, narrowed to what was asked for. None narrows
    nothing, an empty set leaves nothing. `documents` are keys, `chunks` ids."""

    acl_classes: frozenset[int]
    sources: frozenset[str] | None = field(default=None)
    languages: frozenset[str] | None = field(default=None)
    documents: frozenset[str] | None = field(default=None)
    chunks: frozenset[str] | None = field(default=None)

    @property
    def empty(self) -> bool:
        """Whether nothing can be found under it."""
        narrowings = (self.sources, self.languages, self.documents, self.chunks)
        return not self.acl_classes or any(wanted is not None and not wanted for wanted in narrowings)

    def admits(self, *, acl_class: int, source: str, language: str) -> bool:
        """Whether rows of this class, source and language may be found, as far as those decide."""
        return (
            acl_class in self.acl_classes
            and (self.sources is None or source in self.sources)
            and (self.languages is None or language in self.languages)
        )
