"""`rag serve` and `rag watch`: processes that own the store until they are stopped."""

from __future__ import annotations

import argparse
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rag.app import App
from rag.cli import OK, output
from rag.cli.door import owned, settings_of
from rag.egress import is_local
from rag.errors import SettingsError

if TYPE_CHECKING:
    import uvicorn


def serve(options: argparse.Namespace) -> int:
    """Answer over HTTP until SIGTERM or Ctrl-C; open answers get ten seconds to end."""
    import uvicorn

    if not options.host or not is_local(options.host):
        raise SettingsError(
            f"Without authentication the service listens on this machine only, not on "
            f"{options.host or 'every address'}. Use --host 127.0.0.1."
        )
    with (
        owned(settings_of(options)) as app,
        _listen(options.host, options.port) as listener,
        _local_door(app),
        _watching(app, wanted=not options.no_watch),
    ):
        from rag.api.http import create_app

        config = uvicorn.Config(
            create_app(app), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=10
        )
        server = uvicorn.Server(config)
        address = f"http://{options.host}:{listener.getsockname()[1]}/"
        with _stopped_by_signals(server):
            output.err.print(f"Archivar answers at [bold]{address}[/] · stop with Ctrl-C")
            server.run(sockets=[listener])
    return OK


def watch(options: argparse.Namespace) -> int:
    """Keep the index level until SIGTERM or Ctrl-C."""
    with owned(settings_of(options)) as app, _local_door(app):
        loop = app.watch()

        def stop(number: int, frame: FrameType | None) -> None:
            loop.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        output.err.print("Watching. Stop with Ctrl-C.")
        loop.run()
    return OK


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """A signal ends the server, also before it runs; uvicorn raises it once more afterwards, and it harms nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _local_door(app: App) -> Iterator[None]:
    from rag.api.local import LocalDoor
    from rag.service import Service

    service = Service(app)
    with LocalDoor(service, app.settings.home):
        try:
            yield
        finally:
            service.stop()


@contextmanager
def _watching(app: App, *, wanted: bool) -> Iterator[None]:
    if not wanted or not app.sources.names:
        yield
        return
    loop = app.watch()
    thread = threading.Thread(target=loop.run, name="watch")
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} on {host} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    return listener
