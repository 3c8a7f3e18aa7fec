"""What every request passes before a route sees it, and what every response carries.

- The Host header must be one of ours: a name that was pointed at this machine (DNS rebinding) gets 421.
- A request another site makes the browser send (foreign `Origin`, or `Sec-Fetch-Site` other than same-origin) gets
  403. Only opening the page itself by a link is let through, so that a wiki or a chat can point to it.
- POST takes JSON only, which no HTML form can send, and at most 64 KiB, read before the route runs.
- Scripts, styles and connections come from this service alone, and nothing may frame it.

Nothing here looks at `request.url`, which a Host header can bend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.language import language_of
from rag.api.problems import Problem, Refused, logged

MAX_BODY_BYTES = 64 * 1024

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware around the whole door. `hosts` are names without port; an IPv6 address stands in brackets."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def sealed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _seal(MutableHeaders(scope=message), scope["path"])
            await send(message)

        try:
            self._check(Headers(scope=scope), scope)
            body = await _whole_body(Headers(scope=scope), receive)
            await self._app(scope, _replay(body, receive), sealed)
        except Exception as error:  # the last place where it can still be answered, with the headers above
            if started:
                raise
            await logged(error).response(language_of(HTTPConnection(scope)))(scope, receive, sealed)

    def _check(self, headers: Headers, scope: Scope) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise Refused(Problem(status=400, code="bad_request"))
        if host_name(hosts[0]) not in self._hosts:
            raise Refused(Problem(status=421, code="unknown_host"))
        if _foreign(headers, hosts[0]) and not _opens_page(headers, scope):
            raise Refused(Problem(status=403, code="foreign_origin"))
        if scope["method"] not in ("GET", "HEAD") and not _is_json(headers):
            raise Refused(Problem(status=415, code="not_json"))


def host_name(host: str) -> str:
    """The name in a Host header, in small letters, without its port."""
    if host.startswith("["):
        name, closed, port = host.partition("]")
        name += closed
        port = port.removeprefix(":") if port.startswith(":") or not port else "x"
    else:
        name, _, port = host.partition(":")
    return name.lower() if not port or (port.isascii() and port.isdigit()) else ""


def _foreign(headers: Headers, host: str) -> bool:
    origins = headers.getlist("origin")
    ours = {f"http://{host.lower()}", f"https://{host.lower()}"}
    if any(origin.lower() not in ours for origin in origins):
        return True
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _opens_page(headers: Headers, scope: Scope) -> bool:
    """A person following a link to the page: a top-level navigation, which no script of the other site can read."""
    return (
        scope["method"] == "GET"
        and scope["path"] == "/"
        and "origin" not in headers
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _whole_body(headers: Headers, receive: Receive) -> bytes:
    """The body, read no further than the limit.

    Raises:
        Refused: it is longer.
    """
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > MAX_BODY_BYTES:
        raise Refused(Problem(status=413, code="too_large"))
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(Problem(status=400, code="bad_request"))
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise Refused(Problem(status=413, code="too_large"))
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once, then whatever comes after it: the client going away."""
    pending: Iterable[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        for message in pending:
            return message
        return await receive()

    return replayed


def _seal(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "no-store")
    if "server" in headers:
        del headers["server"]
