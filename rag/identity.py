"""From a credential to a Principal: the only maker of principals.

A person's groups are those their credential claims (an OIDC token's), those the operating system knows and those of
the settings; the settings' groups may hold any of the others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from rag.access import EVERYONE, Principal, Token, user
from rag.errors import AccessError, AccountClosed, UnknownPrincipal
from rag.system_accounts import Account

_log = logging.getLogger(__name__)
_MAX_NAME = 200
_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBreaker(Principal):
    """Somebody who may read, for once and for a reason that is recorded, whatever anybody may: `held` are the readers
    that rights are written for. What nobody may read stays unread."""

    held: frozenset[Token]

    @property
    def tokens(self) -> frozenset[Token]:
        """Everybody's."""
        return self.held | {EVERYONE, user(self.user)}


def break_glass(name: str, readers: frozenset[Token], *, reason: str) -> GlassBreaker:
    """The principal of a person who breaks the glass.

    Raises:
        AccessError: no reason is given.
    """
    if not reason.strip():
        raise AccessError('Breaking the glass needs a reason, which is recorded: --reason "…".')
    return GlassBreaker(user=name, held=readers, breaks_glass=True)


def person(
    name: str,
    groups: Mapping[str, Sequence[str]],
    *,
    held: Iterable[str] = (),
    aliases: Iterable[str] = (),
    unsure: bool = False,
) -> Principal:
    """The person of that name with every group they are in, groups inside groups included.

    `groups` maps a group to its members, each a user's name or ``group:NAME``; `held` are groups they are known to be
    in otherwise, `aliases` other names of theirs. A circle of groups ends.

    Raises:
        UnknownPrincipal: the name is empty or cannot be a name.
    """
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise UnknownPrincipal("A person's name is needed: letters, digits and signs, at most 200.")
    others = frozenset(aliases) - {name}
    every = chains(groups, names={name, *others}, held=held)
    return Principal(user=name, groups=frozenset(every), aliases=others, unsure=unsure)


def room(asker: Principal, others: Iterable[Principal]) -> Principal:
    """The asker among others who read along: what one of them may not read, nobody is told."""
    return replace(asker, company=frozenset(others) - {asker})


def chains(
    groups: Mapping[str, Sequence[str]], *, names: Set[str], held: Iterable[str] = ()
) -> Mapping[str, tuple[str, ...]]:
    """Every group a person is in → the shortest way there, from the group they are in themselves to the group itself.

    `names` are the person's, `held` the groups they are in without the settings.
    """
    found: dict[str, tuple[str, ...]] = {group: (group,) for group in sorted(held)}
    grown = True
    while grown:
        more = {
            group: (*way, group)
            for group, inside in groups.items()
            if group not in found and (way := _way_in(inside, names, found)) is not None
        }
        found |= more
        grown = bool(more)
    return found


