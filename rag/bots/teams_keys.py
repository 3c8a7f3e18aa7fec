"""The keys that Microsoft signs with, from one address and no other.

The library would fetch them synchronously, through whatever proxy the environment names, and again for every key a
stranger makes up. Here they are fetched beside the event loop's work, kept, and asked for again at most so often.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from rag.bots.adapter import PlatformUnreachable

_log = logging.getLogger(__name__)

_MOST_BYTES: Final = 512 * 1024
_MOST_KEYS: Final = 100
_KEEP_S: Final = 6 * 3600.0
"""Keys are asked for again after so long: one that was withdrawn counts no longer. Microsoft asks for a day at most."""
_STALE_S: Final = 24 * 3600.0
"""How long keys are used while their address cannot be reached."""
_REST_S: Final = 30.0
"""The least time between two fetches, whatever keys strangers name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A public key as its address gives it (a JWK), and the channels it may sign for; none where it does not say."""

    jwk: Mapping[str, Any]
    channels: frozenset[str] = frozenset()


class SigningKeys:
    """The keys by their names. For one event loop."""

    def __init__(self, client: httpx.AsyncClient, address: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._address, self._clock = client, address, clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, kid: str) -> SigningKey | None:
        """The key of that name; None where there is none.

        Raises:
            PlatformUnreachable: there are no keys at all, and none can be had.
        """
        if kid not in self._keys or self._clock() - self._fetched_at >= _KEEP_S:
            async with self._fetching:
                await self._renew(kid)
        if self._clock() - self._fetched_at >= _STALE_S:
            raise PlatformUnreachable("The keys that Microsoft signs with cannot be had. The log says why.")
        return self._keys.get(kid)

    async def _renew(self, kid: str) -> None:
        now = self._clock()
        known = kid in self._keys and now - self._fetched_at < _KEEP_S  # another one has fetched them meanwhile
        if known or now - self._tried_at < _REST_S:
            return
        self._tried_at = now
        try:
            self._keys = _read(await self._fetched())
            self._fetched_at = now
        except (httpx.HTTPError, OSError, ValueError, RecursionError) as error:
            _log.warning(
                "The keys that Microsoft signs with could not be fetched",
                extra={"action": "teams_keys_failed", "kind": type(error).__name__},
            )

    async def _fetched(self) -> bytes:
        async with self._client.stream("GET", self._address, headers={"Accept": "application/json"}) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"HTTP {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise ValueError("too long")
        return bytes(body)


def _read(body: bytes) -> Mapping[str, SigningKey]:
    document = json.loads(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ValueError("no list of keys")
    usable = [one for one in listed[:_MOST_KEYS] if _is_usable(one)]
    names = [one["kid"] for one in usable]
    return {one["kid"]: _key(one) for one in usable if names.count(one["kid"]) == 1}


def _is_usable(key: object) -> bool:
    return (
        isinstance(key, dict)
        and key.get("kty") == "RSA"
        and isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") == "RS256"
    )


def _key(key: Mapping[str, Any]) -> SigningKey:
    channels = key.get("endorsements")
    named = frozenset(one for one in channels if isinstance(one, str)) if isinstance(channels, list) else frozenset()
    return SigningKey(jwk={name: key[name] for name in ("kty", "n", "e") if name in key}, channels=named)
