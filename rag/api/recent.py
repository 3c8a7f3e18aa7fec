"""`GET /api/recent`: how the questions of the last day ended and how long they took, hour by hour, for administrators.

Kept in memory, as numbers: no question, no name, no document. A restart begins anew.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from rag.answers import Answer
from rag.api.caller import AdminOf
from rag.api.forms import json_response

router = APIRouter(tags=["status"])

HOURS: Final = 24
MOST: Final = 20_000
"""Answers kept, the newest; each is three numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An answer that came to its end. Seconds count from the question; `found_s` until its passages were there."""

    at: datetime
    outcome: str
    found_s: float
    total_s: float


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


class Recent:
    """What was answered lately. Safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self.since = clock()
        self._ended: deque[Ended] = deque(maxlen=MOST)

    def note(self, answer: Answer) -> None:
        """An answer has ended now."""
        timing = answer.timing_ms
        total_ms = timing.get("total", 0.0)
        ended = Ended(
            at=self._clock(),
            outcome=answer.outcome.value,
            found_s=timing.get("retrieve", total_ms) / 1000,
            total_s=total_ms / 1000,
        )
        with self._lock:
            self._ended.append(ended)

    def hours(self) -> list[dict[str, Any]]:
        """The last 24 hours, the oldest first: when each began, how many answers ended in each way, and the median and
        the 95th percentile of their seconds; None where there was no answer."""
        began = self._clock().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
        with self._lock:
            ended = [one for one in self._ended if one.at >= began]
        hours: list[list[Ended]] = [[] for _ in range(HOURS)]
        for one in ended:
            hours[min(int((one.at - began) / timedelta(hours=1)), HOURS - 1)].append(one)
        return [_form(began + timedelta(hours=number), there) for number, there in enumerate(hours)]


@router.get("/api/recent", response_model=None)
def recent(request: Request, caller: AdminOf) -> Response:
    """Outcomes and seconds by hour: `hours`, and `since` when this has been counted."""
    found: Recent = request.app.state.recent
    return json_response({"since": found.since.isoformat(), "hours": found.hours()})


def _form(began: datetime, ended: Sequence[Ended]) -> dict[str, Any]:
    return {
        "began": began.isoformat(),
        "outcomes": dict(Counter(one.outcome for one in ended)),
        "found_s": _quantiles([one.found_s for one in ended]),
        "total_s": _quantiles([one.total_s for one in ended]),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """Median and 95th percentile, each a value that was measured (nearest rank)."""
    if not seconds:
        return None
    ranked = sorted(seconds)
    return {"p50": round(_rank(ranked, 0.5), 3), "p95": round(_rank(ranked, 0.95), 3)}


def _rank(ranked: Sequence[float], share: float) -> float:
    return ranked[max(0, ceil(len(ranked) * share) - 1)]
