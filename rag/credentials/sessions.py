"""Who is signed in with a browser, and whether they still stand.

Sessions are held in memory alone: tokens of the provider never reach the disk or a backup, and a restart signs
everybody out, which the provider's own session mends without a word. A browser holds 256 random bits, this service
their hash.

    idle         a session nobody used for `idle_s` ends
    absolute     so does one that began `longest_s` ago
    renewed      once a minute of use the provider is asked, by the refresh token, whether the person still stands; a no
                 ends the session, and an answer streaming for it. While the provider cannot be asked, five minutes
    without      a refresh token: it ends with the identity token, and signing in again asks the provider
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from rag.credentials.identified import Identified
from rag.credentials.login import SignedIn
from rag.errors import AccessError, SignInUnavailable

_log = logging.getLogger(__name__)

CHECK_S: Final = 60.0
"""How old the provider's word may be."""
GRACE_S: Final = 300.0
"""How long its last word counts while it cannot be asked."""
_REST_S: Final = 5.0
_AT_ONCE: Final = 16
_MOST: Final = 10_000
_MOST_EACH: Final = 20
_ID_BYTES: Final = 32


@dataclass(slots=True, kw_only=True)
class Session:
    """One browser. Moments are of a clock that never goes back, seconds."""

    signed: SignedIn
    began: float
    used: float
    checked: float
    ends: float
    tried: float = float("-inf")
    ended: bool = False
    renewing: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """All of them. Safe to use from several threads. `checked_otherwise`: a directory is asked about each person too,
    so that a session without refresh token need not end with its identity token."""

    def __init__(
        self,
        renew: Callable[[SignedIn], SignedIn],
        *,
        idle_s: float,
        longest_s: float,
        checked_otherwise: bool = False,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._renew, self._clock, self._now = renew, clock, now
        self._idle_s, self._longest_s, self._checked_otherwise = idle_s, longest_s, checked_otherwise
        self._lock = threading.Lock()
        self._sessions: dict[bytes, Session] = {}
        self._asking = threading.BoundedSemaphore(_AT_ONCE)

    def open(self, signed: SignedIn) -> str:
        """A new session; gives what the browser is to show."""
        shown, now = secrets.token_urlsafe(_ID_BYTES), self._clock()
        lasts = self._longest_s
        if not signed.refresh_token and not self._checked_otherwise:
            lasts = min(lasts, max(0.0, signed.claims.until - self._now()))
        session = Session(signed=signed, began=now, used=now, checked=now, ends=now + lasts)
        with self._lock:
            self._make_room(signed.claims.user)
            self._sessions[_hash(shown)] = session
        return shown

    def find(self, shown: str) -> Session | None:
        """The session a browser shows, if there is one that has not ended."""
        with self._lock:
            session = self._sessions.get(_hash(shown))
        if session is None or not self._lasts(session):
            return None
        return session

    def identify(self, session: Session) -> Identified | None:
        """Whom it speaks for, asking the provider where its word is too old; None once it has ended.

        Raises:
            SignInUnavailable: the provider has not been there for so long that nobody knows.
        """
        session.used = self._clock()
        if self._claim(session):
            self._check(session)
        if session.ended:
            return None
        if self._unknown(session):
            raise SignInUnavailable(
                "The sign-in provider has not answered for too long; nobody knows who still stands."
            )
        claims = session.signed.claims
        return Identified(
            user=claims.user,
            groups=claims.groups,
            unsure=claims.unsure,
            account=claims.account,
            good=lambda: self.good(session),
        )

    def good(self, session: Session) -> bool:
        """Whether it still stands, as far as is known: never waits, and has the provider asked where that is due."""
        if not self._lasts(session) or self._unknown(session):
            return False
        if self._claim(session):
            threading.Thread(target=self._check, args=(session,), name="session", daemon=True).start()
        return True

    def close(self, shown: str) -> Session | None:
        """End a session; gives it, where there was one."""
        with self._lock:
            session = self._sessions.pop(_hash(shown), None)
        if session is not None:
            session.ended = True
        return session

    def _lasts(self, session: Session) -> bool:
        now = self._clock()
        if not session.ended and now < session.ends and now < session.used + self._idle_s:
            return True
        self._end(session)
        return False

    def _due(self, session: Session) -> bool:
        now = self._clock()
        asked = bool(session.signed.refresh_token) and not session.ended
        return asked and now >= session.checked + CHECK_S and now >= session.tried + _REST_S

    def _unknown(self, session: Session) -> bool:
        return bool(session.signed.refresh_token) and self._clock() >= session.checked + CHECK_S + GRACE_S

    def _claim(self, session: Session) -> bool:
        """Whether the provider is to be asked now, and by whoever claims it: about one session once at a time (its
        refresh token serves once), and about a few together, so that a provider that hangs holds up no more. Others
        go on with its last word."""
        if not self._due(session) or not session.renewing.acquire(blocking=False):
            return False
        if self._due(session) and self._asking.acquire(blocking=False):
            return True
        session.renewing.release()
        return False

    def _check(self, session: Session) -> None:
        session.tried = self._clock()
        try:
            session.signed = self._renew(session.signed)
            session.checked = self._clock()
        except SignInUnavailable as error:
            _log.warning("A sign-in could not be renewed: %s", error, extra={"action": "session_unchecked"})
        except AccessError as error:
            _log.info("A sign-in has ended at the provider: %s", error, extra={"action": "session_ended"})
            self._end(session)
        finally:
            self._asking.release()
            session.renewing.release()

    def _end(self, session: Session) -> None:
        session.ended = True
        with self._lock:
            for name in [name for name, one in self._sessions.items() if one is session]:
                del self._sessions[name]

    def _make_room(self, user: str) -> None:
        """Drop what has ended, and the least used where one person, or everybody together, has too many."""
        now = self._clock()
        for name, one in list(self._sessions.items()):
            if one.ended or now >= one.ends or now >= one.used + self._idle_s:
                del self._sessions[name]
        own = [name for name, one in self._by_use() if one.signed.claims.user == user]
        surplus = own[: max(0, len(own) + 1 - _MOST_EACH)]
        if len(self._sessions) >= _MOST:
            surplus += [name for name, _ in self._by_use()][:1]
        for name in surplus:
            if (session := self._sessions.pop(name, None)) is not None:
                session.ended = True

    def _by_use(self) -> Iterator[tuple[bytes, Session]]:
        return iter(sorted(self._sessions.items(), key=lambda entry: entry[1].used))


def _hash(shown: str) -> bytes:
    return hashlib.sha256(shown.encode()).digest()
