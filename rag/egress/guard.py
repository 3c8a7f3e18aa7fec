"""The guard in Python: an audit hook that stops what would leave, and what would start another program, and names it.

It stops and attributes accidents of Python code. It is not the proof, and no wall against code that means harm: native
code is not seen by it. The kernel's rules are (`rag.egress.lockdown`).
"""

from __future__ import annotations

import collections
import ipaddress
import logging
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rag.egress.endpoints import Endpoint, endpoint
from rag.errors import EgressDenied

_log = logging.getLogger(__name__)

_LOOK_UPS: Final = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_SENDS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROGRAMS: Final = frozenset({"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn"})
_ASKED_FOR_VERSION: Final = frozenset({"--version", "--list-langs"})
_PLAIN_SOCKETS: Final = frozenset({socket.SOCK_STREAM, socket.SOCK_DGRAM})
_KEPT: Final = 20
_DEPTH: Final = 12
_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """An attempt that was stopped: when, what, and the innermost calls that led to it, outermost first."""

    at: float
    event: str
    target: str
    stack: tuple[str, ...]

    def __str__(self) -> str:
        where = f", from {self.stack[-1]}" if self.stack else ""
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.at))} {self.event} {self.target}{where}"


class Guard:
    """Denies connections and name look-ups beyond loopback, except to listed hosts, and other programs than ours.

    Python cannot remove an audit hook, so the guard is installed once for the life of the process and can only be
    told more hosts by the code that holds it. One thing it cannot stop: a name given straight to `socket.connect` is
    looked up by the interpreter before the hook is asked; the connection is stopped, the look-up only by the kernel.
    """

    def __init__(self, allow: Iterable[str | Endpoint] = ()) -> None:
        self._ports: dict[str, set[int | None]] = {}
        for entry in allow:
            listed = entry if isinstance(entry, Endpoint) else endpoint(entry)
            self.admit(listed.host, listed.port)
        self._names = set(self._ports)
        self._busy = threading.local()
        self.denied = 0
        self.last: collections.deque[Denial] = collections.deque(maxlen=_KEPT)

    def admit(self, host: str, port: int | None) -> None:
        """A further host or address, at this port, or at any."""
        self._ports.setdefault(host.lower(), set()).add(port)

    def install(self) -> None:
        """Watch this process from now on."""
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _LOOK_UPS:
            self._look_up(event, arguments[0])
        elif event in _SENDS:
            if isinstance(arguments[1], tuple):
                self._connect(event, *arguments[1][:2])
        elif event == "socket.getnameinfo":
            self._connect(event, *arguments[0][:2])
        elif event == "socket.__new__":
            self._socket(arguments[1], arguments[2])
        elif event == "subprocess.Popen":
            if not _is_ours(arguments[0], arguments[1]):
                self._deny_program(event, arguments[1] or arguments[0])
        elif event in _PROGRAMS:
            self._deny_program(event, arguments[0])

    def _look_up(self, event: str, host: object) -> None:
        name = _text(host)
        if name.lower().rstrip(".") in self._names:
            if not self._busy.__dict__.get("now"):
                self._remember_addresses(name)
        elif not is_local(name) and name.lower() not in self._ports:
            self._deny_host(event, name)

    def _connect(self, event: str, host: object, port: object = None) -> None:
        name = _text(host)
        if is_local(name):
            return
        ports = self._ports.get(name.lower())
        if ports is None or not (None in ports or port in ports):
            self._deny_host(event, f"{name}, port {port}" if ports else name)

    def _socket(self, family: int, kind: int) -> None:
        if family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6) and (kind & 0xF) in _PLAIN_SOCKETS:
            return
        if family == -1:  # one that exists already, taken over by its descriptor
            return
        self._deny(
            "socket.__new__",
            f"family {family}, type {kind & 0xF}",
            "A socket of a kind that nothing here needs was not opened.",
        )

    def _remember_addresses(self, name: str) -> None:
        """A listed host is later connected to by address, so its addresses are admitted, and only they."""
        self._busy.now = True
        try:
            for entry in socket.getaddrinfo(name, None):
                self._ports.setdefault(str(entry[4][0]).lower(), set()).update(self._ports[name.lower().rstrip(".")])
        except OSError:
            pass  # the caller's own look-up fails the same way and says so
        finally:
            self._busy.now = False

    def _deny_host(self, event: str, name: str) -> None:
        self._deny(
            event,
            name,
            f"A connection to {name[:_TEXT]} was stopped: nothing may leave this machine except to hosts listed under "
            f"egress.allow in rag.toml.",
        )

    def _deny_program(self, event: str, command: object) -> None:
        first = command[0] if isinstance(command, list | tuple) and command else command
        name = Path(_text(first).split(" ")[0]).name
        self._deny(event, name, f"The program {name[:_TEXT]} was not started: Archivar runs no other than its own.")

    def _deny(self, event: str, target: str, sentence: str) -> None:
        denial = Denial(at=time.time(), event=event, target=target[:_TEXT], stack=_stack())
        self.denied += 1
        self.last.append(denial)
        _log.error(
            "A way out was stopped",
            extra={
                "action": "egress_denied",
                "event": event,
                "target": denial.target,
                "stack": " < ".join(reversed(denial.stack)),
            },
        )
        raise EgressDenied(sentence)


def is_local(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host in ("", "localhost", "ip6-localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return False


def _is_ours(program: object, arguments: object) -> bool:
    """Our own interpreter with a module of ours, or Tesseract asked what it is."""
    if not isinstance(arguments, list | tuple):
        return False
    words = [_text(word) for word in arguments]
    if _text(program or words[0]) == sys.executable or words[0] == sys.executable:
        after = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
        return after.split(".")[0] == "rag" and "-c" not in words[: words.index("-m")]
    return Path(words[0]).name == "tesseract" and set(words[1:]) <= _ASKED_FOR_VERSION


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes | bytearray) else str(value or "")


def _stack() -> tuple[str, ...]:
    """Who called, as ``file:line function``: no argument, so nothing of a document."""
    frames = [frame for frame in traceback.extract_stack() if frame.filename != __file__]
    return tuple(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[-_DEPTH:])


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-3:]).removeprefix("//")
