"""`rag serve` and `rag watch`: processes that own the store until they are stopped."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

from rag.app import App
from rag.cli import OK, output
from rag.cli.door import owned, settings_of
from rag.egress import is_local
from rag.egress.closing import closed
from rag.errors import SettingsError
from rag.models_in_use.licensing import refuse_at_start

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import uvicorn

    from rag.api.tls import Renewal

_CONNECTIONS = 8192


def serve(options: argparse.Namespace) -> int:
    """Answer over HTTP until SIGTERM or Ctrl-C; open answers get a few seconds to end (`[server] drain_s`)."""
    import uvicorn

    tls = _tls(options)
    refuse_at_start(settings_of(options))
    _many_connections()
    with (
        closing(tls) if tls else nullcontext(),
        owned(settings_of(options)) as app,
        _listen(_host(options, app), options.port) as listener,
        _local_door(app) as stop_ingesting,
        _watching(app, wanted=not options.no_watch) as stop_watching,
        _purging(app),
        _pins_watched(app),
        _opening(app),
    ):
        from rag.api.http import create_app
        from rag.api.serving import CONNECTIONS_S, Serving

        def told() -> None:
            stop_watching()
            stop_ingesting()

        _ = app.memberships  # a directory's password that cannot be read is told now, not to whoever comes first
        web = create_app(app, listens_beyond=not is_local(options.host))
        config = uvicorn.Config(
            web,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # what a proxy says is `rag.api.way`'s to judge
            timeout_graceful_shutdown=CONNECTIONS_S,
        )
        config.load()
        if tls:
            config.ssl = tls.context
            tls.keep_looking()
        server = Serving(config, web.state.desk, told=told)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        address = f"{'https' if tls else 'http'}://{shown}:{listener.getsockname()[1]}/"
        with _stopped_by_signals(server):
            if not is_local(options.host) and not tls:
                output.err.print(
                    "[yellow]Not encrypted: keys and sign-in are refused from other machines, unless a listed proxy "
                    "says X-Forwarded-Proto: https. Give --tls-cert and --tls-key, or list the proxy.[/]"
                )
            output.err.print(f"Archivar answers at [bold]{address}[/] · stop with Ctrl-C")
            _say_how_it_stands(app, address)
            server.run(sockets=[listener])
    return OK


def _host(options: argparse.Namespace, app: App) -> str:
    """The address to listen on: beyond this machine only where nobody is answered without a credential.

    Raises:
        SettingsError: there is no way to have one.
    """
    host = str(options.host)
    if not host or (not is_local(host) and not app.credential_needed):
        raise SettingsError(
            f"Without authentication the service listens on this machine only, not on "
            f"{host or 'every address'}. Use --host 127.0.0.1. For others to be answered, make a key first (rag keys "
            f"add NAME --user USER), or set up sign-in under [auth] in rag.toml."
        )
    return host


def _tls(options: argparse.Namespace) -> Renewal | None:
    """
    Raises:
        SettingsError: only one of the two files is named, or they cannot be used.
    """
    if options.tls_cert is None and options.tls_key is None:
        return None
    if options.tls_cert is None or options.tls_key is None:
        raise SettingsError("--tls-cert and --tls-key belong together: give both.")
    from rag.api.tls import Renewal

    return Renewal(options.tls_cert.expanduser(), options.tls_key.expanduser())


def watch(options: argparse.Namespace) -> int:
    """Keep the index level until SIGTERM or Ctrl-C."""
    refuse_at_start(settings_of(options))
    with owned(settings_of(options)) as app, _local_door(app), _purging(app), _pins_watched(app):
        loop = app.watch()

        def stop(number: int, frame: FrameType | None) -> None:
            loop.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        output.err.print("Watching. Stop with Ctrl-C.")
        loop.run()
    return OK


def _many_connections() -> None:
    """A stream that waits is a connection: allow as many as the system lets us, not the usual thousand."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, _CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
def _local_door(app: App) -> Iterator[Callable[[], None]]:
    """The owner's socket; gives what ends its ingest."""
    from rag.api.local import LocalDoor
    from rag.service.operations import Service

    service = Service(app)
    with LocalDoor(service, app.settings.home):
        try:
            yield service.stop
        finally:
            service.stop()


@contextmanager
def _watching(app: App, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """A watch over the sources; gives what tells it to end."""
    if not wanted or not app.sources.names:
        yield lambda: None
        return
    loop = app.watch()
    thread = threading.Thread(target=loop.run, name="watch")
    thread.start()
    try:
        yield loop.stop
    finally:
        loop.stop()
        thread.join()


@contextmanager
def _opening(app: App) -> Iterator[None]:
    """The index is opened before the first question asks for it."""
    thread = threading.Thread(target=app.open, name="opening")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _say_how_it_stands(app: App, address: str) -> None:
    """Where it listens, who is answered, which model writes, and what the kernel holds: in the log, for later."""
    now, wanted = closed(), app.settings.llm
    extra = {
        "action": "listening",
        "address": address,
        "credentials": "needed" if app.credential_needed else "none; this machine only",
        "model": " ".join(filter(None, (wanted.provider, wanted.model, *wanted.addresses))),
        "kernel_guard": str(now.lockdown) if now is not None else "off",
    }
    _log.info("The service listens", extra=extra)


@contextmanager
def _purging(app: App) -> Iterator[None]:
    """The day before is sealed, and what is too old goes, once a day."""
    from rag.govern.retention import Daily
    from rag.service.auditing import Auditing
    from rag.store.audit import utc_now

    daily = Daily(Auditing(app).purge_now, clock=utc_now)
    try:
        yield
    finally:
        daily.close()


@contextmanager
def _pins_watched(app: App) -> Iterator[None]:
    """Pinned models are looked at now and every hour."""
    app.pins.start()
    try:
        yield
    finally:
        app.pins.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # who comes before the server runs waits, and is not refused
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} on {host} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    return listener
