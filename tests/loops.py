"""Event loops in tests. Playwright keeps one running in the main thread of a session that has opened a browser, so what
is asynchronous runs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What a function gives, run in a thread of its own, where no loop is running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, in a thread of its own."""
    return apart(lambda: asyncio.run(coroutine))
