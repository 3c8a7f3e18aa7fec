"""What every request passes before a route sees it, and what every response carries.

- The Host header must be one of ours: a name that was pointed at this machine (DNS rebinding) gets 421. Where we
  listen beyond this machine, the address that was connected to is ours too: no name can be pointed at being that.
- A request another site makes the browser send (foreign `Origin`, or `Sec-Fetch-Site` other than same-origin) gets
  403. Only opening a page itself by a link is let through, so that a wiki or a chat can point to it, and the three
  of the sign-in: a link leads there who is not signed in, and the provider sends people back.
- POST takes JSON only, which no HTML form can send, and as much as the longest question needs, read before the route
  runs. Uploads alone are a file, which no form can send either; their route reads it.
- Scripts, styles and connections come from this service alone, and nothing may frame it.

Nothing here looks at `request.url`, which a Host header can bend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.api.problems import Problem, Refused, logged, reply
from rag.api.sign_in import SIGN_IN_PAGES
from rag.api.way import Proxies, Way, numeric

MAX_BODY_BYTES = 576 * 1024  # holds the longest question and conversation, each character as two escapes

PAGES = ("/", "/documents", "/status")
"""What a link on another site may open."""

UPLOADS = "/api/documents"

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


_HSTS = "max-age=31536000"


class Guard:
    """ASGI middleware around the whole door. `hosts` are names without port; an IPv6 address stands in brackets."""

    def __init__(
        self, app: ASGIApp, *, hosts: Sequence[str], proxies: Proxies | None = None, own_address: bool = False
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._proxies, self._own_address = proxies or Proxies(), own_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False
        way = self._proxies.way(scope)
        scope.setdefault("state", {})["way"] = way

        async def sealed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _seal(MutableHeaders(scope=message), scope["path"], secure=way.secure)
            await send(message)

        try:
            self._check(Headers(scope=scope), scope, way)
            if not _brings_file(scope):
                receive = _replay(await _whole_body(Headers(scope=scope), receive), receive)
            await self._app(scope, receive, sealed)
        except Exception as error:  # the last place where it can still be answered, with the headers above
            if started:
                raise
            await reply(logged(error), HTTPConnection(scope))(scope, receive, sealed)

    def _check(self, headers: Headers, scope: Scope, way: Way) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise Refused(Problem(status=400, code="bad_request"))
        name = host_name(hosts[0])
        if name not in self._hosts and not (self._own_address and _is_own(name, scope)):
            raise Refused(Problem(status=421, code="unknown_host"))
        if _foreign(headers, hosts[0], secure=way.secure) and not _opens_page(headers, scope):
            raise Refused(Problem(status=403, code="foreign_origin"))
        if _brings_file(scope):
            if not _is(headers, "application/octet-stream"):
                raise Refused(Problem(status=415, code="not_a_file"))
        elif scope["method"] not in ("GET", "HEAD") and not _is(headers, "application/json"):
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


def _is_own(name: str, scope: Scope) -> bool:
    """Whether it is the numeric address at which this very connection arrived."""
    server = scope.get("server")
    address = numeric(name.strip("[]"))
    return server is not None and address is not None and address == numeric(str(server[0]))


def _foreign(headers: Headers, host: str, *, secure: bool) -> bool:
    """Whether another site's page sent it. Where the way was encrypted, the same name unencrypted is another site; the
    other way round it is a proxy that is not listed, and does not tell."""
    origins = headers.getlist("origin")
    name = host.lower()
    ours = {f"https://{name.removesuffix(':443')}"}
    if not secure:
        ours |= {f"http://{name.removesuffix(':80')}", f"https://{name}"}
    if any(origin.lower() not in ours for origin in origins):
        return True
    return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _opens_page(headers: Headers, scope: Scope) -> bool:
    """A person following a link to the page: a top-level navigation, which no script of the other site can read."""
    return (
        scope["method"] == "GET"
        and scope["path"] in (*PAGES, *SIGN_IN_PAGES)
        and "origin" not in headers
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _brings_file(scope: Scope) -> bool:
    """The one route whose body is a file: it reads the body itself, to the disk, as far as it takes it. Its media type
    is one that no form sends either."""
    return bool(scope["method"] == "POST" and scope["path"] == UPLOADS)


def _is(headers: Headers, media_type: str) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == media_type


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


def _seal(headers: MutableHeaders, path: str, *, secure: bool) -> None:
    if secure:
        headers["Strict-Transport-Security"] = _HSTS
    policy = headers.get("content-security-policy", _HEADERS["Content-Security-Policy"])  # a file's own is stricter
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["Content-Security-Policy"] = policy
    headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "no-store")
    if "server" in headers:
        del headers["server"]
