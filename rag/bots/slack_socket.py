"""Socket Mode: a WebSocket that we open and Slack sends events through, so that no port is open to the outside.

slack-bolt's own socket client is not used: it takes a proxy from the environment, goes to whatever host it is given,
and acknowledges by its own rule. Here an envelope is acknowledged when its event has been written down, not before.

A connection lives for hours at most. Slack announces its end; the next one is opened before the old one is given up, so
that nothing falls between the two. What nobody acknowledged, Slack sends again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable
from rag.bots.slack_api import SlackApi

Handle = Callable[[Mapping[str, Any], int], Awaitable[Mapping[str, Any] | None]]
"""Takes the payload and how often it was sent before; gives what goes back with the acknowledgement. Raises where the
event is not to be acknowledged."""

HOSTS: Final = ("wss-primary.slack.com", "wss-backup.slack.com")
"""Where Slack sends the connections; an address at another host is refused."""

_log = logging.getLogger(__name__)

_SILENT: Final = logging.getLogger("rag.bots.slack_socket.frames")
_SILENT.disabled = True  # it would write down what people say

_OPEN_S: Final = 10.0
_HELLO_S: Final = 10.0
_PING_S: Final = 15.0
_LEAVE_S: Final = 10.0
_MOST_BYTES: Final = 1 << 20
_MOST_AT_ONCE: Final = 64
_LONGEST_PAUSE_S: Final = 60.0


class SocketMode:
    """Receives until it is cancelled. `hosts` are those it may connect to; `secure` is off for this machine only."""

    def __init__(
        self, api: SlackApi, *, app_token: str, handle: Handle, hosts: tuple[str, ...] = HOSTS, secure: bool = True
    ) -> None:
        self._api = api
        self._app_token = app_token
        self._handle = handle
        self._hosts = hosts
        self._secure = secure
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """One connection after the other, with growing pauses while Slack is not to be reached.

        Raises:
            PlatformRefused: the app's token is not good, or Socket Mode is off in the app's settings.
        """
        failed = 0
        try:
            while True:
                greeted, over = asyncio.Event(), asyncio.Event()
                connection = self._start(self._one(greeted=greeted, over=over))
                connection.add_done_callback(partial(_set, over))
                await over.wait()
                if connection.done():
                    connection.result()
                failed = 0 if greeted.is_set() else failed + 1
                await asyncio.sleep(_pause(failed))
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _one(self, *, greeted: asyncio.Event, over: asyncio.Event) -> None:
        """One connection, to its end; `over` is set when the next one is wanted, which may be before."""
        try:
            url = self._checked(await self._api.connection(self._app_token))
            options: dict[str, Any] = {"proxy": None, "compression": None, "max_size": _MOST_BYTES}
            options |= {"open_timeout": _OPEN_S, "ping_interval": _PING_S, "ping_timeout": _PING_S, "close_timeout": 1}
            async with _Connect(url, user_agent_header=None, logger=_SILENT, **options) as socket:
                await self._receive(socket, greeted=greeted, over=over)
        except PlatformBusy as busy:
            await asyncio.sleep(busy.retry_after_s)
        except (OSError, PlatformUnreachable, WebSocketException) as error:
            _log.warning(
                "The connection to Slack ended", extra={"action": "slack_dropped", "reason": type(error).__name__}
            )

    async def _receive(self, socket: ClientConnection, *, greeted: asyncio.Event, over: asyncio.Event) -> None:
        leaving: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        patience = loop.call_later(_HELLO_S, lambda: None if greeted.is_set() else socket.transport.abort())
        try:
            async for frame in socket:
                message = _read(frame)
                kind = message.get("type")
                if kind == "hello":
                    greeted.set()
                    _log.info("Connected to Slack", extra={"action": "slack_connected"})
                elif kind == "disconnect":
                    _check_reason(str(message.get("reason") or ""))
                    over.set()
                    leaving = leaving or loop.call_later(_LEAVE_S, socket.transport.abort)
                elif "envelope_id" in message:
                    await self._room.acquire()
                    self._start(self._envelope(socket, message)).add_done_callback(lambda _: self._room.release())
        finally:
            patience.cancel()
            if leaving is not None:
                leaving.cancel()

    async def _envelope(self, socket: ClientConnection, message: Mapping[str, Any]) -> None:
        payload = message.get("payload")
        try:
            answer = await self._handle(
                payload if isinstance(payload, dict) else {}, _number(message.get("retry_attempt"))
            )
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is: not written down, so not acknowledged
            _log.error(
                "An event was not taken", extra={"action": "slack_event_not_taken", "reason": type(error).__name__}
            )
            return
        said: dict[str, Any] = {"envelope_id": str(message["envelope_id"])}
        if answer and message.get("accepts_response_payload") is True:
            said["payload"] = dict(answer)
        try:
            await socket.send(json.dumps(said))
        except WebSocketException:
            _log.info("An acknowledgement found no connection", extra={"action": "slack_late"})

    def _checked(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == ("wss" if self._secure else "ws") and parts.hostname in self._hosts:
            return url
        raise PlatformUnreachable("Slack names an address for the connection that is none of its own.")


def _set(over: asyncio.Event, _: asyncio.Task[None]) -> None:
    over.set()


class _Connect(connect):
    """A connection that is opened where Slack said and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follows none."""
        return exc


def _check_reason(reason: str) -> None:
    if reason == "link_disabled":
        raise PlatformRefused(
            "Socket Mode is off for this app. Turn it on at api.slack.com under Socket Mode, or set bots.slack.mode to "
            '"http".'
        )


def _pause(failed: int) -> float:
    """Seconds until the next attempt; none after a connection that was good."""
    return min(2.0 ** (failed - 1), _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0) if failed else 0.0  # noqa: S311 - jitter


def _read(frame: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(frame)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
