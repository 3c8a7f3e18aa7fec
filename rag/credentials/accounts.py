"""From an account in a chat to the person of the house it belongs to.

    listed        `[bots.accounts]` names it: that decides, and nothing else is asked
    e-mail        Slack: the address that the one workspace has verified, to `[bots.emails]`, else to the one entry of
                  the directory that has it. Never by the part before the @: two domains, two persons
    object id     Teams: the person whose sign-in at the provider named this object id, in the one tenant; kept when
                  they sign in, the last word counts
    localpart     Matrix: the name before the colon, on the bot's own homeserver alone

An account is one person or nobody, never two; a person may have many. What somebody calls themselves is never asked.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rag.access import OWNER
from rag.errors import SignInUnavailable
from rag.store.ledger import Ledger
from rag.store.rows import now

_log = logging.getLogger(__name__)

ACCOUNT: Final = re.compile(r"(slack|teams|matrix):([\x21-\x7e]{1,400})")
"""How an account is written: platform, and how that platform names it."""
_EMAIL: Final = re.compile(r"[\x21-\x3f\x41-\x7e]{1,200}@[a-z0-9.-]{1,200}", re.ASCII)
_LOCALPART: Final = re.compile(r"@([a-z0-9._-]{1,200}):(.+)")
_KEPT: Final = 10_000
"""Whoever sits at the machine. A name that somebody takes on a homeserver does not become that."""


class Linked(NamedTuple):
    """Whose an account is, and by which rule: ``accounts``, ``email``, ``object-id`` or ``localpart``."""

    user: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """How accounts are linked. `listed` and `emails` name persons; `team`, `tenant` and `server` are where the rule of
    their platform counts, "" where there is none. `by_mail` asks a directory."""

    listed: Mapping[str, str] = field(default_factory=dict)
    emails: Mapping[str, str] = field(default_factory=dict)
    team: str = ""
    tenant: str = ""
    server: str = ""
    by_mail: Callable[[str], str | None] | None = None


class Accounts:
    """Whose accounts are, asked again after `keep_s` seconds. Thread-safe; may wait for a directory."""

    def __init__(
        self, ledger: Ledger, links: Links, *, keep_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._links, self._clock = ledger, links, clock
        self._keep_s = min(keep_s, 60.0)
        self._listed = {plain(account): user for account, user in links.listed.items()}
        self._emails = {address.casefold(): user for address, user in links.emails.items()}
        self._lock = threading.Lock()
        self._mailed: dict[str, tuple[float, str | None]] = {}
        self._provided: dict[str, str] | None = None

    def linked(self, account: str, *, email: str = "") -> Linked | None:
        """Whose this account is; None: nobody's that is known. `email` is the address its platform vouches for.

        Raises:
            SignInUnavailable: the directory cannot be asked.
        """
        if not ACCOUNT.fullmatch(account):
            return None
        account = plain(account)
        if account in self._listed:
            return Linked(self._listed[account], "accounts")
        platform, _, rest = account.partition(":")
        user, rule = {"slack": self._of_slack, "teams": self._of_teams, "matrix": self._of_matrix}[platform](
            rest, email
        )
        return Linked(user, rule) if user else None

    def note(self, account: str, user: str) -> None:
        """Somebody signed in at the provider, which named this tenant and object id: ``tenant:object``."""
        known = self._from_provider()
        name = account.lower()
        if not name or known.get(name) == user:
            return
        self._ledger.change("INSERT OR REPLACE INTO provider_accounts VALUES (?, ?, ?)", (name, user, now()))
        with self._lock:
            self._provided = {**known, name: user}

    def forget(self, names_person: Callable[[str], bool]) -> int:
        """Erase what sign-ins told of a person; gives how many accounts it was."""
        gone = [name for name, user in self._from_provider().items() if names_person(user)]
        for name in gone:
            self._ledger.change("DELETE FROM provider_accounts WHERE account = ?", (name,))
        with self._lock:
            self._provided = None
        return len(gone)

    def users(self) -> frozenset[str]:
        """Everybody whose account is kept from a sign-in."""
        return frozenset(self._from_provider().values())

    def _of_slack(self, rest: str, email: str) -> tuple[str | None, str]:
        team, _, user = rest.partition(":")
        address = email.strip().casefold()
        if not self._links.team or team != self._links.team or not user or not _EMAIL.fullmatch(address):
            return None, ""
        if address in self._emails:
            return self._emails[address], "email"
        return self._by_mail(address), "email"

    def _of_teams(self, rest: str, email: str) -> tuple[str | None, str]:
        tenant, _, user = rest.partition(":")
        if not self._links.tenant or tenant != self._links.tenant.lower() or not user:
            return None, ""
        return self._from_provider().get(f"{tenant}:{user}"), "object-id"

    def _of_matrix(self, rest: str, email: str) -> tuple[str | None, str]:
        found = _LOCALPART.fullmatch(rest)
        if not self._links.server or found is None or found[2] != self._links.server or found[1] == OWNER:
            return None, ""
        return found[1], "localpart"

    def _by_mail(self, address: str) -> str | None:
        ask = self._links.by_mail
        if ask is None:
            return None
        with self._lock:
            asked_at, user = self._mailed.get(address, (float("-inf"), None))
        if 0 <= self._clock() - asked_at < self._keep_s:
            return user
        try:
            user = ask(address)
        except OSError as error:
            _log.warning("Whose an account is cannot be looked up", extra={"action": "account_not_looked_up"})
            raise SignInUnavailable("The directory cannot be asked whose an e-mail address is.") from error
        with self._lock:
            if len(self._mailed) >= _KEPT:
                self._mailed = {}
            self._mailed[address] = (self._clock(), user)
        return user

    def _from_provider(self) -> dict[str, str]:
        with self._lock:
            if self._provided is None:
                rows = self._ledger.rows("SELECT account, user FROM provider_accounts")
                self._provided = {row["account"]: row["user"] for row in rows}
            return self._provided


def plain(account: str) -> str:
    """An account as accounts are compared: Microsoft writes its ids in either case."""
    return account.lower() if account.startswith("teams:") else account
