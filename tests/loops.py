"""Event loops in tests. Playwright keeps one running in the main thread of a session that has opened a browser, so what
is asynchronous runs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What a function gives, run in a thread of its own, where no loop is running. A thread that never ends does not
    hold up the test's own time limit."""
    given: Future[T] = Future()

    def run_it() -> None:
        try:
            given.set_result(work())
        except BaseException as error:
            given.set_exception(error)

    Thread(target=run_it, name="apart", daemon=True).start()
    return given.result()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, in a thread of its own."""
    return apart(lambda: asyncio.run(coroutine))
