"""Microsoft's library, held so that it does what it is told here and nothing that an environment or a file says.

It reads a file ``.env`` of the directory it is started in, takes secrets and addresses from the environment, opens a
web server of its own on every interface, and writes what it could not read, words of people among it, to its log.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

import httpx
from microsoft_teams.api.auth.cloud_environment import PUBLIC
from microsoft_teams.api.auth.json_web_token import JsonWebToken
from microsoft_teams.api.clients.api_client import ApiClient
from microsoft_teams.common.http.client import Client as TeamsClient

from rag.bots.teams_credential import Credential
from rag.bots.teams_gate import PATH, Answer

if TYPE_CHECKING:
    from microsoft_teams.apps.app import App

_NOT_OURS: Final = "https://smba.trafficmanager.net/teams"
"""An address the library wants to have; everything is sent to that of the conversation."""


class _Provider:
    """Gives the library our token, for whatever it asks."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def get_app_token(self, scope: str, tenant_id: str | None) -> Awaitable[str]:
        return self._credential.token()


class _NoServer:
    """Stands where the library would open a server: requests come through the gate."""

    def register_route(self, method: Any, path: str, handler: Any) -> None:
        return

    def serve_static(self, path: str, directory: str) -> None:
        return

    async def start(self, port: int) -> None:
        raise NotImplementedError  # the library must never open a port of its own: `teams_gate` is the door

    async def stop(self) -> None:
        return


def client_of(http: httpx.AsyncClient) -> TeamsClient:
    """The library's client over a way out of ours."""
    level = logging.getLogger("httpx").level
    client = TeamsClient()  # which would have httpx write every address
    logging.getLogger("httpx").setLevel(level)
    client.http = http
    return client


def api_of(http: httpx.AsyncClient, credential: Credential) -> ApiClient:
    """The library's connector client: ours is the way, ours the token."""
    # It makes one of its own deprecated clients whenever it makes any.
    warnings.filterwarnings("ignore", message="The bot client is deprecated", category=DeprecationWarning)
    return ApiClient(_NOT_OURS, client_of(http), cloud=PUBLIC, token_provider=_Provider(credential))


def app_of(http: httpx.AsyncClient, credential: Credential, *, app_id: str, tenant: str) -> App:
    """The library's application, for routing what the gate has let in."""
    logging.getLogger("microsoft_teams").setLevel(logging.CRITICAL)
    before = dict(os.environ)
    with warnings.catch_warnings():  # it warns of parts of its own that are in preview, and are not used here
        warnings.simplefilter("ignore")
        from microsoft_teams.apps.app import App
    for name in set(os.environ) - set(before):  # what a file .env put there
        del os.environ[name]
    app = App(
        client_id=app_id,
        tenant_id=tenant,
        token=_Provider(credential),
        client=client_of(http),
        cloud=PUBLIC,
        service_url=_NOT_OURS,
        messaging_endpoint=PATH,
        http_server_adapter=_NoServer(),
        dangerously_allow_unauthenticated_requests=False,
        fetch_user_token=False,
        telemetry={"agent365": False},
    )
    app.http_client.http = http
    app.api.http.http = http
    return app


async def routed(app: App, activity: dict[str, Any], token: str) -> Answer:
    """What the library's handlers answer to an activity that was checked.

    Raises:
        Exception: whatever a handler raised, or the activity cannot be read.
    """
    from microsoft_teams.apps.events.types import ActivityEvent, CoreActivity

    if app.server.on_request is None:
        raise RuntimeError("the library's application was not begun")
    event = ActivityEvent(body=CoreActivity.model_validate(activity), token=JsonWebToken(token))
    response = await app.server.on_request(event)
    body = response.body
    return Answer(
        status=response.status,
        body=None if body is None else body.model_dump(by_alias=True, exclude_none=True, mode="json"),
    )
