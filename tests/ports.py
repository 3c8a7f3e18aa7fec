"""Ports for servers that are told theirs before they start."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port of this machine that the system gives to nobody else until this process ends.

    It is bound here and never listened at: whoever asks for it by its number may have it (as servers do, with
    ``SO_REUSEADDR``), a program that takes any free one does not get it, be it between two starts of a server.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])
