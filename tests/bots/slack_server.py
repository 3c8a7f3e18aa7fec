"""Slack's edge on this machine: the Web API over HTTP, Socket Mode over a WebSocket, and signed requests, each true to
the protocol. `World` is what it speaks about; the bot under test is told its address."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import uvicorn
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.bots.slack_world import APP_TOKEN, BOT_TOKEN, SECRET, TEAM, Refused, Row, World

ACK_S = 3.0
"""What Slack waits for an acknowledgement."""
CONNECT_S = 40.0
"""How long an event waits for a bot that is about to connect."""

CHANGES = ("chat.postMessage", "chat.update", "chat.delete")


class SlackServer:
    """One workspace's Slack. `refusals` are answers to the next changes: (status, headers, body)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.address = ""
        self.socket_address = ""
        self.revoked = False
        self.refusals: list[tuple[int, dict[str, str], Row]] = []
        self.slow_s: dict[str, float] = {}
        self.opened = 0
        self.acks: dict[str, Row] = {}
        self._connections: list[ServerConnection] = []
        self._connected = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Row]] = {}
        self._envelopes = itertools.count(1)

    async def send(self, kind: str, payload: Row, *, again: int = 0) -> asyncio.Future[Row] | None:
        """One envelope over the newest connection; the future is its acknowledgement. None: nobody is connected."""
        try:
            await asyncio.wait_for(self._connected.wait(), CONNECT_S)
        except TimeoutError:
            return None
        name = f"envelope-{next(self._envelopes)}"
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        frame = {
            "envelope_id": name,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        frame |= {"retry_attempt": again, "retry_reason": "timeout" if again else ""} if kind == "events_api" else {}
        with contextlib.suppress(ConnectionClosed, IndexError):
            await self._connections[-1].send(json.dumps(frame))
        return waiting

    async def drop(self) -> None:
        """Every connection breaks, without a word."""
        broken, self._connections = self._connections, []
        self._connected.clear()
        for connection in broken:
            connection.transport.abort()

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Slack announces that the newest connection ends."""
        await self._connections[-1].send(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {}}))

    async def greeted(self, number: int) -> None:
        """Wait for so many connections in all."""
        while self.opened < number:
            await asyncio.sleep(0.01)

    async def socket(self, connection: ServerConnection) -> None:
        """One connection of the bot."""
        self.opened += 1
        self._connections.append(connection)
        self._connected.set()
        hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A01"}, "debug_info": {}}
        try:
            await connection.send(json.dumps(hello))
            async for frame in connection:
                said = json.loads(frame)
                self.acks[said["envelope_id"]] = said
                waiting = self._waiting[said["envelope_id"]]
                if not waiting.done():
                    waiting.set_result(said)
        except ConnectionClosed:
            pass
        finally:
            if connection in self._connections:
                self._connections.remove(connection)
            if not self._connections:
                self._connected.clear()

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        """One call of the Web API."""
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        named = {name.decode(): value.decode() for name, value in scope["headers"]}
        method = scope["path"].rpartition("/")[2]
        await asyncio.sleep(self.slow_s.get(method, 0))
        status, headers, answer = self._answer(method, named, dict(parse_qsl(body.decode(), keep_blank_values=True)))
        pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(self, method: str, headers: Mapping[str, str], form: dict[str, str]) -> tuple[int, dict[str, str], Row]:
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if self.revoked or headers.get("authorization") != f"Bearer {wanted}":
            return 200, {}, {"ok": False, "error": "invalid_auth"}
        if method in CHANGES and self.refusals:
            return self.refusals.pop(0)
        if method == "apps.connections.open":
            return 200, {}, {"ok": True, "url": self.socket_address}
        try:
            return 200, {"x-oauth-scopes": self.world.scopes}, {"ok": True, **self.world.call(method, form)}
        except Refused as refused:
            return 200, {}, {"ok": False, "error": str(refused)}


@asynccontextmanager
async def slack_server(world: World) -> AsyncIterator[SlackServer]:
    """It, running at one port of this machine, as Slack has one: the bot's process can reach no other."""
    server = SlackServer(world)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(server, lifespan="off", log_config=None, access_log=False, ws="none", http="h11")
        web = uvicorn.Server(config)
        running = asyncio.create_task(web.serve(sockets=[listening]))
        async with serve(server.socket, "127.0.0.1", 0, compression=None) as sockets:
            ports = {b"GET": sockets.sockets[0].getsockname()[1], b"POS": listening.getsockname()[1]}
            front = await asyncio.start_server(_Front(ports).serve, "127.0.0.1", 0)
            port = front.sockets[0].getsockname()[1]
            server.address = f"http://127.0.0.1:{port}/api/"
            server.socket_address = f"ws://127.0.0.1:{port}/link/?ticket=once&app_id=A01"
            try:
                yield server
            finally:
                front.close()
                web.should_exit = True
                await running


class _Front:
    """One port for two servers: the first letters of a connection tell which."""

    def __init__(self, ports: Mapping[bytes, int]) -> None:
        self._ports = ports

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            first = await reader.readexactly(3)
            behind, there = await asyncio.open_connection("127.0.0.1", self._ports[first])
            there.write(first)
            both = [asyncio.create_task(_pump(reader, there)), asyncio.create_task(_pump(behind, writer))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError, KeyError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()


def event(row: Row, *, number: int, shared: bool = False) -> Row:
    """The Events API's wrapping around an event."""
    whole = {
        "token": "old",
        "team_id": TEAM,
        "api_app_id": "A01",
        "type": "event_callback",
        "event_id": f"Ev{number:08d}",
    }
    auth = {"team_id": TEAM, "user_id": "U0BOT", "is_bot": True, "is_enterprise_install": False}
    whole |= {"event_time": int(time.time()), "authorizations": [auth], "is_ext_shared_channel": shared, "event": row}
    return whole


def signed(body: bytes, *, at: int | None = None, secret: str = SECRET, again: int = 0) -> dict[str, str]:
    """The headers that Slack signs a request with."""
    moment = str(int(time.time()) if at is None else at)
    mac = hmac.new(secret.encode(), b"v0:" + moment.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": moment, "x-slack-signature": f"v0={mac}"}
    kind = "application/json" if body[:1] == b"{" else "application/x-www-form-urlencoded"
    more = {"x-slack-retry-num": str(again), "x-slack-retry-reason": "http_error"} if again else {}
    return {"content-type": kind, **headers, **more}


def wire(kind: str, payload: Row) -> bytes:
    """A payload as Slack puts it into the body of a request."""
    if kind == "events_api":
        return json.dumps(payload).encode()
    return urlencode(payload if kind == "slash_commands" else {"payload": json.dumps(payload)}).encode()


async def knock(port: int, body: bytes, headers: Callable[[], Mapping[str, str]]) -> httpx.Response | None:
    """One request at the bot's own port, with headers made when it is sent; None where nobody listens."""
    async with httpx.AsyncClient(trust_env=False, timeout=CONNECT_S) as client:
        for _ in range(int(CONNECT_S / 0.05)):
            with contextlib.suppress(httpx.ConnectError):
                return await client.post(f"http://127.0.0.1:{port}/slack/events", content=body, headers=headers())
            await asyncio.sleep(0.05)
    return None
