"""The accounts and groups of the operating system, local ones and those it takes from a directory (sssd, winbind)."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: all names it goes by, and every group it is in, its own and the further ones. `closed`: it is shut,
    and its person is refused; not `whole`: there may be further groups."""

    names: frozenset[str]
    groups: frozenset[str]
    closed: bool = False
    whole: bool = True


def account(name: str) -> Account | None:
    """The account of that name; None: the system knows none.

    A group without a name is left out: where such a group is shut out of a file, everybody is (`rag.access.gate`).

    Raises:
        OSError: the directory cannot be asked.
    """
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    names = {found.pw_name}
    with suppress(KeyError):
        names.add(pwd.getpwuid(found.pw_uid).pw_name)
    groups = set()
    for number in os.getgrouplist(found.pw_name, found.pw_gid):
        with suppress(KeyError):
            groups.add(grp.getgrgid(number).gr_name)
    return Account(names=frozenset(names), groups=frozenset(groups))


def every(look_ups: Sequence[Callable[[str], Account | None]]) -> Callable[[str], Account | None]:
    """One look-up out of several (the system's, a directory's): all names and groups together, whole where all know
    them, closed where one says so. What one fails to say, all fail to."""

    def account_of(name: str) -> Account | None:
        found = [look_up(name) for look_up in look_ups]
        if any(one is not None and one.closed for one in found):
            return Account(names=frozenset(), groups=frozenset(), closed=True)
        known = [one for one in found if one is not None]
        if not known:
            return None
        return Account(
            names=frozenset().union(*(one.names for one in known)),
            groups=frozenset().union(*(one.groups for one in known)),
            whole=len(known) == len(found),
        )

    return account_of
