"""The positive control: attempts made on purpose, from Python and from native code, that the sink must catch.

A sink that sees nothing proves nothing: it is tried before the stack runs and after it has run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from rag.govern.proof.sink import Sink

_PATIENCE_S: Final = 5.0
_DOMAIN: Final = "control.archivar.example"
_PYTHON: Final = """
import socket, sys
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
for attempt in (lambda: socket.getaddrinfo(name, 80), lambda: socket.create_connection((address, port), 2)):
    try:
        attempt()
    except OSError:
        pass
"""
_NATIVE: Final = """
import ctypes, struct, sys
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc, found = ctypes.CDLL(None), ctypes.c_void_p()
libc.getaddrinfo(name.encode(), b"80", None, ctypes.byref(found))
where = struct.pack("=H", 2) + struct.pack("!H", port) + bytes(map(int, address.split("."))) + bytes(8)
libc.connect(libc.socket(2, 1, 0), where, len(where))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One attempt and whether it was caught."""

    what: str
    by: str
    when: str
    caught: bool

    def as_json(self) -> dict[str, Any]:
        """As the certificate has it."""
        return asdict(self)


def controls(sink: Sink, *, when: str, number: int) -> Iterator[Control]:
    """Try to leave in four ways; one after the other, each with a name and an address of its own."""
    for place, (by, code) in enumerate((("Python", _PYTHON), ("native code in a child", _NATIVE))):
        name = f"{'python' if by == 'Python' else 'native'}-{number}.{_DOMAIN}"
        address, port = f"192.0.2.{10 * number + place + 1}", 4431 + place
        subprocess.run(  # noqa: S603 - our own interpreter and a fixed program
            [sys.executable, "-I", "-S", "-c", code, name, address, str(port)],
            check=False, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        asked = sink.saw_name(name, patience_s=_PATIENCE_S)
        connected = sink.saw_contact(f"TCP {address}, port {port}", patience_s=_PATIENCE_S)
        yield Control(what="a connection", by=by, when=when, caught=connected)
        yield Control(what="a question for a name", by=by, when=when, caught=asked)
