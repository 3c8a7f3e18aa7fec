"""NFSv4 access control lists as ordered entries, as a mount gives them. Pure: bytes in, entries out.

Form: RFC 7530, section 6.2.1 (nfsace4), in the XDR of ``system.nfs4_acl``; the first entry that means a person and
names the right decides, and what none decides is denied.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from connectors.accounts import NO_PERSON, Accounts
from connectors.posix_rights import PASS, READ, Bit, Entry, Malformed
from rag.access import EVERYONE, Token

_ALLOW, _DENY, _AUDIT, _ALARM = range(4)
_INHERIT_ONLY, _GROUP = 0x08, 0x40
_BITS = {READ: 0x01, PASS: 0x20}  # ACE4_READ_DATA, ACE4_EXECUTE
_EVERYBODY = frozenset({"EVERYONE@", "AUTHENTICATED@", "NETWORK@"})
_NO_PERSON = frozenset({"ANONYMOUS@", "SERVICE@", "BATCH@"})
_MOST = 4096


def nfs4_entries(
    bit: Bit, value: bytes, *, owner: Token | None, group: Token | None, accounts: Accounts
) -> Sequence[Entry]:
    """What a list says about `READ` or `PASS`, in its order; `owner` and `group` are the file's.

    Raises:
        Malformed: it is no list.
    """
    found = []
    for kind, flags, mask, who in _parsed(value):
        if flags & _INHERIT_ONLY or kind in (_AUDIT, _ALARM) or not mask & _BITS[bit]:
            continue
        token = _token(who, is_group=bool(flags & _GROUP), owner=owner, group=group, accounts=accounts)
        found.append(Entry(kind == _ALLOW, token, f"the entry {'allow' if kind == _ALLOW else 'deny'} {who}"))
    return found


def _token(who: str, *, is_group: bool, owner: Token | None, group: Token | None, accounts: Accounts) -> Token | None:
    if who == "OWNER@":
        return owner
    if who == "GROUP@":
        return group
    if who in _EVERYBODY:
        return EVERYONE
    if who in _NO_PERSON:
        return NO_PERSON
    return accounts.named(who, is_group=is_group)


def _parsed(value: bytes) -> Iterator[tuple[int, int, int, str]]:
    """(kind, flags, rights, who) of each entry."""
    try:
        (count,) = struct.unpack_from(">I", value)
        if count > _MOST:
            raise Malformed("an NFSv4 access control list of absurd length")
        place = 4
        for _ in range(count):
            kind, flags, mask, length = struct.unpack_from(">IIII", value, place)
            who = value[place + 16 : place + 16 + length]
            place += 16 + (length + 3) // 4 * 4
            if len(who) != length or place > len(value) or kind not in (_ALLOW, _DENY, _AUDIT, _ALARM):
                raise Malformed("an NFSv4 access control list of another form")
            yield kind, flags, mask, who.decode("utf-8")
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed("an NFSv4 access control list that is cut off") from error
    if place != len(value):
        raise Malformed("an NFSv4 access control list with something after it")
