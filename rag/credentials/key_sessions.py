"""Browsers that were opened with an API key: a browser sends no key along, so it holds a session instead.

A session speaks with exactly its key's user, scopes, sources and channel, and lasts no longer than the key: that is
asked at every request, and while an answer is on its way. Nothing of it reaches the disk: a browser holds 256 random
bits, this service their hash and the key's id, in memory alone. A restart asks for the key again.

    idle         a session nobody used for eight hours ends
    absolute     so does one that began a day ago
    with its key expired, revoked, erased, or its person shut out
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rag.credentials.identified import Identified
from rag.credentials.keys import Keys

IDLE_S: Final = 8 * 3600.0
LONGEST_S: Final = 24 * 3600.0
_MOST: Final = 10_000
_MOST_EACH: Final = 20
_ID_BYTES: Final = 32


@dataclass(slots=True, kw_only=True)
class KeySession:
    """One browser; `key` is an id. Moments are of a clock that never goes back, seconds."""

    key: str
    began: float
    used: float
    ended: bool = False


class KeySessions:
    """All of them. Safe to use from several threads."""

    def __init__(
        self,
        keys: Keys,
        *,
        idle_s: float = IDLE_S,
        longest_s: float = LONGEST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._clock = keys, clock
        self._idle_s, self._longest_s = idle_s, longest_s
        self._lock = threading.Lock()
        self._sessions: dict[bytes, KeySession] = {}

    def open(self, key: str) -> str:
        """A new session of a key that was just shown; gives what the browser is to show."""
        shown, now = secrets.token_urlsafe(_ID_BYTES), self._clock()
        with self._lock:
            self._make_room(key)
            self._sessions[_hash(shown)] = KeySession(key=key, began=now, used=now)
        return shown

    def find(self, shown: str) -> KeySession | None:
        """The session a browser shows, if there is one that has not ended."""
        name = _hash(shown)
        with self._lock:
            session = self._sessions.get(name)
            if session is not None and not self.good(session):
                del self._sessions[name]
                session.ended = True
                return None
        return session

    def identify(self, session: KeySession) -> Identified | None:
        """Whom it speaks for; None once it has ended."""
        known = self._keys.known(session.key)
        if known is None or not self.good(session):
            return None
        session.used = self._clock()
        return replace(known, good=lambda: self.good(session))

    def good(self, session: KeySession) -> bool:
        """Whether it, and its key, are still good. Never waits."""
        return self._lasts(session) and self._keys.good(session.key)

    def close(self, shown: str) -> bool:
        """End a session; says whether there was one."""
        with self._lock:
            session = self._sessions.pop(_hash(shown), None)
        if session is None:
            return False
        session.ended = True
        return True

    def _lasts(self, session: KeySession) -> bool:
        now = self._clock()
        return not session.ended and now < session.began + self._longest_s and now < session.used + self._idle_s

    def _make_room(self, key: str) -> None:
        """Drop what has ended, and the least used where one key, or all together, have too many."""
        for name in [name for name, one in self._sessions.items() if not self.good(one)]:
            self._end(name)
        by_use = sorted(self._sessions, key=lambda name: self._sessions[name].used)
        own = [name for name in by_use if self._sessions[name].key == key]
        for name in own[: max(0, len(own) + 1 - _MOST_EACH)] or by_use[: max(0, len(by_use) + 1 - _MOST)]:
            self._end(name)

    def _end(self, name: bytes) -> None:
        self._sessions.pop(name).ended = True


def _hash(shown: str) -> bytes:
    return hashlib.sha256(shown.encode()).digest()
