"""The owner's door: the operations of `rag.service` on a Unix socket in the home, for the same user only.

The socket is made with mode 0600 before anyone can connect, and each peer's user id is asked of the kernel.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from anyio import CancelScope
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from uvicorn.protocols.http.h11_impl import H11Protocol

from rag.client import SOCKET, reach
from rag.errors import RagError
from rag.service.operations import Service

_log = logging.getLogger(__name__)


class LocalDoor:
    """Serves a home's socket from a thread of its own until `close`, which waits for requests under way."""

    def __init__(self, service: Service, home: Path) -> None:
        self._path = home / SOCKET
        self._path.unlink(missing_ok=True)
        self._socket = _listen(home)
        config = uvicorn.Config(
            _application(service),
            http=_OwnersOnly,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=10,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="local-door", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take no more requests, let those under way end, and remove the socket."""
        self._server.should_exit = True
        self._thread.join(timeout=15)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> LocalDoor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _OwnersOnly(H11Protocol):
    """Closes a connection whose peer is another user."""

    def connection_made(self, transport: Any) -> None:
        if peer_user(transport.get_extra_info("socket")) != os.geteuid():
            transport.close()
            return
        super().connection_made(transport)


def peer_user(connection: Any) -> int:
    """The user id of the process at the other end, as the kernel knows it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return int(struct.unpack("=IIh", connection.getsockopt(0, 1, 10))[1])  # macOS: struct xucred


def _listen(home: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with reach(home) as path:
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
    listener.listen(64)
    return listener


def _application(service: Service) -> FastAPI:
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @application.post("/{operation}")
    async def run(operation: str, request: Request) -> StreamingResponse:
        arguments = await request.json()
        return StreamingResponse(_apart(_lines(service, operation, arguments)), media_type="application/x-ndjson")

    return application


async def _apart(lines: Generator[str, None, None]) -> AsyncIterator[str]:
    """The lines, made in threads. So is their end: where the peer has gone, an operation ends at its next step, and
    others are answered meanwhile. Left to the garbage collector it would end in any thread, whatever locks that holds.
    """
    try:
        async for line in iterate_in_threadpool(lines):
            yield line
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(lines.close)


def _lines(service: Service, operation: str, arguments: dict[str, Any]) -> Generator[str, None, None]:
    try:
        for event in service.call(operation, arguments):
            yield json.dumps(event) + "\n"
    except RagError as error:
        yield json.dumps({"error": {"kind": type(error).__name__, "message": str(error)}}) + "\n"
    except Exception as error:
        _log.exception("An operation failed", extra={"action": "operation_failed", "operation": operation})
        message = f"This should not have happened in the owner of the index: {type(error).__name__}. Its log says more."
        yield json.dumps({"error": {"kind": "StoreError", "message": message}}) + "\n"
