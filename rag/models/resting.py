"""A reranker that is left alone for a while after it failed: a server that hangs would cost every question its limit.

The first failure is said at warning level, with what to do, then nothing more until it has worked again. The while
grows from `FIRST_S` twofold with each failure up to `LONGEST_S`; when it is over, one question tries, and the others go
on without. Source: M. Nygard, "Release It!" (2007), circuit breaker.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from rag.errors import ModelUnavailable, RagError
from rag.ports import Reranker

_log = logging.getLogger(__name__)

FIRST_S, LONGEST_S = 5.0, 300.0


class Resting(ModelUnavailable):
    """The reranker failed a moment ago and is not asked."""


class RestingReranker:
    """Another reranker, asked only while it works. Thread-safe if that one is. `clock` gives monotonic seconds."""

    def __init__(self, reranker: Reranker, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reranker = reranker
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = -math.inf

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """The scores of the other one: as many as passages, all finite.

        Raises:
            Resting: it failed a moment ago.
            ModelUnavailable, ModelTimeout, SettingsError: it failed now; the message says what to do.
        """
        self._refuse_while_resting()
        try:
            found = self._reranker.scores(question, passages)
            if len(found) != len(passages) or not all(map(math.isfinite, found)):
                raise ModelUnavailable(
                    "The reranker gave no finite score for each passage. Name another one with retrieval.reranker."
                )
        except RagError as error:
            self._failed(error)
            raise
        self._worked()
        return found

    def close(self) -> None:
        """Let go of what the other one holds."""
        self._reranker.close()

    def _refuse_while_resting(self) -> None:
        with self._lock:
            now = self._clock()
            if now < self._until:
                raise Resting(f"The reranker failed and is asked again in {self._until - now:.0f} s.")
            if self._failures:  # this question tries, whoever comes meanwhile does not
                self._until = now + self._pause_s()

    def _failed(self, error: RagError) -> None:
        with self._lock:
            self._failures += 1
            pause_s = self._pause_s()
            self._until = self._clock() + pause_s
            first = self._failures == 1
        _log.log(
            logging.WARNING if first else logging.INFO,
            "The reranker failed; passages keep the order they had, and it is asked again after a while",
            extra={
                "action": "rerank_failed",
                "kind": type(error).__name__,
                "advice": str(error),
                "pause_s": round(pause_s),
            },
        )

    def _worked(self) -> None:
        with self._lock:
            failures, self._failures, self._until = self._failures, 0, -math.inf
        if failures:
            _log.warning("The reranker works again", extra={"action": "rerank_works", "failures": failures})

    def _pause_s(self) -> float:
        return float(min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures - 1, 10)))
