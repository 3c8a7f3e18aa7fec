"""Whether one more question is taken, and when to come again if not.

All is decided before anything is searched for, so that a refusal costs nothing and comes at once.
"""

from __future__ import annotations

import math
from collections import Counter
from enum import StrEnum

from rag.access import Channel
from rag.api.problems import Problem, Refused
from rag.api.rates import Rates
from rag.settings.limits import LimitsSettings

_USUAL_S = 5.0
"""How long an answer is taken to be before the first one was measured."""
_LATEST_WEIGHS = 0.2
_LONGEST_S = 60.0
"""Whoever comes again too early is told a better time; too late, and a free place was not used."""


class Turned(StrEnum):
    """Why questions are turned away: codes of problems."""

    FULL = "queue_full"
    OWN = "own_questions_waiting"
    FAST = "too_fast"
    STOPPING = "shutting_down"


class Admission:
    """Counts the questions that wait, by who asked, and what was refused since a place became free."""

    def __init__(self, limits: LimitsSettings, *, slots: int) -> None:
        self._limits, self._slots = limits, slots
        self._waiting: Counter[str] = Counter()
        self._users = Rates(per_minute=limits.user_per_minute, burst=limits.user_burst)
        self._channels = Rates(per_minute=limits.channel_per_minute, burst=limits.channel_burst)
        self._refused_since = 0
        self.answer_s = _USUAL_S
        self.refused: Counter[Turned] = Counter()

    @property
    def waiting(self) -> int:
        """How many were admitted and have not had their turn."""
        return self._waiting.total()

    def pace(self, user: str, channel: Channel, *, now_s: float) -> None:
        """Count a question or a search against what one person and one channel may in a minute.

        Raises:
            Refused: too many.
        """
        kind = channel.kind.value
        wait_s = max(self._users.wait_s(user, now_s=now_s), self._channels.wait_s(kind, now_s=now_s))
        if wait_s > 0:
            raise self._turned(Turned.FAST, wait_s)
        self._users.take(user, now_s=now_s)
        self._channels.take(kind, now_s=now_s)

    def admit(self, user: str, channel: Channel, *, now_s: float) -> None:
        """Take one more question that waits; `leave` when it waits no more.

        Raises:
            Refused: there are too many.
        """
        if self._waiting[user] >= self._limits.waiting_per_user:
            others = sum(1 for waiting in self._waiting.values() if waiting)
            raise self._turned(Turned.OWN, self._free_in_s(others))
        if self.waiting >= self._limits.waiting:
            self._refused_since += 1
            raise self._turned(Turned.FULL, self._free_in_s(self._refused_since))
        self.pace(user, channel, now_s=now_s)
        self._waiting[user] += 1

    def leave(self, user: str) -> None:
        """One question less waits."""
        self._waiting[user] -= 1
        if self._waiting[user] <= 0:
            del self._waiting[user]
        self._refused_since = max(0, self._refused_since - 1)

    def learn(self, answer_s: float) -> None:
        """An answer took so long to write."""
        self.answer_s += _LATEST_WEIGHS * (answer_s - self.answer_s)

    def stopping(self, *, again_s: float) -> Refused:
        """The refusal of a service that is being stopped."""
        return self._turned(Turned.STOPPING, again_s, status=503)

    def _free_in_s(self, answers: int) -> float:
        """When so many answers will have been written."""
        return min(self.answer_s * answers / self._slots, _LONGEST_S)

    def _turned(self, code: Turned, again_s: float, *, status: int = 429) -> Refused:
        self.refused[code] += 1
        return Refused(Problem(status=status, code=code.value, retry_after_s=max(1, math.ceil(again_s))))
