"""The bot's own token: what it shows to Microsoft when it posts. Asked for with the registration's secret, and kept.

The library's own way goes through `requests`, which follows redirects and the environment's proxies; it takes a token
from whoever gives it one, and this gives it one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable
from rag.bots.teams_cloud import TeamsCloud

_EARLY_S: Final = 300.0
"""A token is renewed so long before it ends."""
_MOST_BYTES: Final = 64 * 1024


class Credential:
    """The token of one registration in one tenant. For one event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        cloud: TeamsCloud,
        *,
        tenant: str,
        app_id: str,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._clock = client, clock
        self._address = f"{cloud.tokens.rstrip('/')}/{tenant}/oauth2/v2.0/token"
        self._form = {
            "grant_type": "client_credentials",
            "client_id": app_id,
            "client_secret": secret,
            "scope": cloud.scope,
        }
        self._token, self._until = "", float("-inf")
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good for a while.

        Raises:
            PlatformRefused: the registration, its secret or its tenant is not right.
            PlatformBusy, PlatformUnreachable
        """
        async with self._asking:
            if self._clock() >= self._until:
                await self._renew()
            return self._token

    def forget(self) -> None:
        """The token was not taken: ask for another one next time."""
        self._until = float("-inf")

    async def _renew(self) -> None:
        try:
            response = await self._client.post(self._address, data=self._form)
        except (httpx.HTTPError, OSError) as error:
            raise PlatformUnreachable(
                "Microsoft's sign-in does not answer. See that the bot may reach login.microsoftonline.com:443."
            ) from error
        said = _read(response.content[:_MOST_BYTES])
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise PlatformBusy("Microsoft's sign-in takes no more for a while.", retry_after_s=30.0)
        if 400 <= response.status_code < 500:
            raise PlatformRefused(_refusal(said))
        token, lasts_s = said.get("access_token"), said.get("expires_in")
        if response.status_code != httpx.codes.OK or not isinstance(token, str) or not isinstance(lasts_s, int):
            raise PlatformUnreachable(f"Microsoft's sign-in answers HTTP {response.status_code}, and no token.")
        self._token, self._until = token, self._clock() + max(lasts_s - _EARLY_S, lasts_s / 2)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


_NEXT: Final = {
    7000215: "The secret is not this registration's. Make a new one and write its value, not its id, into the file.",
    7000222: "The secret has ended. Make a new one in the registration and write its value into the file.",
    700016: "The tenant knows no registration of this id. Look at bots.teams.app_id and bots.teams.tenant.",
    90002: "There is no such tenant. Look at bots.teams.tenant.",
}


def _refusal(said: Mapping[str, Any]) -> str:
    codes = said.get("error_codes")
    known = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    number = f" (AADSTS{known[0]})" if known else ""
    advice = next((_NEXT[code] for code in known if code in _NEXT), "")
    return (
        f"Microsoft's sign-in refuses the bot's registration{number}. "
        f"{advice or 'Look at bots.teams.tenant, bots.teams.app_id and the file bots.teams.client_secret_file names.'}"
    )
