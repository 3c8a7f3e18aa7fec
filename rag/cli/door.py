"""The way from a command to the store: own it, or ask whoever does; and the one thing that most operations give."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rag.cli import output
from rag.errors import StoreOwned
from rag.settings import Settings
from rag.settings.file import load
from rag.store.owner import owner_pid

if TYPE_CHECKING:
    import argparse

    from rag.app import App
    from rag.service.operations import Service

_PATIENCE_S = 20.0


class Door(Protocol):
    """Either `rag.service.operations.Service` here or `rag.client.Client` to the owner."""

    def call(self, operation: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Run one operation; events as they come."""

    def stop(self) -> None:
        """End what is running. A signal handler may call it.

        Raises:
            KeyboardInterrupt: it runs elsewhere, and ends there once we have gone.
        """


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings this command line asks for."""
    return load(config=options.config, home=options.home, environ=os.environ)


def single(options: argparse.Namespace, operation: str, **arguments: Any) -> dict[str, Any]:
    """The one result of an operation, printed where it is wanted as JSON."""
    with door(settings_of(options)) as way:
        found = last(way.call(operation, arguments))
    if options.json:
        output.print_json(found)
    return found


def last(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The last event alone, which holds the result."""
    found: dict[str, Any] = {}
    for event in events:
        found = event
    found.pop("event", None)
    return found


@contextmanager
def owned(settings: Settings) -> Iterator[App]:
    """This process owns the store; others reach it over the home's socket meanwhile.

    Raises:
        StoreOwned: another process does.
    """
    from rag.app import App

    with App(settings) as app:
        _finish_erasures(app)
        yield app


def _finish_erasures(app: App) -> None:
    """What a crash interrupted is brought to its end before anything is found."""
    if app.ledger.erasures(unfinished=True):
        from rag.service.erasing import Erasing

        print("An erasure was interrupted; it is brought to its end …", file=sys.stderr)
        for _ in Erasing(app).finish():
            pass


@contextmanager
def door(settings: Settings, *, listen: bool = False) -> Iterator[Door]:
    """Go through the owner of the store, or own it if nobody does. With `listen`, others can come through us.

    A short command that owns the store does not answer others; it is waited for.
    """
    from rag.client import SOCKET, Client

    if _answers(settings.home / SOCKET):  # asked first: whoever goes through an owner loads no library of the index
        yield Client(settings.home, pid=owner_pid(settings.home))
        return
    from rag.service.operations import Service

    try:
        with _patiently(settings) as app:
            service = Service(app)
            if not listen:
                yield service
                return
            from rag.api.local import LocalDoor

            with LocalDoor(service, settings.home):
                yield service
                _see_out(service)
    except _Elsewhere as elsewhere:
        yield Client(settings.home, pid=elsewhere.pid)


def running(settings: Settings) -> Door | None:
    """The way to the process that owns the store and answers others; None where none does."""
    from rag.client import SOCKET, Client

    if not _answers(settings.home / SOCKET):
        return None
    return Client(settings.home, pid=owner_pid(settings.home))


def _see_out(service: Service) -> None:
    """Whoever asked this process for an ingest while it owned the store gets it."""
    told = False
    while service.busy:
        if not told:
            print("Done; another `rag ingest` goes on in this process. Ctrl-C stops it.", file=sys.stderr)
            told = True
        time.sleep(0.1)


class _Elsewhere(Exception):
    def __init__(self, pid: int | None) -> None:
        self.pid = pid


@contextmanager
def _patiently(settings: Settings) -> Iterator[App]:
    from rag.client import SOCKET

    until, told = time.monotonic() + _PATIENCE_S, False
    while True:
        try:
            context = owned(settings)
            app = context.__enter__()
            break
        except StoreOwned as error:
            if _answers(settings.home / SOCKET):
                raise _Elsewhere(error.pid) from error
            if time.monotonic() > until:
                raise
            if not told:
                print(f"Waiting for another command (pid {error.pid}) to finish …", file=sys.stderr)
                told = True
            time.sleep(0.2)
    try:
        yield app
    except BaseException as error:
        if not context.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        context.__exit__(None, None, None)


def _answers(path: Path) -> bool:
    import socket

    from rag.client import reach

    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe, reach(path.parent) as short:
        try:
            probe.connect(short)
        except OSError:
            return False
    return True
