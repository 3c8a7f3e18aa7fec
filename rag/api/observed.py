"""Around everything: each request gets an id, is counted, and leaves one line in the log.

The id is the caller's own (`X-Request-Id`) where it is of a form that can do no harm, else a new one. It is returned
in the response and in problems, and stands in every line that the request leaves in the log. The line names the route's
template, never the path or the query: in those stand keys of documents, and what somebody typed.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.problems import NOTES
from rag.logs import REQUEST
from rag.metrics import METHODS, Metrics, known

_log = logging.getLogger(__name__)

HEADER: Final = "X-Request-Id"
UNMATCHED: Final = "unmatched"
_QUIET: Final = ("/healthz", "/readyz", "/metrics", "/static")
"""Asked every few seconds by machines, or with each page: told only where it fails."""
_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
_ABORTED: Final = 499  # nothing was answered before the client went away


class Observed:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began = request_id(Headers(scope=scope)), time.perf_counter()
        status, first_s = _ABORTED, None

        async def marked(message: Message) -> None:
            nonlocal status, first_s
            if message["type"] == "http.response.start":
                status, first_s = message["status"], time.perf_counter() - began
                MutableHeaders(scope=message)[HEADER] = request
            await send(message)

        notes: dict[str, str] = {}
        tokens = REQUEST.set(request), NOTES.set(notes)
        try:
            await self._app(scope, receive, marked)
        finally:
            whole_s = time.perf_counter() - began
            self._tell(scope, status, whole_s if first_s is None else first_s, whole_s, notes.get("problem", ""))
            REQUEST.reset(tokens[0])
            NOTES.reset(tokens[1])

    def _tell(self, scope: Scope, status: int, first_s: float, whole_s: float, problem: str) -> None:
        method, route = known(scope["method"], METHODS), route_of(scope)
        self._metrics.responded(method=method, route=route, status=status, first_s=first_s, whole_s=whole_s)
        if problem:
            self._metrics.problem(problem)
        quiet = route in _QUIET and status < 500
        extra = {
            "action": "request",
            "method": method,
            "route": route,
            "status": status,
            "first_byte_ms": round(first_s * 1000),
            "ms": round(whole_s * 1000),
        } | ({"problem": problem} if problem else {})
        _log.log(logging.DEBUG if quiet else logging.INFO, "A request was answered", extra=extra)


def request_id(headers: Headers) -> str:
    """The caller's id if it is one and of a harmless form, else a new one: 32 hex digits."""
    given = headers.getlist(HEADER)
    return given[0] if len(given) == 1 and _FORM.fullmatch(given[0]) else secrets.token_hex(16)


def route_of(scope: Scope) -> str:
    """The template of the route that answered, such as ``/api/documents/{key}``; it is one of a fixed set."""
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str) and template:
        return template
    return scope.get("root_path") or UNMATCHED  # of what is mounted, the place
