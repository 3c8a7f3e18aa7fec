"""The door as a running server."""

from __future__ import annotations

import uvicorn

from rag.api.caller import is_loopback
from rag.api.http import create_app
from rag.app import App
from rag.errors import SettingsError


def server(app: App, *, host: str = "127.0.0.1", port: int = 8088) -> uvicorn.Server:
    """A server to be run in this thread by its `run`.

    Raises:
        SettingsError: nothing says who may ask, so it listens on this machine only.
    """
    if host != "localhost" and not is_loopback(host):
        raise SettingsError(
            f"Without authentication the service listens on this machine only, not on {host}. Use --host 127.0.0.1.",
            key="host",
        )
    return uvicorn.Server(
        uvicorn.Config(
            create_app(app), host=host, port=port, server_header=False, log_config=None, timeout_graceful_shutdown=10
        )
    )
