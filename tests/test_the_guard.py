"""The guard of the tests themselves."""

from __future__ import annotations

import socket

import pytest


def test_a_connection_beyond_this_machine_is_refused_and_remembered(reached: list[str]) -> None:
    with socket.socket() as probe, pytest.raises(OSError, match="may not reach"):
        probe.connect(("192.0.2.1", 9))
    assert reached == ["192.0.2.1"]
    reached.clear()


def test_a_connection_to_this_machine_is_not(reached: list[str]) -> None:
    with socket.socket() as listener, socket.socket() as probe:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        probe.connect(listener.getsockname())
    assert not reached
