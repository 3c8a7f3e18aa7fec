"""How a request came: from which machine, encrypted or not, through which proxy. Pure.

What a proxy says counts from listed addresses only. The connection itself is what the server saw: uvicorn's own reading
of X-Forwarded-* is off (`rag.cli.serve`), since it would let anybody on this machine say where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`client` is the address furthest from us that can be believed, "" where there is none. `secure`: encrypted from
    there to here, by us or by a listed proxy. `local`: from this machine, with nobody else behind it. `listed`: the
    connection is a listed proxy's; `forwarded`: somebody else's request was passed on, by whatever proxy."""

    client: str
    secure: bool
    local: bool
    listed: bool
    forwarded: bool


class Proxies:
    """The listed reverse proxies, as addresses and networks."""

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(one) for one in addresses)

    def __contains__(self, address: Address | None) -> bool:
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def way(self, scope: Scope) -> Way:
        """The way of one request."""
        headers = Headers(scope=scope)
        peer = numeric(scope["client"][0] if scope.get("client") else "")
        listed = peer in self
        forwarded = any(name in headers for name in _FORWARDING)
        if listed and forwarded:
            client = self._behind(headers, peer)
            return Way(client=_said(client), secure=_told_https(headers), local=False, listed=True, forwarded=True)
        local = peer is not None and peer.is_loopback and not forwarded
        secure = scope.get("scheme") == "https"
        return Way(client=_said(peer), secure=secure, local=local, listed=listed, forwarded=forwarded)

    def _behind(self, headers: Headers, peer: Address | None) -> Address | None:
        """The last address that a listed proxy wrote down and that is none of theirs: what stands before it was sent
        along, and may be made up."""
        last = peer
        for hop in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
            found = numeric(hop.strip())
            if found is None:
                return last
            last = found
            if found not in self:
                return last
        return last


def numeric(host: str) -> Address | None:
    """A numeric address, an IPv4 one written as IPv6 as what it is; None for anything else."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this machine's own."""
    address = numeric(host)
    return address is not None and address.is_loopback


def _told_https(headers: Headers) -> bool:
    """Whether a listed proxy was reached by https on every hop it tells of."""
    hops = [hop.strip().lower() for hop in ",".join(headers.getlist("x-forwarded-proto")).split(",")]
    return all(hop == "https" for hop in hops)


def _said(address: Address | None) -> str:
    return "" if address is None else str(address)
