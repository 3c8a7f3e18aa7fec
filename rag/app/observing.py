"""What is counted of a question, seen from outside the flow: how it ended, when each stage was reached, what failed.

The flow knows nothing of it. Every door asks through `rag.app`, so that every question is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rag.answers import AnswerEvent, Done
from rag.metrics import Metrics


class Counted(Iterator[AnswerEvent]):
    """The events of a question, as they come. `make` is called at once, and raises here what it raises. Whatever else
    can be done with what it gives (`close`, say) can be done with this."""

    def __init__(self, make: Callable[[], Iterator[AnswerEvent]], metrics: Metrics) -> None:
        self._metrics, self._is_counted = metrics, False
        try:
            self._events = make()
        except Exception as error:
            self._failed(error)
            raise

    def __next__(self) -> AnswerEvent:
        try:
            event = next(self._events)
        except StopIteration:
            self._ended("abandoned")  # it was hung up on: an answer ends with `Done`, which was counted
            raise
        except Exception as error:
            self._failed(error)
            raise
        if isinstance(event, Done):
            self._ended(event.answer.outcome.value, event)
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    def close(self) -> None:
        """Nobody listens; the question's own iterator is closed, which stops the model."""
        self._ended("abandoned")
        if (close := getattr(self._events, "close", None)) is not None:
            close()

    def _failed(self, error: Exception) -> None:
        self._metrics.failed("question", error)
        self._ended("failed")

    def _ended(self, outcome: str, done: Done | None = None) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._metrics.ended(outcome, done.answer.timing_ms if done else None)
