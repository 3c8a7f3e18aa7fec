"""The library's client for the connector, over a way out of ours, with errors in the words of `rag.bots.adapter`."""

from __future__ import annotations

import email.utils
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
from microsoft_teams.api.clients.api_client import ApiClient
from pydantic import ValidationError

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable
from rag.bots.teams_cloud import is_admitted
from rag.bots.teams_credential import Credential

_MOST_WAIT_S: Final = 600.0
_LEAST_WAIT_S: Final = 1.0
_LATER: Final = frozenset({401, 408, 409, 412, 425, 500, 502, 503, 504})
"""What may go better another time; 401 with a new token."""


class Connector:
    """What is said to Teams goes through here, to listed hosts alone."""

    def __init__(self, api: ApiClient, *, credential: Credential, hosts: tuple[str, ...]) -> None:
        self._api, self._credential, self._hosts = api, credential, hosts

    @asynccontextmanager
    async def at(self, service: str) -> AsyncIterator[ApiClient]:
        """The connector at this address; errors that happen meanwhile are told as an adapter tells them."""
        if not is_admitted(service, self._hosts):
            raise PlatformRefused(
                "The conversation is at a host that is not listed. If it is Microsoft's, add it to "
                "bots.teams.service_hosts."
            )
        try:
            yield self._api.from_service_url(service)
        except httpx.HTTPStatusError as error:
            raise self._declined(error.response) from error
        except (httpx.HTTPError, OSError, ValidationError, ValueError, KeyError) as error:
            raise PlatformUnreachable(f"Teams does not answer as it should ({type(error).__name__}).") from error

    def _declined(self, response: httpx.Response) -> PlatformBusy | PlatformUnreachable | PlatformRefused:
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return PlatformBusy("Teams takes no more for a while.", retry_after_s=_wait_s(response))
        if status == httpx.codes.UNAUTHORIZED:
            self._credential.forget()
        if status in _LATER or status >= 500:
            return PlatformUnreachable(f"Teams could not take it (HTTP {status}).")
        return Declined(f"Teams refuses (HTTP {status}).{_NEXT.get(status, '')}", status=status, said=_said(response))


class Declined(PlatformRefused):
    """Refused by the connector; `said` is its own word, in lower case, for telling one refusal from another."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        super().__init__(message)
        self.status, self.said = status, said


_NEXT: Final = {
    403: " The app may have been removed from the conversation, or blocked; see that it is installed there.",
    404: " The message or the conversation is gone.",
    413: " The message is too long.",
}


def _wait_s(response: httpx.Response) -> float:
    """The seconds that ``Retry-After`` names, as a number or a date."""
    said = response.headers.get("retry-after", "")
    try:
        wait_s = float(said)
    except ValueError:
        wait_s = _until_s(said)
    return min(max(wait_s, _LEAST_WAIT_S), _MOST_WAIT_S) if wait_s == wait_s else _LEAST_WAIT_S


def _until_s(said: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(said).timestamp() - time.time()
    except (TypeError, ValueError):
        return 2 * _LEAST_WAIT_S


def _said(response: httpx.Response) -> str:
    try:
        error = response.json().get("error", {})
        return f"{error.get('code', '')} {error.get('message', '')}".lower()[:500]
    except (ValueError, AttributeError):
        return ""
