"""Who signed in, said by a test: everything of the door stands, but for who it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request

from rag.api.caller import Caller
from rag.api.doorkeeper import Doorkeeper


def signed_in(web: FastAPI, caller: Callable[[Request], Caller | None]) -> None:
    """Ask `caller` who is asking; where it gives None, the real resolver. Before the first request."""
    for middleware in web.user_middleware:
        if middleware.cls is Doorkeeper:
            middleware.kwargs["resolver"] = _SignedIn(middleware.kwargs["resolver"], caller)
            return
    raise AssertionError("the door has no doorkeeper")


class _SignedIn:
    def __init__(self, resolver: Any, caller: Callable[[Request], Caller | None]) -> None:
        self._resolver, self._caller, self.check = resolver, caller, resolver.check

    def resolve(self, request: Any, way: Any) -> Caller:
        return self._caller(Request(request.scope)) or self._resolver.resolve(request, way)
