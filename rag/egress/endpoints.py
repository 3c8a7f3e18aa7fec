"""What may be reached beyond this process: hosts with ports, read from the allow-list and the configured servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

HTTPS: Final = 443
_USUAL: Final = {"http": 80, "https": HTTPS, "ldap": 389, "ldaps": 636}
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!\d+\.?$){_LABEL}\.?", re.IGNORECASE)
_FORM: Final = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^:\[\]]+))(?::(?P<port>\d{1,5}))?")


class Endpoint(NamedTuple):
    """A host, in small letters, and the TCP port; without one Python code may use any, native code only 443."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def endpoint(text: str) -> Endpoint:
    """An entry of the allow-list: ``host``, ``host:port``, an address, ``[address]:port``.

    Raises:
        ValueError: it is none of these; wildcards, networks and whole URLs are none.
    """
    if _is_address(text):
        return Endpoint(str(ipaddress.ip_address(text)))
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(text)
    host, port = found["bracketed"] or found["plain"], found["port"]
    if found["bracketed"] and not _is_address(host):
        raise ValueError(text)
    if not _is_address(host) and not _NAME.fullmatch(host):
        raise ValueError(text)
    if port is not None and not 0 < int(port) < 1 << 16:
        raise ValueError(text)
    return Endpoint(host.lower().rstrip("."), int(port) if port else None)


def of_url(url: str) -> Endpoint:
    """Where an address (http, https, ldap, ldaps) leads.

    Raises:
        ValueError: it names no host.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(url)
    return Endpoint(parts.hostname.lower(), parts.port or _USUAL.get(parts.scheme, HTTPS))


def endpoints(*, allow: Iterable[str], servers: Iterable[str]) -> tuple[Endpoint, ...]:
    """Everything that may be reached, each once, in that order."""
    return tuple(dict.fromkeys([*map(endpoint, allow), *map(of_url, servers)]))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
