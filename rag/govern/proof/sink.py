"""Where everything ends that would leave: packets are counted and named, questions for names answered and kept.

All routes of the namespace lead to its loopback, so a packet socket there sees every packet, to any port, by whatever
program, native or not. A name server that knows every name, and listeners that take a connection, keep what leaves
going until it has said whom it wanted.
"""

from __future__ import annotations

import collections
import ipaddress
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Final

NAME_SERVER: Final = "203.0.113.53"
"""An address of the documentation's range: whoever asks it has left this machine."""

_ALL, _OUTGOING, _STATISTICS, _PACKET_LEVEL = 0x0003, 4, 6, 263
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP6 = 6, 17, 58
_SYN, _ACK = 0x02, 0x10
LISTENED: Final = (53, 80, 443, 853, 3128, 8080)
"""Where the sink itself listens."""
_SNAP_BYTES: Final = 256
_BUFFER_BYTES: Final = 32 << 20
_NEIGHBOURS: Final = range(130, 144)
"""ICMPv6 of the kernel itself, about its neighbours."""
_NAME: Final = re.compile(rb"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)


class Sink:
    """Catches from `start` until `close`. `contacts` counts packets by where they went, `inside` new connections and
    datagrams to this machine by port, `names` what was asked of a name server, `said` what listeners were told.

    Raises:
        OSError: packets cannot be seen here.
    """

    def __init__(self) -> None:
        self.contacts: collections.Counter[str] = collections.Counter()
        self.inside: collections.Counter[str] = collections.Counter()
        self.names: list[str] = []
        self.said: list[str] = []
        self.packets_inside = 0
        self._given: dict[str, str] = {}
        self._ending = False
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        self._packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._packets.settimeout(0.1)
        self._ready = selectors.DefaultSelector()
        self._serve_names()
        for port in LISTENED:
            self._listen(port)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._capture, self._answer)]

    def start(self) -> None:
        """See everything from now on."""
        for thread in self._threads:
            thread.start()

    def close(self) -> int:
        """Stop; gives the number of packets that were missed."""
        self._ending = True
        for thread in self._threads:
            thread.join()
        _, missed = struct.unpack("II", self._packets.getsockopt(_PACKET_LEVEL, _STATISTICS, 8))
        self._packets.close()
        return int(missed)

    def saw_name(self, name: str, *, patience_s: float) -> bool:
        """Whether that name was asked for, or is within that time."""
        return _within(lambda: name in self.names, patience_s)

    def saw_contact(self, what: str, *, patience_s: float) -> bool:
        """Whether such a packet came, or does within that time."""
        return _within(lambda: self.contacts[what] > 0, patience_s)

    def _capture(self) -> None:
        while not self._ending:
            try:
                frame, (_, kind, direction, *_) = self._packets.recvfrom(_SNAP_BYTES)
            except TimeoutError:
                continue
            if direction == _OUTGOING:  # each is seen twice on a loopback: going out and coming in
                self._note(kind, frame[14:])

    def _note(self, kind: int, packet: bytes) -> None:
        found = _parsed(kind, packet)
        if found is None:
            self.contacts[f"packet of kind {kind:#06x}"] += 1
            return
        target, protocol, body = found
        port = struct.unpack_from("!H", body, 2)[0] if protocol in (_TCP, _UDP) and len(body) >= 4 else 0
        first = protocol != _TCP or (len(body) > 13 and body[13] & (_SYN | _ACK) == _SYN)
        what = {_TCP: "TCP", _UDP: "UDP"}.get(protocol, f"protocol {protocol}")
        if target.is_loopback:
            self.packets_inside += 1
            if first:
                self.inside[f"{what} {port}"] += 1
        elif not (protocol == _ICMP6 and body and body[0] in _NEIGHBOURS):
            name = self._given.get(str(target), "")
            self.contacts[
                f"{what} {target}" + (f" ({name})" if name else "") + (f", port {port}" if first else "")
            ] += 1

    def _serve_names(self) -> None:
        server = socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        if server.family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("", 53))
        self._ready.register(server, selectors.EVENT_READ, self._name)

    def _listen(self, port: int) -> None:
        server = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        self._ready.register(server, selectors.EVENT_READ, self._take)

    def _answer(self) -> None:
        while not self._ending:
            for key, _ in self._ready.select(0.1):
                key.data(key.fileobj)

    def _name(self, server: socket.socket) -> None:
        question, who = server.recvfrom(1500)
        labels, at = [], 12
        while at < len(question) and question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace"))
            at += 1 + question[at]
        self.names.append(".".join(labels))
        (kind,) = struct.unpack_from("!H", question, at + 1) if len(question) >= at + 5 else (0,)
        head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if kind == 1 else 0, 0, 0)
        address = self._address_of(".".join(labels))
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) if kind == 1 else b""
        server.sendto(head + question[12 : at + 5] + record, who)

    def _address_of(self, name: str) -> str:
        """An address of its own for each name, so that a connection to it is told by the name."""
        for address, given in self._given.items():
            if given == name:
                return address
        address = str(ipaddress.ip_address("198.18.0.1") + len(self._given))
        self._given[address] = name
        return address

    def _take(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.settimeout(0.3)
        with connection:
            try:
                told = connection.recv(4096)
            except OSError:
                told = b""
        names = [name.decode() for name in _NAME.findall(told)]
        self.said.append(f"port {server.getsockname()[1]}: {', '.join(names[:3]) or f'{len(told)} bytes'}")


def _within(seen: Callable[[], bool], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while not seen() and time.monotonic() < until:
        time.sleep(0.02)
    return seen()


def _parsed(kind: int, packet: bytes) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int, bytes] | None:
    """Target, protocol and what it carries."""
    if kind == _IPV4 and len(packet) >= 20:
        return ipaddress.IPv4Address(packet[16:20]), packet[9], packet[(packet[0] & 15) * 4 :]
    if kind == _IPV6 and len(packet) >= 40:
        protocol, body = packet[6], packet[40:]
        while protocol in (0, 43, 60) and len(body) >= 8:  # headers between
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
        return ipaddress.IPv6Address(packet[24:40]), protocol, body
    return None
