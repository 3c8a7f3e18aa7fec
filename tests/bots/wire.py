"""The way between the Matrix bot and its homeserver, as a test can break it: a proxy on loopback that passes everything
on, except what it was told to refuse, to drop, to repeat or to add."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

How = Literal["busy", "away", "no"]
Rewrite = Callable[[str, Any], Any]


@dataclass
class Wire:
    """`calls` are the methods and paths that passed; `sent` the bodies of all that was put into rooms."""

    upstream: str
    url: str = ""
    calls: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[tuple[How, float]] = field(default_factory=list)
    again: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    rewrite: Rewrite = lambda path, answer: answer
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def drop(self) -> None:
        """Every connection breaks; new ones are taken."""
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
                while await self._one(reader, writer, client):
                    pass
        except (ConnectionError, asyncio.IncompleteReadError, httpx.TransportError, asyncio.CancelledError):
            pass  # the bot went away, or the test is over
        finally:
            self._open.discard(writer)
            self.tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: httpx.AsyncClient) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.calls.append(f"{method} {path}")
        if "/send/" in path or "/redact/" in path:
            if self.refusals:
                how, retry_after_s = self.refusals.pop(0)
                return self._decline(writer, how, retry_after_s)
            self.sent.append(json.loads(body or b"{}"))
        repeated = list(self.again) if "/sync" in path else []
        path = path.replace("timeout=", "was=") if repeated else path
        kept = {name: headers[name] for name in ("authorization", "content-type") if name in headers}
        answer = await client.request(method, self.upstream + path, content=body, headers=kept)
        content = answer.content
        if answer.is_success:
            told = self.rewrite(path, answer.json())
            for room, event in repeated:
                self.again.remove((room, event))
                joined = told.setdefault("rooms", {}).setdefault("join", {}).setdefault(room, {})
                joined.setdefault("timeline", {}).setdefault("events", []).append(event)
            content = json.dumps(told).encode()
        _answer(writer, answer.status_code, content)
        await writer.drain()
        return True

    def _decline(self, writer: asyncio.StreamWriter, how: How, retry_after_s: float) -> bool:
        if how == "away":
            return False
        if how == "busy":
            limited = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests"}
            _answer(writer, 429, json.dumps(limited | {"retry_after_ms": int(retry_after_s * 1000)}).encode())
        else:
            _answer(writer, 403, json.dumps({"errcode": "M_FORBIDDEN", "error": "You may not"}).encode())
        return True


def _answer(writer: asyncio.StreamWriter, status: int, content: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)


@asynccontextmanager
async def wire(upstream: str) -> AsyncIterator[Wire]:
    """A proxy in front of a homeserver, until the block ends."""
    made = Wire(upstream=upstream)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.drop()
        for task in list(made.tasks):
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
