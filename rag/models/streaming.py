"""A stream of generated text under time limits that can be hung up at any moment.

A model is silent while it reads the prompt, so one read time-out does not fit both the first word and the next ones,
and a reader that waits cannot be stopped from within. So a thread of its own reads, and who consumes keeps the time:
closing the consumer shuts the connection down, whereupon every server we speak to stops generating.

How a broken stream ends: nothing was given yet → ModelUnavailable; after some text → a last Delta whose usage says
"cut", so that what was already shown can be called incomplete. A time limit always ends in ModelTimeout.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import httpx

from rag.errors import ModelTimeout, ModelUnavailable
from rag.models.thinking import without_thinking
from rag.ports import Delta, Usage

_HANG_UP_WAIT_S = 2.0
_LOOK_S = 0.25
"""How often a silent stream is asked whether it is still wanted."""
_RESET = struct.pack("ii", 1, 0)
"""Closing then resets the connection: a server that waits for room to write would else not notice for a minute."""
_CONNECTED = (
    "connection.connect_tcp.complete",
    "connection.connect_unix_socket.complete",
    "connection.start_tls.complete",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a model may take, in seconds. The first token includes loading the model and reading the prompt; one
    that is thought counts as a token. `thinking_tokens` may be thought before the answer begins."""

    connect_s: float = 5.0
    first_token_s: float = 300.0
    between_tokens_s: float = 60.0
    total_s: float = 900.0
    thinking_tokens: int = 1024


class Broken(ModelUnavailable):
    """The stream ended before the model was done."""


class Wire:
    """The one connection of one generation, so that another thread can shut it down.

    Give `event_hooks` to a fresh httpx client: only a new connection is announced.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._hung_up = False
        self._lock = threading.Lock()

    @property
    def event_hooks(self) -> dict[str, list[Callable[[httpx.Request], None]]]:
        """For `httpx.Client(event_hooks=…)`."""
        return {"request": [self._watch]}

    def hang_up(self) -> None:
        """End the connection now, or as soon as there is one."""
        with self._lock:
            self._hung_up = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # already closed
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _watch(self, request: httpx.Request) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, details: dict[str, Any]) -> None:
        if event in _CONNECTED:
            self._hold(details["return_value"])

    def _hold(self, stream: Any) -> None:
        with self._lock:
            self._socket = stream.get_extra_info("socket")
        if self._hung_up:
            self.hang_up()


def generate(
    source: Callable[[], Iterator[Delta]],
    *,
    wire: Wire,
    limits: Limits,
    server: str,
    wanted: Callable[[], bool] = lambda: True,
) -> Generator[Delta, None, None]:
    """The deltas of `source`, read in a thread, under the limits; thinking is left out, a break becomes "cut".

    `server` names it in sentences ("Ollama at http://localhost:11434"). Once it is no longer `wanted` the server is
    hung up on, and the stream ends without usage.
    """
    given = False
    try:
        with contextlib.closing(_paced(source, wire=wire, limits=limits, server=server, wanted=wanted)) as paced:
            for delta in without_thinking(paced, budget=limits.thinking_tokens):
                given = given or bool(delta.text)
                yield delta
    except Broken:
        if not given:
            raise
        yield Delta(usage=Usage(prompt_tokens=None, output_tokens=None, finish="cut"))


def _paced(
    source: Callable[[], Iterator[Delta]], *, wire: Wire, limits: Limits, server: str, wanted: Callable[[], bool]
) -> Generator[Delta, None, None]:
    inbox: queue.SimpleQueue[Delta | BaseException | None] = queue.SimpleQueue()
    over = threading.Event()

    def read() -> None:
        try:
            for delta in source():
                inbox.put(delta)
                if over.is_set():  # what has come in already is left unread: the server learns sooner that it may stop
                    return
            inbox.put(None)
        except BaseException as error:
            inbox.put(error)

    reader = threading.Thread(target=copy_context().run, args=(read,), name="generation", daemon=True)
    reader.start()
    ends = time.monotonic() + limits.total_s
    due, awaited = time.monotonic() + limits.first_token_s, "first word"
    try:
        while wanted():
            try:
                item = inbox.get(timeout=max(min(due - time.monotonic(), ends - time.monotonic(), _LOOK_S), 0))
            except queue.Empty:
                if time.monotonic() < min(due, ends):
                    continue
                raise ModelTimeout(_too_slow(server, limits, awaited, over=ends <= due)) from None
            if item is None:
                return
            if isinstance(item, ModelTimeout) and time.monotonic() >= min(due, ends):  # its connection has limits too
                raise ModelTimeout(_too_slow(server, limits, awaited, over=ends <= due)) from item
            if isinstance(item, BaseException):
                raise item
            yield item
            due, awaited = time.monotonic() + limits.between_tokens_s, "next word"
    finally:
        over.set()
        wire.hang_up()
        reader.join(_HANG_UP_WAIT_S)


def _too_slow(server: str, limits: Limits, awaited: str, *, over: bool) -> str:
    if over:
        return f"{server} was not done within {limits.total_s:g} s. Use a smaller model or allow it more time."
    limit_s = limits.first_token_s if awaited == "first word" else limits.between_tokens_s
    return f"{server} gave no {awaited} within {limit_s:g} s. Use a smaller model or allow it more time."


def tls(base_url: str) -> ssl.SSLContext:
    """The machine's own certificates for https; for http nothing is loaded, since nothing is checked."""
    if base_url.lower().startswith("https://"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