def _way_in(inside: Sequence[str], names: Set[str], found: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """How a group of these members holds the person; nobody is let in by being called like a group."""
    if any(not member.startswith("group:") and member in names for member in inside):
        return ()
    ways = [found[name] for member in inside if (name := member.removeprefix("group:")) != member and name in found]
    return min(ways, key=len, default=None)


class Memberships:
    """Names to principals. What the operating system says of an account is kept for `keep_s` seconds, at most a
    minute; `system` is None where it is not asked, and may be a directory too. `claimed`: groups are named by a
    person's credential and nowhere else. Safe to use from several threads."""

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        system: Callable[[str], Account | None] | None = None,
        keep_s: float = 60.0,
        strangers: bool = True,
        claimed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups, self._system, self._clock = groups, system, clock
        self._keep_s, self._strangers, self._claimed = min(keep_s, 60.0), strangers, claimed
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Account | None]] = {}
        self._failures: dict[str, str] = {}
        self._asking: set[str] = set()

    def person(self, name: str, *, claims: Iterable[str] | None = None, unsure: bool = False) -> Principal:
        """The principal of that name now; `claims` are the groups a verified credential names, None where it is of a
        kind that names none; `unsure` that it should name groups and does not.

        Whose groups cannot be looked up, whom the operating system or the directory does not know while it is asked,
        and who comes without claims where groups are `claimed`, is `unsure`.

        Raises:
            UnknownPrincipal: the name is empty or cannot be a name.
            AccountClosed: the directory knows the person, and their account is shut.
        """
        plain = person(name, {})
        account = self._account(plain.user)
        if account is not None and account.closed:
            raise AccountClosed("The directory has shut this person's account.")
        return person(
            name,
            self._groups,
            held={*(claims or ()), *(account.groups if account else ())},
            aliases=account.names if account else (),
            unsure=unsure
            or (self._claimed and claims is None)
            or (self._system is not None and (account is None or not account.whole)),
        )

    def ways(self, principal: Principal, *, claims: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
        """Each group of a person → the way there, as `chains` gives it."""
        account = self._account(principal.user)
        held = {*claims, *(account.groups if account else ())}
        return chains(self._groups, names={principal.user, *principal.aliases}, held=held)

    def stands(self, name: str, since: Principal | None = None, *, claims: Iterable[str] | None = None) -> bool:
        """Whether the person may come in: the directory has not shut their account, and knows them where no
        `strangers` are let in; and whether they are in the groups they were in as `since`, where that is given. As far
        as is known: never waits, and has it asked where its last word is too old."""
        if self._system is None:
            return True
        with self._lock:
            known = self._known.get(name)
            asked_at, account = known or (float("-inf"), None)
            due = not 0 <= self._clock() - asked_at < self._keep_s and name not in self._asking
            if due:
                self._asking.add(name)
        if due:
            threading.Thread(target=self._ask_apart, args=(name,), name="directory", daemon=True).start()
        if known is None:
            return True
        if self._refused(account):
            return False
        return since is None or account is None or self._as_before(account, since, claims or ())

    def _refused(self, account: Account | None) -> bool:
        return not self._strangers if account is None else account.closed

    def _as_before(self, account: Account, since: Principal, claims: Iterable[str]) -> bool:
        """Whether no group was lost, nor one come to that may be shut out; what cannot be told is as it was."""
        if not account.whole:
            return True
        now = chains(self._groups, names={since.user, *account.names}, held={*claims, *account.groups}).keys()
        return since.groups <= now and (since.unsure or now <= since.groups)

    def _ask_apart(self, name: str) -> None:
        try:
            self._account(name)
        finally:
            with self._lock:
                self._asking.discard(name)

    @property
    def failures(self) -> Mapping[str, str]:
        """Of which persons the last look-up failed, and why."""
        with self._lock:
            return dict(self._failures)

    def _account(self, name: str) -> Account | None:
        if self._system is None:
            return None
        with self._lock:
            asked_at, account = self._known.get(name, (None, None))
        now = self._clock()
        if asked_at is not None and 0 <= now - asked_at < self._keep_s:
            return account
        try:
            account = self._system(name)
        except OSError as error:
            _log.warning("A person's groups cannot be looked up", extra={"action": "groups_unknown"})
            refused = asked_at is not None and self._refused(account)
            self._note(
                name, (asked_at, account) if asked_at is not None and refused else None, str(error.strerror or error)
            )
            return account if refused else None  # a door that was shut stays so while nobody can say
        self._note(name, (now, account), "")
        return account

    def _note(self, name: str, known: tuple[float, Account | None] | None, failure: str) -> None:
        with self._lock:
            if len(self._known) >= _KEPT or len(self._failures) >= _KEPT:
                self._known, self._failures = {}, {}
            self._known.pop(name, None)
            self._failures.pop(name, None)
            if known is not None:
                self._known[name] = known
            if failure:
                self._failures[name] = failure
