"""Signed events over HTTP, for who wants no standing connection: a small server of its own, behind a reverse proxy.

What arrives is refused with 401 before it is read any further, unless it carries exactly one time and one signature in
Slack's form, the time is within five minutes and not before the server began, the signature is right over the bytes as
they came, and has not been accepted before. Of the last the server remembers five minutes; what was signed before it
began it takes for a replay, since it cannot know better. Slack's own repetitions are signed anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import uvicorn
from slack_sdk.signature import SignatureVerifier

_log = logging.getLogger(__name__)

PATH: Final = "/slack/events"
WINDOW_S: Final = 300
MOST_BYTES: Final = 1 << 20
_READ_S: Final = 10.0
"""How long a body may take, seconds: whoever is slower holds a place that Slack needs."""
_TELL_S: Final = 60.0
"""How often a refusal is told in the log, however many there are."""

_TIME: Final = re.compile(rb"[1-9][0-9]{8,10}")
_SIGNATURE: Final = re.compile(rb"v0=[0-9a-f]{64}")

Handle = Callable[[str, Mapping[str, str], int], Awaitable[tuple[int, str]]]
"""Takes a body, the headers and how often it was sent before; gives status and JSON. Raises where the event is not to
be acknowledged."""

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Gate:
    """Which requests are Slack's, each of them once. `clock` gives the time in seconds since 1970."""

    def __init__(self, secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._verifier = SignatureVerifier(secret)
        self._clock = clock
        self._began = int(clock())
        self._accepted: dict[str, float] = {}

    def admits(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> str:
        """The signature of a request that may be heard; "" for every other."""
        times = [value for name, value in headers if name.lower() == b"x-slack-request-timestamp"]
        signatures = [value for name, value in headers if name.lower() == b"x-slack-signature"]
        if len(times) != 1 or len(signatures) != 1:
            return ""
        if not _TIME.fullmatch(times[0]) or not _SIGNATURE.fullmatch(signatures[0]):
            return ""
        signed_at, now = int(times[0]), self._clock()
        if abs(now - signed_at) > WINDOW_S or signed_at < self._began or not _is_utf8(body):
            return ""
        wanted = self._verifier.generate_signature(timestamp=times[0].decode(), body=body) or ""
        signature = signatures[0].decode()
        if not hmac.compare_digest(wanted, signature):
            return ""
        self._forget(now)
        return "" if signature in self._accepted else self._accept(signature, signed_at)

    def give_back(self, signature: str) -> None:
        """It was not taken after all, so it may come again."""
        self._accepted.pop(signature, None)

    def _accept(self, signature: str, signed_at: int) -> str:
        self._accepted[signature] = signed_at + WINDOW_S
        return signature

    def _forget(self, now: float) -> None:
        for signature in [one for one, until in self._accepted.items() if until < now]:
            del self._accepted[signature]


class SignedEvents:
    """The server; `address` is the port it has, once it runs. Speaks ASGI, which uvicorn serves."""

    def __init__(self, *, listen: str, gate: Gate, handle: Handle) -> None:
        self._listen = listen
        self._gate = gate
        self._handle = handle
        self.port = 0
        self._told = float("-inf")

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            OSError: the address is taken, or none of this machine.
        """
        host, _, port = self._listen.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host.strip("[]"), int(port)), family=family) as listening:
            self.port = listening.getsockname()[1]
            config = uvicorn.Config(
                self,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                http="h11",
                limit_concurrency=200,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=3,
            )
            server = _Quiet(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                await asyncio.wait({serving})
            finally:
                server.should_exit = True
                await serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        status, text = await self._answer(scope, receive)
        kind = b"application/json" if text.startswith("{") else b"text/plain; charset=utf-8"
        headers = [(b"content-type", kind), (b"content-length", str(len(text.encode())).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        if scope["path"] != PATH:
            return 404, ""
        if scope["method"] != "POST":
            return 405, ""
        try:
            body = await asyncio.wait_for(_body(receive), _READ_S)
        except TimeoutError:
            return 408, ""
        if body is None:
            return 413, ""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        signature = self._gate.admits(body, headers)
        if not signature:
            self._tell()
            return 401, ""
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        try:
            return await self._handle(body.decode(), named, _retries(named))
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is: not written down, so Slack is to send it again
            self._gate.give_back(signature)
            _log.error(
                "An event was not taken", extra={"action": "slack_event_not_taken", "reason": type(error).__name__}
            )
            return 503, ""

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_S:
            self._told = now
            _log.warning(
                "A request that is not Slack's was refused; told once a minute", extra={"action": "slack_forged"}
            )


class _Quiet(uvicorn.Server):
    """Leaves the signals to the process it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too long or its sender gave up."""
    found = bytearray()
    while True:
        part = await receive()
        if part["type"] != "http.request":
            return None
        found += part.get("body", b"")
        if len(found) > MOST_BYTES:
            return None
        if not part.get("more_body"):
            return bytes(found)


def _retries(headers: Mapping[str, str]) -> int:
    number = headers.get("x-slack-retry-num", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 3 else 0


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except ValueError:
        return False
    return True
