"""Whom the numbers and names in a file system's rights mean: as tokens, or nobody that is known."""

from __future__ import annotations

import grp
import pwd
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rag.access import EVERYONE, Token, group, user

_KEEP_S = 60.0
_OVERFLOW = Path("/proc/sys/kernel")
_EVERY_SID = frozenset({"S-1-1-0", "S-1-2-0", "S-1-5-2", "S-1-5-11", "S-1-5-15"})
"""Everyone, Local, Network, Authenticated Users, This Organization: whoever signed in is one of each."""
_NO_PERSON = frozenset({"S-1-5-7", "S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-3-0", "S-1-3-1"})
"""Anonymous, the machine's own accounts, and the placeholders an owner takes the place of."""

NO_PERSON = Token("nobody")
"""Whom no person is: what lets it in lets nobody in, what shuts it out shuts nobody out."""


class Accounts:
    """Looks up names, and keeps each for a minute. `sids` maps a security identifier to a token, `domain` is what
    follows the ``@`` in the names of an NFSv4 server."""

    def __init__(
        self,
        *,
        sids: Mapping[str, Token] | None = None,
        domain: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sids, self._domain, self._clock = dict(sids or {}), domain.lower(), clock
        self._known: dict[tuple[str, int], Token | None] = {}
        self._since = clock()

    def user(self, number: int) -> Token | None:
        """A user id's token; None: no account, several, or the number that stands for any foreign one."""
        return self._kept("uid", number, self.user_name)

    def group(self, number: int) -> Token | None:
        """A group id's, likewise."""
        return self._kept("gid", number, self.group_name)

    def sid(self, sid: str) -> Token | None:
        """A security identifier's token: as the settings say, or one that is the same everywhere."""
        if sid in self._sids:
            return self._sids[sid]
        if sid in _EVERY_SID:
            return EVERYONE
        return NO_PERSON if sid in _NO_PERSON else None

    def named(self, name: str, *, is_group: bool) -> Token | None:
        """A name as an NFSv4 server writes it, ``anna@firma.de`` or a number in digits."""
        if name.isdecimal() and name.isascii():
            number = int(name)
            return self.group(number) if is_group else self.user(number)
        local, at, domain = name.rpartition("@")
        if not at or not local or not self._domain or domain.lower() != self._domain:
            return None
        return group(local) if is_group else user(local)

    def user_name(self, number: int) -> str | None:
        """The name of a user id in the operating system, if it is the name of no other."""
        try:
            name = pwd.getpwuid(number).pw_name
            return name if pwd.getpwnam(name).pw_uid == number else None
        except (KeyError, OverflowError):
            return None

    def group_name(self, number: int) -> str | None:
        """The name of a group id, likewise."""
        try:
            name = grp.getgrgid(number).gr_name
            return name if grp.getgrnam(name).gr_gid == number else None
        except (KeyError, OverflowError):
            return None

    def _kept(self, kind: str, number: int, look_up: Callable[[int], str | None]) -> Token | None:
        if not 0 <= self._clock() - self._since < _KEEP_S:
            self._known, self._since = {}, self._clock()
        if (kind, number) not in self._known:
            foreign = number == _overflow(kind)
            name = None if foreign else look_up(number)
            make = user if kind == "uid" else group
            self._known[kind, number] = make(name) if name else None
        return self._known[kind, number]


def _overflow(kind: str) -> int:
    """The number the kernel shows for ids that mean nothing here."""
    try:
        return int((_OVERFLOW / f"overflow{kind}").read_text())
    except (OSError, ValueError):
        return 65534
