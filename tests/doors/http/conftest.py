"""The door over a house of two readable papers and a closed one, as a client in memory and as a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from rag.access import EVERYONE, Acl, Confidentiality
from rag.api.caller import Caller
from rag.api.http import create_app
from rag.documents import DocumentId, DocumentRef
from tests.doors.http.house import NOBODY_ELSE, House, Paper
from tests.doors.http.signing import signed_in

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
                TestClient(
                    create_app(house, **options),
                    base_url="http://localhost",
                    client=(address, 50000),
                    headers={"X-Request-Id": "the-same-one"},
                )
            )

        yield client


@pytest.fixture
def client(opened: Callable[..., TestClient]) -> TestClient:
    return opened()


@pytest.fixture
def many(tmp_path: Path) -> Iterator[House]:
    """A house of a hundred and twenty notes in two sources, one failure, and one paper nobody here may read."""
    opened = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED))
    for number in range(120):
        note = f"Vermerk {number:03}"
        paper = Paper(key=f"d{number:023d}", title=note, name=f"vermerk-{number:03}.txt", text=note, found=note)
        opened.add(paper, source=("vertrieb", "einkauf")[number % 2])
    fail(opened, "vertrieb:geschuetzt.pdf", "encrypted: needs a password")
    yield opened
    opened.close()


def fail(house: House, document: str, reason: str) -> None:
    acl = Acl(readers=frozenset({EVERYONE}))
    ref = {"id": DocumentId(document), "key": "f" * 24, "version": "1", "confidentiality": Confidentiality.INTERNAL}
    house.ledger.record_failure(
        DocumentRef(**ref, acl=acl),
        reason=reason, stamp="s", recipe="r", title=document.partition(":")[2], uri="file:///srv/geschuetzt.pdf",
        media_type="application/pdf", modified_at=datetime(2024, 3, 12, tzinfo=UTC),
    )  # fmt: skip


@contextmanager
def served(house: House, *, caller: Callable[..., Caller] | None = None, **options: Any) -> Iterator[str]:
    """A real server over a house; gives its address. `caller` says who is asking, in place of the resolver."""
    web = create_app(house, **options)
    if caller is not None:
        signed_in(web, caller)
    config = uvicorn.Config(web, port=0, server_header=False, log_config=None, proxy_headers=False)
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
