"""Asks who it is before any route, and lets nobody by who does not say: what is not open is closed, also what is
mounted below the door and knows nothing of it."""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from rag.api.caller import SCOPE_MISSING
from rag.api.key_form import KEY_SHOWN
from rag.api.problems import Refused
from rag.api.resolver import THIS_MACHINE_ONLY, Resolver
from rag.api.sign_in import SIGN_IN_PAGES, to_sign_in

OPEN: Final = ("/healthz", "/api/openapi.json", "/static/", *SIGN_IN_PAGES, KEY_SHOWN, "/api/logout")
"""Paths, or with a slash at the end what lies below them, where nobody is asked: nothing there is anybody's."""


BOTS: Final = (
    "/api/ask",
    "/api/feedback",
    "/api/bots/standing",
    "/api/bots/messages",
    "/api/bots/withdrawals",
    "/api/bots/withdrawn",
)
"""All that the key of a bot opens."""

ASKED_KINDLY: Final = ("/readyz",)
"""Paths where whoever shows nothing is let in too, and told less."""
_NOTHING_SHOWN: Final = ("who_is_asking", "this_machine_only")


class Doorkeeper:
    """ASGI middleware inside the guard. What it finds is `rag.api.caller.resolve`'s to give."""

    def __init__(self, app: ASGIApp, *, resolver: Resolver) -> None:
        self._app, self._resolver = app, resolver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            request = HTTPConnection(scope)
            way = scope["state"]["way"]  # the guard's
            self._resolver.check(request, way)
            if not is_open(scope["path"]):
                try:
                    scope["state"]["caller"] = await run_in_threadpool(self._resolver.resolve, request, way)
                except Refused as refused:
                    if scope["path"] not in ASKED_KINDLY or refused.problem.code not in _NOTHING_SHOWN:
                        response = to_sign_in(request) if _helps(refused) else None
                        if response is None:
                            raise
                        await response(scope, receive, send)
                        return
                else:
                    if scope["state"]["caller"].bot and scope["path"] not in BOTS:
                        raise Refused(SCOPE_MISSING)
        await self._app(scope, receive, send)


def _helps(refused: Refused) -> bool:
    """Whether signing in changes the answer; where a key lets others in than this machine, it does for them."""
    return refused.problem.status == 401 or refused.problem is THIS_MACHINE_ONLY


def is_open(path: str) -> bool:
    """Whether anybody may come there."""
    return any(path == name or (name.endswith("/") and path.startswith(name)) for name in OPEN)
