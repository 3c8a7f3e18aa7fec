"""The door over a house of two readable papers and a closed one, as a client in memory and as a real server."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from rag.api.http import create_app
from tests.doors.http.house import NOBODY_ELSE, House, Paper

LEAVE = Paper(
    key="a" * 24,
    title="Urlaubsordnung",
    name="urlaub.pdf",
    text="Vorwort 🌞 mit einem Zeichen jenseits der Ebene.\n\n§ 3 Dauer\n\nDer Urlaub beträgt 24 Werktage.\n\nSchluss.",
    found="Der Urlaub beträgt 24 Werktage.",
    headings=("§ 3 Dauer",),
    page=2,
)
SICK = Paper(
    key="b" * 24,
    title="Krankmeldung",
    name="krank.docx",
    text="Eine Bescheinigung ist ab dem dritten Tag vorzulegen.",
    found="Eine Bescheinigung ist ab dem dritten Tag vorzulegen.",
)
CLOSED = Paper(
    key="c" * 24,
    title="Gehälter",
    name="gehalt.xlsx",
    text="Frau Beispiel 4711 Euro",
    found="Frau Beispiel 4711 Euro",
    readers=frozenset({NOBODY_ELSE}),
)

Opened = Callable[..., TestClient]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED))
    yield opened
    opened.close()


@pytest.fixture
def opened(house: House) -> Iterator[Callable[..., TestClient]]:
    """A client on this machine; keyword arguments go to `create_app`, `client` is its address."""
    with ExitStack() as stack:

        def client(*, address: str = "127.0.0.1", **options: Any) -> TestClient:
            return stack.enter_context(
                TestClient(create_app(house, **options), base_url="http://localhost", client=(address, 50000))
            )

        yield client


@pytest.fixture
def client(opened: Callable[..., TestClient]) -> TestClient:
    return opened()


@contextmanager
def served(house: House, **options: Any) -> Iterator[str]:
    """A real server over a house; gives its address."""
    config = uvicorn.Config(create_app(house, **options), port=0, server_header=False, log_config=None)
    server = uvicorn.Server(config)
    started = threading.Event()

    async def startup(sockets: Any = None) -> None:
        await uvicorn.Server.startup(server, sockets)
        started.set()

    server.startup = startup
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(30), "the server does not start"
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_QUIET = ("--disable-component-update", "--disable-sync", "--disable-quic")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as it is installed, or $CHROMIUM."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed: set CHROMIUM or install the package `chromium`")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=[*_CHROMIUM, *_QUIET])
        yield chromium
        chromium.close()
