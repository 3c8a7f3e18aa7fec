"""Ctrl-C and SIGTERM in the middle of long work: the first ends it cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def stopped_by_signals(stop: Callable[[], None], *, code: int) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `stop`, which says so and lets the work end; after the second this process
    ends with `code`, without a word: what is on disk is whole at every moment."""
    told = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if told:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\r\x1b[J" + _SHOW_CURSOR)
            os._exit(code)
        told = True
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
