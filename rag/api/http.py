"""The HTTP door, put together: guard, problems, routes and the page.

The core is synchronous. Short calls run in the server's thread pool, answers in the threads of the desk
(`rag.api.desk`); the event loop never waits for either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

import rag
from rag.api import (
    administration,
    bots,
    chat,
    documents,
    feedback,
    figures,
    key_form,
    mcp,
    originals,
    page,
    pages,
    problems,
    progress,
    questions,
    recent,
    sign_in,
    status,
    uploads,
)
from rag.api.browser_sessions import BrowserSessions
from rag.api.desk import Desk
from rag.api.doorkeeper import Doorkeeper
from rag.api.guard import Guard
from rag.api.observed import Observed
from rag.api.openapi import describe
from rag.api.resolver import Resolver
from rag.api.streams import HEARTBEAT_S
from rag.app import App
from rag.credentials.key_sessions import KeySessions
from rag.service.readiness import Readiness
from rag.settings.limits import LimitsSettings, ServerSettings

_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


def create_app(
    app: App,
    *,
    hosts: Sequence[str] | None = None,
    listens_beyond: bool = False,
    heartbeat_s: float = HEARTBEAT_S,
    limits: LimitsSettings | None = None,
    server: ServerSettings | None = None,
) -> FastAPI:
    """The door over an open App, which must outlive it. `hosts` are the names it answers to, without port: this
    machine's and those of the settings where none are given; `listens_beyond`: and the address that was connected to.
    `limits` and `server` are the settings' unless they are given."""
    settings = getattr(app, "settings", None)
    lately = recent.Recent()
    desk = Desk(
        app.ledger,
        answered=lately.note,
        seats=getattr(app, "seats", None),
        limits=limits or getattr(settings, "limits", None),
        server=server or getattr(settings, "server", None),
    )

    @asynccontextmanager
    async def life(web: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()
        web.state.chores.close()

    web = FastAPI(
        title="Archivar",
        version=rag.__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    web.openapi = describe(web)  # type: ignore[method-assign]  # FastAPI's documented way
    web.state.archivar = app
    web.state.desk = desk
    web.state.recent = lately
    web.state.readiness = Readiness(app, draining=lambda: desk.draining)
    web.state.heartbeat_s = heartbeat_s
    web.state.chores = administration.Chores(app)
    problems.register(web)
    for room in (
        questions,
        documents,
        originals,
        pages,
        uploads,
        feedback,
        bots,
        progress,
        administration,
        recent,
        chat,
        mcp,
        status,
        figures,
        sign_in,
        key_form,
        page,
    ):
        web.include_router(room.router)
    web.mount("/static", page.static_files(), name="static")
    signing_in = web.state.sign_in = app.sign_in
    sessions = BrowserSessions(KeySessions(app.keys), signing_in.sessions if signing_in else None)
    resolver = Resolver(app, bearers=signing_in, sessions=sessions)
    web.state.browser_sessions, web.state.resolver = sessions, resolver
    web.add_middleware(Doorkeeper, resolver=resolver)
    names = hosts if hosts is not None else (*_THIS_MACHINE, *app.settings.auth.hosts, *sign_in.own_name(signing_in))
    web.add_middleware(Guard, hosts=names, proxies=resolver.proxies, own_address=listens_beyond)
    web.add_middleware(Observed, metrics=app.metrics)  # the last one added is the outermost
    return web
