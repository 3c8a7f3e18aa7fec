"""A small process of our own that looks names up for one that cannot: under lockdown no name server is asked.

It knows a fixed list of names. It is asked by a name's place in the list, one byte, and answers with addresses: whoever
asks can carry nothing out by it but which of these names it wants. Forked before the lockdown, it is let go of every
file, may connect to name servers alone (TCP, where the kernel has Landlock; UDP is left to it), and ends with its
parent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

from rag.kernel import landlock
from rag.kernel.calls import libc, no_new_privileges
from rag.kernel.witness import let_go

_DEATH_SIGNAL: Final = 1
_DNS: Final = 53
_MOST: Final = 256
_REPLY_BYTES: Final = 1 << 16
_PATIENCE_S: Final = 10.0


class Lookups:
    """Forks it; before any thread starts. Thread-safe.

    Raises:
        ValueError: there are more names than one byte tells apart.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) > _MOST:
            raise ValueError(f"{len(names)} names, and at most {_MOST} can be told apart")
        self._numbers = {name: number for number, name in enumerate(names)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            _live(theirs, tuple(names))
        theirs.close()
        ours.settimeout(_PATIENCE_S)
        self._channel, self._lock = ours, threading.Lock()

    def ask(self, name: str) -> tuple[str, ...]:
        """The name's addresses now; none where it is not listed, is not found, or nobody answers."""
        number = self._numbers.get(name)
        if number is None:
            return ()
        with self._lock, suppress(OSError, ValueError):
            self._channel.send(bytes([number]))
            found = json.loads(self._channel.recv(_REPLY_BYTES))
            while found["number"] != number:  # the answer to one that was not waited for
                found = json.loads(self._channel.recv(_REPLY_BYTES))
            return tuple(found["addresses"])
        return ()

    def dismiss(self) -> None:
        """End it."""
        self._channel.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _live(channel: socket.socket, names: Sequence[str]) -> NoReturn:
    """Its whole life. It must never return into the program it was forked from."""
    try:
        libc().prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number_, signal.SIG_IGN)
        let_go(channel.fileno())
        _only_name_servers()
        while asked := channel.recv(1):
            addresses = _addresses(names[asked[0]]) if asked[0] < len(names) else ()
            channel.send(json.dumps({"number": asked[0], "addresses": addresses}).encode()[:_REPLY_BYTES])
    finally:
        os._exit(0)


def _only_name_servers() -> None:
    with suppress(OSError):
        if landlock.abi() < landlock.PORTS_ABI:
            return
        no_new_privileges()
        with landlock.Ruleset(ports=landlock.CONNECT_TCP | landlock.BIND_TCP) as rules:
            rules.grant_port(_DNS, landlock.CONNECT_TCP)
            rules.enforce()


def _addresses(name: str) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(name, None)))
    except (OSError, UnicodeError):
        return ()
