"""The server process told to stop: questions are refused, answers under way may end, then it goes. Ten seconds at most.

The listener stays open while answers end, so that whoever asks meanwhile is told so (503) and `/readyz` says it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from rag.api.desk import Desk

_log = logging.getLogger(__name__)

CONNECTIONS_S = 1
"""How long connections may take to close once no answer is under way."""


class Serving(uvicorn.Server):
    """A server that drains its desk at the first signal, and ends at the second. `told` is called at the first, on the
    event loop: whatever else takes time to stop begins then."""

    def __init__(self, config: uvicorn.Config, desk: Desk, *, told: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._desk, self._told = desk, told
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Remember the loop that signals are handed to."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came; in the main thread, between any two steps of it."""
        if self._loop is None or self._desk.draining:
            super().handle_exit(sig, frame)
            return
        self._desk.draining = True
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._told()
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        _log.info("Stopping; answers under way may end", extra={"action": "draining", "answers": self._desk.running})
        try:
            await self._desk.drain()
        finally:
            self.should_exit = True
