"""A stream nobody wants any more ends at its source, even where much of it is under way, and tells its limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from rag.errors import ModelTimeout
from rag.models.streaming import Limits, Wire, generate
from rag.ports import Delta
from tests.models.scripted_server import Exchange, ScriptedServer


def test_what_has_come_in_already_is_left_unread_once_the_stream_is_closed() -> None:
    """The connection is shut, yet what the system holds of it can be read for seconds: the server would go on."""
    ended = threading.Event()

    def source() -> Iterator[Delta]:
        try:
            while True:
                yield Delta(text="Hm ")
        finally:
            ended.set()

    with closing(generate(source, wire=Wire(), limits=Limits(), server="The server")) as deltas:
        assert next(deltas).text
        assert not ended.is_set()
    assert ended.wait(10)


def test_a_server_that_waits_for_room_to_write_is_told_at_once() -> None:
    """A connection that only ends would leave it waiting for a minute, and the model at work."""
    sent, told = [0], threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start()
        try:
            while True:
                exchange.send(["Hm" * 2000])
                sent[0] += 1
        except OSError:
            told.set()

    wire = Wire()
    with ScriptedServer({"GET /": answer}) as server:
        with (
            httpx.Client(trust_env=False, event_hooks=wire.event_hooks) as client,
            client.stream("GET", server.url) as response,
        ):
            before = -1
            while before != sent[0]:  # until there is no room left
                before = sent[0]
                time.sleep(0.2)
            wire.hang_up()
            with pytest.raises(httpx.TransportError):
                response.read()
        assert told.wait(20)


def test_a_limit_that_ran_out_on_the_connection_too_is_told_with_what_to_do() -> None:
    """The connection has the same limit: where nobody looked in time, its own error is there first."""
    broke, looks = threading.Event(), list[bool]()

    def source() -> Iterator[Delta]:
        yield Delta(text="24 ")
        broke.wait(0.3)
        broke.set()
        raise ModelTimeout("The server took too long.")

    def wanted() -> bool:
        looks.append(not looks or broke.wait(20))
        time.sleep(0.1 if len(looks) > 1 else 0)  # until it is told
        return True

    deltas = generate(source, wire=Wire(), limits=Limits(total_s=0.2), server="The server", wanted=wanted)
    with pytest.raises(ModelTimeout, match=r"not done within 0\.2 s.*allow it more time"):
        list(deltas)
