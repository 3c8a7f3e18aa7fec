"""Many clients at once over plain sockets, on this machine only: what each was told, and when.

A client library would cost more than the service it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class Told:
    """One request: status, headers, events with the seconds since it was sent; `body` where it was no stream."""

    user: str
    began_s: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: list[tuple[float, str, Any]] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    body: bytes = b""
    answered_s: float = 0.0
    ended_s: float = 0.0

    def first(self, name: str) -> float | None:
        """When the first event of that name came."""
        return next((at for at, told, _ in self.events if told == name), None)

    @property
    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [name for _, name, _ in self.events]


async def ask(
    address: str,
    *,
    user: str,
    question: str,
    stream: bool = True,
    early: bool = False,
    leave_after: str = "",
    heard: set[str] | None = None,
) -> Told:
    """Ask as `user` (header X-User); hang up after the first event called `leave_after`. The names of events get into
    `heard` as they come."""
    told = Told(user=user, heard=set() if heard is None else heard)
    body = json.dumps({"question": question, "stream": stream, "early": early}).encode()
    return await _spoken(address, told, "POST /api/ask", body, leave_after)


async def get(address: str, path: str) -> Told:
    """A plain request."""
    return await _spoken(address, Told(user="anybody"), f"GET {path}", b"", "")


async def _spoken(address: str, told: Told, line: str, body: bytes, leave_after: str) -> Told:
    place = urlsplit(address)
    told.began_s = time.perf_counter()
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    head = [f"{line} HTTP/1.1", f"Host: {place.netloc}", "Connection: close", f"X-User: {told.user}"]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    try:
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        told.status, told.answered_s = int(status.split()[1]), _since(told)
        told.headers = dict(entry.lower().split(": ", 1) for entry in lines if entry)
        if told.headers.get("content-type", "").startswith("text/event-stream"):
            await _events(reader, told, leave_after)
        else:
            told.body = await reader.read()
    finally:
        told.ended_s = _since(told)
        writer.close()
    return told


async def _events(reader: asyncio.StreamReader, told: Told, leave_after: str) -> None:
    name = ""
    while line := await reader.readline():
        if line.startswith(b"event: "):
            name = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            told.events.append((_since(told), name, json.loads(line[6:])))
            told.heard.add(name)
            if name == leave_after:
                return


def _since(told: Told) -> float:
    return time.perf_counter() - told.began_s


def jain(shares: Sequence[float]) -> float:
    """Fairness of what each got: 1 where all got the same, 1/n where one got everything.

    Source: Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination …", DEC TR-301, 1984.
    """
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0
