"""A stream nobody wants any more ends at its source, even where the source has much left to read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from rag.models.streaming import Limits, Wire, generate
from rag.ports import Delta


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
