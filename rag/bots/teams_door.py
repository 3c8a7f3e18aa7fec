"""The door that the relay reaches, as a socket and a server: opened where the settings say, and nowhere else."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from rag.bots.teams_gate import Gate
from rag.errors import SettingsError

_AT_ONCE: Final = 100
"""Requests in the door at the same time; more get 503 and come again."""


def server(gate: Gate) -> uvicorn.Server:
    """What answers there."""
    config = uvicorn.Config(
        gate,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are."""
        yield


@contextmanager
def listening(listen: tuple[str, int]) -> Iterator[socket.socket]:
    """A socket that listens there.

    Raises:
        SettingsError: it cannot.
    """
    host, port = listen
    try:
        door = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64)
    except OSError as error:
        raise SettingsError(
            f"The bot cannot listen on {host}:{port} ({error.strerror}). Is it running already? Otherwise choose "
            f"another bots.teams.listen, and tell the relay.",
            key="bots.teams.listen",
        ) from error
    with door:
        door.setblocking(False)
        yield door
