"""Slack's Web API: the one place that calls it.

slack-bolt brings a client of its own; it is not used, because it takes a proxy from the environment and goes where that
points. Calls go by httpx to one address, follow nothing, and say in our words how they ended.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable

API: Final = "https://slack.com/api/"

_TIMEOUT: Final = httpx.Timeout(10, connect=5)
_PAGE: Final = 200
_WAIT_S: Final = 30.0
_MOST_WAIT_S: Final = 3600.0
_LATER: Final = frozenset(
    "accesslimited fatal_error internal_error request_timeout service_unavailable team_added_to_org".split()
)
_BUSY: Final = frozenset("ratelimited rate_limited message_limit_exceeded".split())
_CREDENTIALS: Final = frozenset(
    "account_inactive invalid_auth not_allowed_token_type not_authed token_expired token_revoked "
    "two_factor_setup_required enterprise_is_restricted ekm_access_denied".split()
)


class SlackRefused(PlatformRefused):
    """Slack's no, with its word for the reason: ``channel_not_found``."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class SlackApi:
    """Calls with the bot's token. Connections are opened at the first call, and closed by `close`."""

    def __init__(self, *, token: str, api: str = API) -> None:
        self._token = token
        self._api = api
        self._http: httpx.AsyncClient | None = None

    async def call(self, method: str, /, **arguments: object) -> Mapping[str, Any]:
        """What Slack answers to ``chat.postMessage`` and its like. Arguments that are None are left out.

        The granted scopes come with every answer, as ``scopes``, where Slack names them.

        Raises:
            PlatformBusy: too many calls; says when there may be more.
            PlatformUnreachable: no answer, or Slack has trouble. Whether the call was done is not known.
            SlackRefused: Slack said no, and will again.
        """
        form = {key: _value(value) for key, value in arguments.items() if value is not None}
        return await self._post(method, form, token=self._token)

    async def connection(self, app_token: str) -> str:
        """The address of a new Socket Mode connection. Raises as `call`."""
        answer = await self._post("apps.connections.open", {}, token=app_token)
        return str(answer.get("url") or "")

    async def _post(self, method: str, form: Mapping[str, str], *, token: str) -> Mapping[str, Any]:
        if self._http is None:
            self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_TIMEOUT)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = await self._http.post(self._api + method, data=form, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PlatformUnreachable(f"Slack does not answer ({type(error).__name__}, {method}).") from error
        return _answer(response, method)

    async def pages(self, method: str, key: str, /, **arguments: object) -> AsyncIterator[list[Any]]:
        """Each page of a list that Slack gives in pages, the list that stands under `key`."""
        cursor: str | None = None
        while True:
            page = await self.call(method, limit=_PAGE, cursor=cursor, **arguments)
            rows = page.get(key)
            yield rows if isinstance(rows, list) else []
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


def _answer(response: httpx.Response, method: str) -> Mapping[str, Any]:
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise PlatformBusy(f"Slack takes no more calls for a while ({method}).", retry_after_s=_retry_after(response))
    try:
        content = response.json() if response.status_code == httpx.codes.OK else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise PlatformUnreachable(f"Slack answers with status {response.status_code} and nothing of use ({method}).")
    if content.get("ok") is True:
        return {**content, "scopes": response.headers.get("x-oauth-scopes", "")}
    code = str(content.get("error") or "unknown")[:80]
    if code in _BUSY:
        raise PlatformBusy(f"Slack takes no more calls for a while ({method}).", retry_after_s=_retry_after(response))
    if code in _LATER:
        raise PlatformUnreachable(f"Slack has trouble of its own ({code}, {method}).")
    raise SlackRefused(_reason(code, method, str(content.get("needed") or "")), code=code)


def _reason(code: str, method: str, needed: str) -> str:
    if code == "missing_scope":
        return (
            f"The app lacks the scope {needed or '?'} for {method}. Take the manifest of `rag bot slack manifest` over "
            f"into the app's settings and install the app anew."
        )
    if code in _CREDENTIALS:
        return (
            f"Slack does not take the token ({code}, {method}). Copy it anew from the app's settings into the file "
            f"that rag.toml names under [bots.slack]."
        )
    return f"Slack says no: {code} ({method})."


def _retry_after(response: httpx.Response) -> float:
    """Slack's own word in seconds; half a minute where it gives none."""
    try:
        asked = float(response.headers.get("retry-after", _WAIT_S))
    except ValueError:
        return _WAIT_S
    return min(max(asked, 1.0), _MOST_WAIT_S) if asked == asked else _WAIT_S


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
