"""Ports of this machine that a process which is started later, or started again, is to listen on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_kept = ExitStack()


@contextmanager
def kept_port() -> Iterator[int]:
    """A port of loopback that the system gives to nobody else until the block ends: a socket is bound to it and does
    not listen. Whoever asks for this very port with SO_REUSEADDR, as servers do, gets it."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield int(keeper.getsockname()[1])


def free_port() -> int:
    """One that is kept until this process ends."""
    return _kept.enter_context(kept_port())
