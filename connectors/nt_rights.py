"""Windows security descriptors as ordered entries, as a CIFS mount gives them. Pure: bytes in, entries out.

Form: [MS-DTYP] 2.4.6 SECURITY_DESCRIPTOR, 2.4.5 ACL, 2.4.4 ACE, 2.4.2 SID; order and inheritance: 2.5.3.2. The
permissions of a share are not in it, and passing through folders is what Windows lets everybody do (bypass traverse
checking), so the file's own descriptor decides.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from connectors.accounts import Accounts
from connectors.posix_rights import Entry, Malformed

_DESCRIPTOR, _ACL, _ACE = struct.Struct("<BBHIIII"), struct.Struct("<BBHHH"), struct.Struct("<BBHI")
_DACL_PRESENT, _SELF_RELATIVE = 0x0004, 0x8000
_INHERIT_ONLY, _INHERITED = 0x08, 0x10
_READS = 0x00000001 | 0x10000000 | 0x80000000
"""FILE_READ_DATA, and the generic rights that hold it: GENERIC_ALL, GENERIC_READ."""
_ALLOWED, _DENIED, _ALLOWED_IF, _DENIED_IF = 0x00, 0x01, 0x09, 0x0A
_NO_RIGHTS = frozenset({0x02, 0x03, 0x07, 0x08, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14})
"""Auditing, alarms, labels, attributes: they say nothing about reading."""
_OWNER_RIGHTS = "S-1-3-4"


def nt_entries(descriptor: bytes, *, accounts: Accounts) -> Sequence[Entry]:
    """What a file's discretionary list says about reading its content, in its order.

    A condition cannot be judged here: an entry that lets in under one is left out, one that shuts out counts.

    Raises:
        Malformed: it is no descriptor, or one without a list, which Windows reads as "everybody may do everything".
    """
    try:
        return list(_entries(descriptor, accounts))
    except struct.error as error:
        raise Malformed("a security descriptor that is cut off") from error


def _entries(descriptor: bytes, accounts: Accounts) -> Iterator[Entry]:
    revision, _, control, owner_at, _, _, list_at = _DESCRIPTOR.unpack_from(descriptor)
    if revision != 1 or not control & _SELF_RELATIVE:
        raise Malformed("a security descriptor of another form")
    if not control & _DACL_PRESENT or not list_at:
        raise Malformed("a security descriptor without an access control list")
    owner, _ = _sid(descriptor, owner_at, len(descriptor)) if owner_at else ("", 0)
    for kind, flags, mask, sid in _list(descriptor, list_at):
        if flags & _INHERIT_ONLY or kind in _NO_RIGHTS or not mask & _READS or kind == _ALLOWED_IF:
            continue
        who = owner if sid == _OWNER_RIGHTS else sid
        admits = kind == _ALLOWED
        origin = ", inherited" if flags & _INHERITED else ""
        verb = "Allow" if admits else "Deny"
        yield Entry(admits, accounts.sid(who), f"the entry {verb} {who}{origin}")


def _list(descriptor: bytes, at: int) -> Iterator[tuple[int, int, int, str]]:
    """(kind, flags, rights, who) of each entry."""
    revision, _, size, count, _ = _ACL.unpack_from(descriptor, at)
    end = at + size
    if revision not in (2, 4) or end > len(descriptor) or size < _ACL.size:
        raise Malformed("an access control list of another form")
    place = at + _ACL.size
    for _ in range(count):
        kind, flags, length, mask = _ACE.unpack_from(descriptor, place)
        if length < _ACE.size or place + length > end:
            raise Malformed("an access control list that is cut off")
        if kind in (_ALLOWED, _DENIED, _ALLOWED_IF, _DENIED_IF):
            sid, _ = _sid(descriptor, place + _ACE.size, place + length)
            yield kind, flags, mask, sid
        elif kind not in _NO_RIGHTS:
            raise Malformed(f"an access control list with an entry of kind {kind}")
        place += length


def _sid(descriptor: bytes, at: int, end: int) -> tuple[str, int]:
    """A security identifier in its usual spelling, and where it ends."""
    revision, count = struct.unpack_from("<BB", descriptor, at)
    stop = at + 8 + 4 * count
    if revision != 1 or count > 15 or stop > end:
        raise Malformed("a security identifier of another form")
    authority = int.from_bytes(descriptor[at + 2 : at + 8], "big")
    parts = struct.unpack_from(f"<{count}I", descriptor, at + 8)
    return "-".join(map(str, ("S", revision, authority, *parts))), stop
