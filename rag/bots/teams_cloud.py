"""Where Microsoft's cloud is, and the one way to it: only to hosts that are listed, never by a proxy or a redirect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from rag.bots.adapter import PlatformRefused

_TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsCloud:
    """The addresses that do not come with an activity. `issuer` is who signs what reaches the bot."""

    issuer: str = "https://api.botframework.com"
    keys: str = "https://login.botframework.com/v1/.well-known/keys"
    tokens: str = "https://login.microsoftonline.com"
    scope: str = "https://api.botframework.com/.default"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts that keys and tokens come from."""
        return tuple(str(urlsplit(address).hostname) for address in (self.keys, self.tokens))


def is_admitted(address: object, hosts: Iterable[str]) -> bool:
    """Whether this is a plain https address of one of the hosts."""
    if (
        not isinstance(address, str)
        or not address.isascii()
        or not address.isprintable()
        or set(address) & set("\\@?# ")
    ):
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    listed = {host.lower() for host in hosts}
    return parts.scheme == "https" and port in (None, _HTTPS) and parts.hostname in listed and ".." not in parts.path


class Fence(httpx.AsyncBaseTransport):
    """A transport that refuses every host but the listed ones, before a name is looked up."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, hosts: Iterable[str]) -> None:
        self._inner, self._hosts = inner, tuple(hosts)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on, or raise `PlatformRefused`."""
        origin = request.url.copy_with(raw_path=b"/")
        if not is_admitted(str(origin), self._hosts):
            raise PlatformRefused(
                f"The bot may not connect to {request.url.host}. If Microsoft has moved the service there, add the "
                f"host to bots.teams.service_hosts."
            )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is behind."""
        await self._inner.aclose()


def way_out(*, hosts: Iterable[str], transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client for these hosts alone. `transport` is what the bytes go through; none: the network."""
    inner = transport or httpx.AsyncHTTPTransport(trust_env=False, retries=0)
    return httpx.AsyncClient(
        transport=Fence(inner, hosts=hosts), trust_env=False, follow_redirects=False, timeout=_TIMEOUT
    )
