"""A directory (OpenLDAP, Active Directory and the like): who an account is, its groups, and whether it is shut.

A person's groups are those that name their entry as a member, those that name these groups, and so on: our own walk,
level by level, bounded, on any server, and a circle of groups ends. (Active Directory's matching rule for chains finds
the same in one question there, and is understood nowhere else.)

What fails is never "no groups": it is said to fail, and the person is then unsure (`rag.identity`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sansldap import LDAPFilter

from rag.credentials.ldap_connection import Connection, DirectoryError
from rag.system_accounts import Account

_log = logging.getLogger(__name__)

T = TypeVar("T")


class EntryError(DirectoryError):
    """The directory answers, and what it says of this one person cannot be used: nobody else is the worse for it."""


_DISABLED: Final = 2  # userAccountControl, ACCOUNTDISABLE
_NEVER: Final = frozenset({0, 0x7FFFFFFFFFFFFFFF})  # accountExpires
_EPOCH_DIFFERENCE_S: Final = 11_644_473_600  # from 1601, whence Windows counts, to 1970
_STANDING: Final = ("userAccountControl", "accountExpires", "pwdAccountLockedTime", "nsAccountLock")
_DEEPEST: Final = 20
_MOST_GROUPS: Final = 2000
_AT_ONCE: Final = 50
_REST_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where and how to look. `user_filter` holds ``{user}``; `names` are attributes whose values are names of the same
    person; `members` those in which a group names its members' entries; `mail` holds a person's e-mail address."""

    user_base: str
    user_filter: str
    names: Sequence[str]
    group_base: str
    group_filter: str = "(objectClass=*)"
    group_name: str = "cn"
    members: Sequence[str] = ("member", "uniqueMember")
    mail: str = "mail"


class Directory:
    """Asks a directory about accounts, one connection each time. `connect` opens one. Safe to use from several
    threads; after a failure it rests for a few seconds, so that a directory that hangs does not hold everybody up."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        plan: Plan,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect, self._plan = connect, plan
        self._clock, self._now = clock, now
        self._lock = threading.Lock()
        self._failed_at = float("-inf")
        self._failure = ""
        self._trying = False

    def account(self, name: str) -> Account | None:
        """The account of that name; None: the directory knows none.

        Raises:
            OSError: it cannot be asked, or cannot say exactly.
        """
        return self._asked(lambda connection: self._account(connection, name))

    def named(self, mail: str) -> str | None:
        """The name of the one person with this e-mail address; None: nobody has it, or more than one.

        Raises:
            OSError: it cannot be asked.
        """
        return self._asked(lambda connection: self._named(connection, mail))

    def _asked(self, look: Callable[[Connection], T]) -> T:
        with self._lock:
            if self._failure and (self._trying or self._clock() - self._failed_at < _REST_S):
                raise DirectoryError(self._failure)
            self._trying = bool(self._failure)  # after a failure one tries, for all
        try:
            with self._connect() as connection:
                found = look(connection)
        except EntryError as error:
            _log.warning("An entry of the directory cannot be used: %s", error, extra={"action": "entry_unusable"})
            self._note("")
            raise
        except OSError as error:
            _log.warning("The directory cannot be asked: %s", error, extra={"action": "directory_failed"})
            self._note(str(error) or type(error).__name__)
            raise
        self._note("")
        return found

    def _note(self, failure: str) -> None:
        with self._lock:
            self._failed_at, self._failure, self._trying = self._clock(), failure, False

    def _named(self, connection: Connection, mail: str) -> str | None:
        plan = self._plan
        wanted = _filter(f"({plan.mail}={escaped(mail)})")
        found = connection.search(plan.user_base, wanted, [*plan.names], most=2)
        if len(found) != 1:
            return None
        names = [_first(found[0][1], one.lower()) for one in plan.names]
        return next((name for name in names if name.strip()), None)

    def _account(self, connection: Connection, name: str) -> Account | None:
        plan = self._plan
        wanted = _filter(plan.user_filter.replace("{user}", escaped(name)))
        found = connection.search(plan.user_base, wanted, [*plan.names, *_STANDING], most=2)
        if not found:
            return None
        if len(found) > 1:
            raise EntryError("More than one entry of the directory fits a name: make auth.ldap.user_filter exact.")
        entry, values = found[0]
        names = {value for one in plan.names for value in values.get(one.lower(), ())}
        if self._is_shut(values):
            return Account(names=frozenset(names), groups=frozenset(), closed=True)
        return Account(names=frozenset(names), groups=self._groups(connection, entry, names))

    def _groups(self, connection: Connection, entry: str, names: Iterable[str]) -> frozenset[str]:
        plan = self._plan
        found: dict[str, str] = {}
        level = [f"({one}={escaped(entry)})" for one in plan.members] + [f"(memberUid={escaped(one)})" for one in names]
        for _ in range(_DEEPEST):
            if not level:
                return frozenset(found.values())
            fresh: list[str] = []
            for start in range(0, len(level), _AT_ONCE):
                either = "".join(level[start : start + _AT_ONCE])
                wanted = _filter(f"(&{plan.group_filter}(|{either}))")
                for group, values in connection.search(plan.group_base, wanted, [plan.group_name], most=_MOST_GROUPS):
                    if _plain(group) not in found:
                        found[_plain(group)] = _name_of(values, plan.group_name)
                        fresh.append(group)
            if len(found) > _MOST_GROUPS:
                raise EntryError(f"A person is in more than {_MOST_GROUPS} groups of the directory.")
            level = [f"({one}={escaped(group)})" for group in fresh for one in plan.members]
        raise EntryError(f"Groups of the directory are nested deeper than {_DEEPEST}.")

    def _is_shut(self, values: Mapping[str, list[str]]) -> bool:
        control = _number(values, "useraccountcontrol")
        expires = _number(values, "accountexpires")
        expired = expires not in _NEVER and expires / 10_000_000 - _EPOCH_DIFFERENCE_S <= self._now()
        locked = bool(values.get("pwdaccountlockedtime"))
        return bool(control & _DISABLED) or expired or locked or _first(values, "nsaccountlock").lower() == "true"


def escaped(value: str) -> str:
    """A value as it stands in a filter, RFC 4515: every byte that is no plain letter or digit by its number."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 0x80 else f"\\{byte:02x}" for byte in value.encode("utf-8")
    )


def _filter(text: str) -> LDAPFilter:
    try:
        return LDAPFilter.from_string(text)
    except ValueError as error:
        raise DirectoryError("A filter under [auth.ldap] cannot be read.") from error


def _plain(entry: str) -> str:
    return entry.casefold()


def _name_of(values: Mapping[str, list[str]], attribute: str) -> str:
    name = _first(values, attribute.lower())
    if not name.strip():
        raise EntryError(f"A group of the directory has no {attribute}.")
    return name


def _first(values: Mapping[str, list[str]], attribute: str) -> str:
    return next(iter(values.get(attribute, ())), "")


def _number(values: Mapping[str, list[str]], attribute: str) -> int:
    """A number of the entry's, 0 where it has none; what is none shuts the account: it cannot be told open."""
    value = _first(values, attribute) or "0"
    if not value.lstrip("-").isdigit():
        raise EntryError(f"The directory's {attribute} is no number.")
    return int(value)
