"""Host names under lockdown: looked up once, before, because asking a name server takes UDP, and UDP is closed.

A name server is also a way out (a question can carry a secret), so it is not merely a nuisance that it is closed. A
listed host that moves to another address is found again after a restart; or, for a process that has to live with hosts
that move every day, as those of a cloud do, by `rag.kernel.lookups`, which knows the listed names and no others.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_log = logging.getLogger(__name__)

HERE: Final = {"localhost": ("127.0.0.1", "::1")}
"""Names that every machine answers for itself."""


def looked_up(hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Host → its addresses, none where it is not found; addresses stand for themselves and are left out."""
    found: dict[str, tuple[str, ...]] = dict(HERE)
    for host in hosts:
        if host not in found and not _is_address(host):
            found[host] = _addresses(host)
    return found


def answer_from(table: Mapping[str, tuple[str, ...]], *, fresh: Callable[[str], tuple[str, ...]] | None = None) -> None:
    """From now on `socket.getaddrinfo` answers these names by itself. Others go on to the system, and are stopped.
    `fresh` gives a name's addresses as they are now, or none where it cannot tell."""
    ask_system = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> list[Any]:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not isinstance(name, str) or (key := name.lower().rstrip(".")) not in table:
            return ask_system(host, port, *rest, **more)
        found: list[Any] = []
        for address in (fresh(key) if fresh is not None else ()) or table[key]:
            try:
                found += ask_system(address, port, *rest, **more)
            except socket.gaierror:
                continue  # of the other family than was asked for
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} was not found when this process started")
        return found

    socket.getaddrinfo = getaddrinfo


def _addresses(host: str) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None)))
    except (OSError, UnicodeError):
        _log.error("A listed host was not found", extra={"action": "host_not_found", "host": host})
        return ()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
