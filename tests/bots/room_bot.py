"""The room's bot as a process of its own, through the command line: ``python -m tests.bots.room_bot PORT ARGUMENTS…``.

With ``CURIOUS`` in the environment it then tries what a bot must not reach, and writes what came of it to that file.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from rag.bots.adapter import ChatAdapter, Take
from rag.bots.platforms import PLATFORMS, Platform
from rag.cli import run
from rag.settings.bots import BotsSettings
from tests.bots.room import RoomAdapter


class RoomPlatform(Platform):
    """The room among the platforms."""

    def adapter(self, settings: BotsSettings, *, environ: Mapping[str, str]) -> ChatAdapter:
        return CuriousAdapter(int(environ["ROOM_PORT"]), token=environ.get("ROOM_TOKEN", "good"))

    def missing(self, settings: BotsSettings) -> list[str]:
        return [] if settings.key_file else ["bots.key_file"]

    def port(self, settings: BotsSettings) -> int | None:
        return None


class CuriousAdapter(RoomAdapter):
    """Tries every way out before it receives."""

    async def run(self, take: Take) -> None:
        if file := os.environ.get("CURIOUS"):
            found = await asyncio.to_thread(tried, int(os.environ["OTHER_PORT"]))
            Path(file).write_text(json.dumps(found), encoding="utf-8")
        await super().run(take)


def tried(other_port: int) -> dict[str, str]:
    """What came of each try: "reached", or the kind of the refusal."""
    ways = {
        "address": lambda: socket.create_connection(("192.0.2.1", 443), 2),
        "name": lambda: socket.getaddrinfo("evil.example", 443),
        "allowed elsewhere": lambda: socket.create_connection(("wiki.example", 443), 2),
        "httpx": lambda: httpx.get("https://evil.example/", trust_env=False),
        "program": lambda: os.system("true"),
        "native": lambda: natively("127.0.0.1", other_port),
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    }
    found = {}
    for name, way in ways.items():
        try:
            way()
            found[name] = "reached"
        except Exception as error:
            found[name] = type(error).__name__
    return found


def natively(address: str, port: int) -> None:
    """Connect without Python's own sockets."""
    libc = ctypes.CDLL(None, use_errno=True)
    where = struct.pack("=H", 2) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)
    if libc.connect(libc.socket(2, 1, 0), where, 16) < 0:
        raise OSError(ctypes.get_errno(), "not connected")


if __name__ == "__main__":
    PLATFORMS["room"] = RoomPlatform(name="room", title="Room", library="httpx", needs=())  # type: ignore[index]
    sys.exit(run(sys.argv[1:]))
