"""The HTTP door, put together: guard, problems, routes and the page.

The core is synchronous. Short calls run in the server's thread pool, an answer in a thread of its own
(`rag.api.streams`); the event loop never waits for either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

import rag
from rag.api import documents, page, problems, questions, status
from rag.api.guard import Guard
from rag.api.streams import HEARTBEAT_S
from rag.app import App

_QUESTIONS_AT_ONCE = 16


def create_app(
    app: App,
    *,
    hosts: Sequence[str] = ("localhost", "127.0.0.1", "[::1]"),
    heartbeat_s: float = HEARTBEAT_S,
) -> FastAPI:
    """The door over an open App, which must outlive it. `hosts` are the names it answers to, without port."""
    threads = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix="question")

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        threads.shutdown(cancel_futures=True)  # no answer outlives the App under it

    web = FastAPI(title="Archivar", version=rag.__version__, docs_url=None, redoc_url=None, lifespan=life)
    web.state.archivar = app
    web.state.threads = threads
    web.state.heartbeat_s = heartbeat_s
    problems.register(web)
    for room in (questions, documents, status, page):
        web.include_router(room.router)
    web.mount("/static", page.static_files(), name="static")
    web.add_middleware(Guard, hosts=hosts)
    return web
