"""The witness: a small process of our own that a filter asks, so that what the kernel stops is counted and named.

A filter cannot count. So it asks (seccomp's user notification): a process forked beforehand, outside the filter, is
told of each call that is to be refused, writes it down in memory both share, and refuses it. Of `connect` it is told as
well; there it only reads the address, and the kernel's own rules decide. If the witness is gone, the asking calls fail:
nothing is opened by its end. It ends with its parent.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import mmap
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NoReturn

from rag.kernel.calls import libc, number

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_GO_ON: Final = 1  # let the kernel carry on with the call
_EPERM: Final = 1
_SET_PTRACER: Final = 0x59616D61
_DEATH_SIGNAL: Final = 1
_PAGE_BYTES: Final = 8192
_KEPT: Final = 10
_TYPES: Final = {1: "TCP", 2: "UDP", 3: "raw"}
_FAMILIES: Final = {16: "netlink", 17: "packet", 38: "crypto", 40: "vsock"}


class Page:
    """Memory that parent and witness share: one JSON object, written by one, read by the other."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PAGE_BYTES)

    def write(self, value: dict[str, Any]) -> None:
        """Replace what stands there."""
        content = json.dumps(value).encode()[: _PAGE_BYTES - 12]
        (turn,) = struct.unpack_from("Q", self._memory)
        struct.pack_into("Q", self._memory, 0, turn + 1)
        struct.pack_into("I", self._memory, 8, len(content))
        self._memory[12 : 12 + len(content)] = content
        struct.pack_into("Q", self._memory, 0, turn + 2)

    def read(self) -> dict[str, Any]:
        """What stands there; empty where nothing was written yet."""
        for _ in range(100):
            (before,) = struct.unpack_from("Q", self._memory)
            (length,) = struct.unpack_from("I", self._memory, 8)
            content = self._memory[12 : 12 + length]
            if before % 2 == 0 and struct.unpack_from("Q", self._memory)[0] == before:
                found: dict[str, Any] = json.loads(content) if content else {}
                return found
            time.sleep(0.001)
        return {}


class Witness:
    """Forks the witness; then install a filter with a listener, and `listen` to it. Fork it before any thread starts.

    `ports` are those a TCP connection may go to: another one is counted as stopped.
    """

    def __init__(self, ports: Collection[int]) -> None:
        self._page = Page()
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _live(theirs, self._page, frozenset(ports))
        theirs.close()
        self._channel = ours
        libc().prctl(_SET_PTRACER, self.pid, 0, 0, 0)  # where Yama asks for it; no matter if not

    def listen(self, descriptor: int) -> None:
        """Hand the filter's descriptor over; only the witness holds it from now on."""
        socket.send_fds(self._channel, [b"."], [descriptor])
        os.close(descriptor)
        self._channel.close()

    def dismiss(self) -> None:
        """End it: there is no filter to listen to."""
        self._channel.close()
        os.waitpid(self.pid, 0)

    def alive(self) -> bool:
        """Whether it still answers; if not, nothing more can be connected until the process starts again."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False

    def stopped(self) -> tuple[int, list[str]]:
        """Attempts stopped so far, and the last of them in words, oldest first."""
        seen = self._page.read()
        return int(seen.get("stopped", 0)), list(seen.get("last", []))


def _live(channel: socket.socket, page: Page, ports: frozenset[int]) -> NoReturn:
    """The witness's whole life. It must never return into the program it was forked from."""
    try:
        libc().prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number_, signal.SIG_IGN)
        let_go(channel.fileno())
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if descriptors:
            channel.close()
            _watch(descriptors[0], page, ports)
    finally:
        os._exit(0)


def let_go(kept: int) -> None:
    """Hold nothing open that belongs to the parent: a pipe's reader waits for its last writer."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are numbers
        if int(entry) > 2 and int(entry) != kept:
            try:
                os.close(int(entry))
            except OSError:
                continue


def _watch(listener: int, page: Page, ports: frozenset[int]) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    stopped, connect = 0, number("connect")
    last: list[str] = []
    while True:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            return  # nobody is left under the filter
        notice = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice, True)
        except OSError:
            continue  # whoever asked has gone
        identity, pid, _, call, _, _, *arguments = struct.unpack("QIIiIQ6Q", notice)
        what = _destination(pid, arguments, ports) if call == connect else _socket(call, arguments)
        if what:
            stopped += 1
            last = [*last, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what} ({_program(pid)}, pid {pid})"][-_KEPT:]
            page.write({"stopped": stopped, "last": last})
        answer = (0, _GO_ON) if call == connect else (-_EPERM, 0)
        try:
            fcntl.ioctl(listener, _SEND, bytearray(struct.pack("QqiI", identity, 0, *answer)), True)
        except OSError:
            continue


def _socket(call: int, arguments: list[int]) -> str:
    if call != number("socket"):
        return "a connection by sending"
    family = arguments[0] & 0xFFFFFFFF
    if family in (socket.AF_INET, socket.AF_INET6):
        kind = _TYPES.get(arguments[1] & 0xF, "another")
        return f"{kind} socket" if kind != "TCP" else f"stream socket of protocol {arguments[2] & 0xFFFFFFFF}"
    return f"{_FAMILIES.get(family, f'family {family}')} socket"


def _destination(pid: int, arguments: list[int], ports: frozenset[int]) -> str:
    """Where a `connect` wants to go, if it is stopped; "" if it may, or goes to a local socket."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(arguments[1])
            address = memory.read(min(arguments[2], 28))
        (family,) = struct.unpack_from("=H", address)
        if family not in (socket.AF_INET, socket.AF_INET6):
            return ""
        (port,) = struct.unpack_from("!H", address, 2)
        host = ipaddress.ip_address(address[4:8] if family == socket.AF_INET else address[8:24])
    except (OSError, OverflowError, ValueError, struct.error):
        return ""
    return "" if port in ports else f"connection to {host}, port {port}"


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"
