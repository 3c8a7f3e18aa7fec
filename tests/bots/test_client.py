"""The service as a bot sees it, over real HTTP."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from rag.access import Audience
from rag.bots.adapter import Account, Verdict
from rag.bots.client import Heard, Service
from rag.bots.told import (
    AccountUnknown,
    Finished,
    Found,
    Proof,
    Queued,
    RoomUnclear,
    ServiceBusy,
    ServiceRefused,
    ServiceUnreachable,
    Thinking,
    Told,
    Written,
)
from rag.errors import RagError, SettingsError
from tests.bots.house import KEY, PAGE, House, served
from tests.doors.http.test_tls import Pair, pair
from tests.loops import run

ANNA = Account(id="room:anna", email="anna@firma.de")
DIRECT = Heard(account=ANNA, audience=Audience.DIRECT)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def address(house: House) -> Iterator[str]:
    with served(house) as address:
        yield address


async def told(service: Service, question: str = "Urlaub", heard: Heard = DIRECT, **more: Any) -> list[Told]:
    async with service.ask(question, heard, **more) as events:
        return [event async for event in events]


def ask(address: str, *, key: str = KEY, heard: Heard = DIRECT, **more: Any) -> list[Told]:
    async def whole() -> list[Told]:
        async with Service(address, key=key) as service:
            return await told(service, heard=heard, **more)

    return run(whole())


def test_that_the_model_thinks_is_told_before_the_first_sentence(house: House, address: str) -> None:
    house.answers["Urlaub"] = {"thinks": True}
    events = ask(address)
    assert events[2:4] == [Thinking(over=False), Thinking(over=True)]
    assert isinstance(events[4], Written)


def test_an_answer_comes_as_typed_events(house: House, address: str) -> None:
    links = [{"url": f"{PAGE}/?document=k2", "title": "Mehr"}, {"url": f"{PAGE}/?document=k3"}]
    house.answers["Urlaub"] = {"links": links, "sensitivity": "internal"}
    found, queued, first, second, finished = ask(address)
    assert found == Found(passages=1)
    assert queued == Queued(position=1)
    assert first == Written(text="Antwort auf Urlaub.", markers=(1,), supported=True)
    assert isinstance(second, Written)
    assert finished == Finished(
        outcome="answered", text="Antwort auf Urlaub. [1] Mehr dazu. [1]", receipt="r1",
        proofs=(Proof(marker=1, url=f"{PAGE}/?document=k1", title="Urlaub\u2028regelung", page=2, heading="§ 3"),),
        links=((f"{PAGE}/?document=k2", "Mehr"), (f"{PAGE}/?document=k3", "")),
        sensitivity="internal",
    )  # fmt: skip


def test_it_says_for_whom_it_asks_and_what_they_said_before(house: House, address: str) -> None:
    heard = Heard(account=ANNA, audience=Audience.PRIVATE_CHANNEL, members=(ANNA, Account(id="room:ben")))
    ask(address, heard=heard, earlier=[f"{number} " + "x" * 3000 for number in range(25)])
    [asked] = house.asked
    assert asked["on_behalf_of"] == {"account": "room:anna", "email": "anna@firma.de"}
    assert asked["members"] == [asked["on_behalf_of"], {"account": "room:ben"}]
    assert [turn["role"] for turn in asked["conversation"]] == ["user"] * 20
    assert max(len(turn["content"]) for turn in asked["conversation"]) == 2000
    assert asked["conversation"][-1]["content"].startswith("24 ")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (("busy", 7), ServiceBusy), (("away",), ServiceUnreachable), (("break",), ServiceUnreachable),
        (("late problem",), ServiceUnreachable), (("refuse", 403, "account_unknown"), AccountUnknown),
        (("refuse", 403, "room_unclear"), RoomUnclear), (("refuse", 422, "invalid"), ServiceRefused),
        (("refuse", 401, "who_is_asking"), ServiceRefused), (("refuse", 302, "moved"), ServiceRefused),
        (("refuse", 500, "internal"), ServiceUnreachable), (("refuse", 507, "store_full"), ServiceUnreachable),
    ],
)  # fmt: skip
def test_each_refusal_has_its_kind_and_repeats_nothing(
    house: House, address: str, fault: tuple[Any, ...], kind: type[RagError]
) -> None:
    house.faults = [fault]
    with pytest.raises(kind) as refused:
        ask(address)
    assert "Urlaub" not in str(refused.value)
    assert KEY not in str(refused.value)
    if isinstance(refused.value, ServiceBusy):
        assert refused.value.retry_after_s == 7
    if isinstance(refused.value, ServiceRefused):
        assert refused.value.code == fault[2]


def test_another_key_is_refused(address: str) -> None:
    with pytest.raises(ServiceRefused, match="who_is_asking"):
        ask(address, key="another")


def test_a_service_that_is_not_there_is_unreachable_and_says_what_to_do() -> None:
    with pytest.raises(ServiceUnreachable, match="rag serve"):
        ask("http://127.0.0.1:1")


def test_leaving_early_ends_the_answer_there(house: House, address: str) -> None:
    house.pause_s = 0.5

    async def whole() -> None:
        async with Service(address, key=KEY) as service:
            async with service.ask("Urlaub", DIRECT) as events:
                await anext(events)
            async with asyncio.timeout(10):
                while house.open_answers:
                    await asyncio.sleep(0.01)

    run(whole())


def test_the_small_calls_go_where_they_should(house: House, address: str) -> None:
    house.standing, house.withdrawals = [False], ["m1"]

    async def whole() -> None:
        async with Service(address, key=KEY) as service:
            await service.posted("r1", "m1", ANNA)
            assert await service.standing("r1", DIRECT) is False
            assert await service.standing("r1", DIRECT) is True
            assert await service.withdrawals() == ("m1",)
            await service.withdrawn("m1")
            assert await service.withdrawals() == ()
            await service.judge("r1", Verdict.WRONG, ANNA)

    run(whole())
    assert house.messages[0]["message"] == "m1"
    assert house.feedback == [
        {"receipt": "r1", "verdict": "wrong", "on_behalf_of": {"account": "room:anna", "email": "anna@firma.de"}}
    ]


@contextmanager
def answering(
    body: bytes, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Something that is not the service."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>login</html>", b"event: done\ndata: {}\n\n", b"event: done\ndata: 7\n\n",
        b"event: sentence\ndata: {}\n\n",
        b"event: error\ndata: []\n\n", b'event: passages\ndata: {"passages": 3}\n\n', b"", b"data", b"\xff\xfe",
        b"event: error\ndata: {\"status\": \"x\"}\n\n",
    ],
)  # fmt: skip
def test_what_is_not_the_service_is_unreachable(body: bytes) -> None:
    with answering(body) as (address, _), pytest.raises(ServiceUnreachable):
        ask(address)


def test_it_follows_no_redirect_with_the_key() -> None:
    with (
        answering(b"") as (elsewhere, asked),
        answering(b"", status=307, headers=(("Location", f"{elsewhere}/api/ask"),)) as (address, _),
    ):
        with pytest.raises(ServiceRefused):
            ask(address)
        assert asked == []


def test_it_takes_no_proxy_from_the_environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(ask(address)[-1], Finished)


def test_the_key_does_not_travel_in_the_open() -> None:
    with pytest.raises(SettingsError, match="not encrypted") as refused:
        Service("http://archivar.firma.example", key=KEY)
    assert KEY not in str(refused.value)


def test_an_authority_of_the_house_is_trusted_where_its_file_is_named(tmp_path: Path) -> None:
    made = pair(tmp_path)

    async def asked(**more: Any) -> tuple[str, ...]:
        with encrypted(made) as address:
            async with Service(address, key=KEY, **more) as service:
                return await service.withdrawals()

    assert run(asked(ca_file=str(made.cert))) == ("m1",)
    with pytest.raises(ServiceUnreachable):
        run(asked())


def test_a_file_that_is_no_authority_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(SettingsError, match=r"bots\.ca_file"):
            Service("https://archivar.firma.example", key=KEY, ca_file=str(tmp_path / name))


@contextmanager
def encrypted(made: Pair) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"messages": ["m1"]}')

        def log_message(self, *arguments: Any) -> None:
            pass

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust us hangs up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
