"""POSIX modes and access control lists as ordered entries. Pure: numbers and bytes in, entries out.

The order is the kernel's (`posix_acl_permission` in fs/posix_acl.c): an owner is judged by the owner's bits alone, a
named user by theirs, a member of any group that is named by the groups', and only whom none of these mean by the
others'.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from connectors.accounts import Accounts
from rag.access import EVERYONE, Step, Token

Bit: TypeAlias = Literal[4, 1]
"""Reading a file; passing through a folder."""
READ: Final = 4
PASS: Final = 1

_VERSION = 2
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_OWNER, _USER, _OWN_GROUP, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_BITS = {"r": 4, "w": 2, "x": 1}


class Entry(NamedTuple):
    """One line of a file's rights: whom it means (None: nobody that is known), and what it is in words."""

    admits: bool
    token: Token | None
    words: str

    @property
    def step(self) -> Step:
        """The same for a gate."""
        return Step(self.admits, frozenset({self.token} if self.token else ()))


class Malformed(ValueError):
    """Rights that are not of the form they should be."""


def posix_entries(
    bit: Bit, *, mode: int, owner: int, group: int, acl: bytes | None, accounts: Accounts
) -> Sequence[Entry]:
    """What a file's mode, owner and list say about `READ` or `PASS`, in the order in which it counts.

    `acl` is the value of ``system.posix_acl_access``, None where there is none. Where the mode's middle digit is 0 the
    kernel does not look at the list, and so is not looked at here either.

    Raises:
        Malformed: the list is not one.
    """
    own = accounts.user(owner)
    if acl is None or not mode & 0o070:
        return (
            _entry(mode >> 6, bit, own, f"its owner {_name(own, owner)}"),
            _entry(mode >> 3, bit, (own_group := accounts.group(group)), f"its group {_name(own_group, group)}"),
            _entry(mode, bit, EVERYONE, "all others"),
        )
    return _listed(bit, list(_parsed(acl)), owner=owner, group=group, accounts=accounts)


def _listed(
    bit: int, entries: Sequence[tuple[int, int, int]], *, owner: int, group: int, accounts: Accounts
) -> Sequence[Entry]:
    tags = [tag for tag, _, _ in entries]
    if any(tags.count(tag) != 1 for tag in (_OWNER, _OWN_GROUP, _OTHER)) or tags.count(_MASK) > 1:
        raise Malformed("an access control list without owner, group or others")
    mask = next((perm for tag, perm, _ in entries if tag == _MASK), 7)
    if _MASK not in tags and {_USER, _GROUP} & set(tags):
        raise Malformed("an access control list with names and without a mask")
    found: dict[int, list[Entry]] = {tag: [] for tag in (_OWNER, _USER, _GROUP, _OTHER)}
    for tag, perm, number in entries:
        if tag == _OWNER:
            token = accounts.user(owner)
            found[_OWNER].append(_entry(perm, bit, token, f"its owner {_name(token, owner)}"))
        elif tag == _USER:
            token = accounts.user(number)
            found[_USER].append(_entry(perm & mask, bit, token, f"the entry user:{_name(token, number)}", mask=mask))
        elif tag == _OWN_GROUP:
            token = accounts.group(group)
            found[_GROUP].append(_entry(perm & mask, bit, token, f"its group {_name(token, group)}", mask=mask))
        elif tag == _GROUP:
            token = accounts.group(number)
            found[_GROUP].append(_entry(perm & mask, bit, token, f"the entry group:{_name(token, number)}", mask=mask))
        elif tag == _OTHER:
            found[_OTHER].append(_entry(perm, bit, EVERYONE, "all others"))
    groups = sorted(found[_GROUP], key=lambda entry: not entry.admits)  # one group that lets in is enough
    return (*found[_OWNER], *found[_USER], *groups, *found[_OTHER])


def _parsed(acl: bytes) -> Iterator[tuple[int, int, int]]:
    """(tag, permissions, id) of each entry."""
    if len(acl) < _HEAD.size or _HEAD.unpack_from(acl)[0] != _VERSION or (len(acl) - _HEAD.size) % _ENTRY.size:
        raise Malformed("an access control list of another form")
    for tag, perm, number in _ENTRY.iter_unpack(acl[_HEAD.size :]):
        if tag not in (_OWNER, _USER, _OWN_GROUP, _GROUP, _MASK, _OTHER) or perm > 7:
            raise Malformed("an access control list with an unknown entry")
        yield tag, perm, number


def _entry(perm: int, bit: int, token: Token | None, words: str, *, mask: int = 7) -> Entry:
    letters = "".join(letter if perm & worth else "-" for letter, worth in _BITS.items())
    masked = f", masked to {''.join(x if mask & y else '-' for x, y in _BITS.items())}" if mask != 7 else ""
    return Entry(bool(perm & bit), token, f"{words} ({letters}{masked})")


def _name(token: Token | None, number: int) -> str:
    return token.split(":", 1)[1] if token else f"{number}, unknown here"
