"""Who may read what, said once more and independently of the product: the oracle of the tests for leaks.

Nothing here is imported from where the product decides: groups are looked up by recursion, rules by sorting, file
rights bit by bit, and what a channel may carry stands in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.access import Audience, Channel, ChannelKind

CLASSES = ("public", "internal", "confidential", "strict")

INSIDE = frozenset({ChannelKind.LOOPBACK, ChannelKind.INTRANET})
CARRIED: Mapping[tuple[ChannelKind, Audience], int] = {
    **{(ChannelKind.CLOUD_CHAT, audience): 0 for audience in Audience},
    **{(ChannelKind.SELF_HOSTED_CHAT, audience): 0 for audience in Audience},
    (ChannelKind.SELF_HOSTED_CHAT, Audience.DIRECT): 1,
    (ChannelKind.SELF_HOSTED_CHAT, Audience.PRIVATE_CHANNEL): 1,
}
"""The most secret class a chat carries in full, as an index of `CLASSES`."""


@dataclass(frozen=True)
class Person:
    """`groups` are those the system knows; `known`: whether the system knows the person at all."""

    name: str
    groups: frozenset[str] = frozenset()
    known: bool = True


def tokens(person: Person, settings_groups: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Every token the person holds."""

    def holds(group: str, seen: frozenset[str] = frozenset()) -> bool:
        if group in person.groups:
            return True
        if group in seen:
            return False
        return any(
            holds(member[6:], seen | {group}) if member.startswith("group:") else member == person.name
            for member in settings_groups.get(group, ())
        )

    there = {*settings_groups, *person.groups}
    return frozenset({"everyone", f"user:{person.name}", *(f"group:{name}" for name in there if holds(name))})


@dataclass(frozen=True)
class Bits:
    """Owner, group and mode of a file or folder; `wanted` is the bit that counts: 4 to read, 1 to pass."""

    uid: int
    gid: int
    mode: int
    wanted: int

    def lets(self, held: frozenset[str], *, known: bool) -> bool:
        owner, group, others = (bool(self.mode >> shift & self.wanted) for shift in (6, 3, 0))
        if f"user:u{self.uid}" in held:
            return owner
        if f"group:g{self.gid}" in held:
            return group
        return others and (known or group)  # whose groups nobody knows is shut out with any group that is


@dataclass(frozen=True)
class Right:
    """Who may read one file by what its source said when it was last looked at."""

    readers: frozenset[str]
    denied: frozenset[str] = frozenset()
    bits: tuple[Bits, ...] | None = None

    def admits(self, held: frozenset[str], *, known: bool) -> bool:
        if self.denied & held or (not known and any(token.startswith("group:") for token in self.denied)):
            return False
        if self.bits is None:
            return bool(self.readers & held)
        return all(one.lets(held, known=known) for one in self.bits)


@dataclass(frozen=True)
class Rules:
    """A source as rag.toml says it: `rules` maps a path to readers (None: as above) and whom it denies."""

    readers: tuple[str, ...]
    secrecy: int
    denied: tuple[str, ...] = ()
    rules: Mapping[str, tuple[tuple[str, ...] | None, tuple[str, ...]]] = field(default_factory=dict)

    def at(self, root: Path, path: str) -> Right:
        readers, denied = self.readers, set(self.denied)
        for place in sorted(self.rules, key=lambda place: len(place.rstrip("/"))):
            if path == place or path.startswith(place.rstrip("/") + "/"):
                own, shut = self.rules[place]
                readers = own if own is not None else readers
                denied |= set(shut)
        if "from-filesystem" not in readers:
            return Right(frozenset(readers), frozenset(denied))
        steps = [root, *(root.joinpath(*Path(path).parts[:depth]) for depth in range(1, len(Path(path).parts) + 1))]
        bits = tuple(_bits(step, 4 if step == steps[-1] else 1) for step in steps)
        return Right(frozenset({"everyone"}), frozenset(denied), bits)


def _bits(path: Path, wanted: int) -> Bits:
    status = path.stat()
    return Bits(status.st_uid, status.st_gid, status.st_mode & 0o777, wanted)


@dataclass(frozen=True)
class Shelved:
    """A document as it was last looked at: the numbers of its canaries, what must hold for its readers, and its class.
    `place` is source and path, `body` tells contents apart."""

    place: tuple[str, str]
    body: int
    numbers: frozenset[int]
    rights: tuple[Right, ...]
    secrecy: int

    def admits(self, held: frozenset[str], *, known: bool) -> bool:
        return all(right.admits(held, known=known) for right in self.rights)

    def carried(self, channel: Channel) -> bool:
        return channel.kind in INSIDE or self.secrecy <= CARRIED[channel.kind, channel.audience]

    def narrowed(self, other: Shelved) -> Shelved:
        """For whom both may be read."""
        return replace(self, rights=(*self.rights, *other.rights), secrecy=max(self.secrecy, other.secrecy))


def under_way(before: Sequence[Shelved], after: Sequence[Shelved]) -> list[Shelved]:
    """What may be shown while a source is looked at again: what is new to its readers, what was there to those who may
    read it then and now."""
    made = list(after)
    for old in before:
        here = [one for one in after if one.place == old.place]
        elsewhere = [one for one in after if one.body == old.body]
        if here and (here[0].body == old.body or not elsewhere):
            made.append(old.narrowed(here[0]))
        elif len(elsewhere) == 1 and not here:
            made.append(old.narrowed(elsewhere[0]))
        else:  # gone, or one of several moves: either may be what is done first
            made.append(old)
    return made
