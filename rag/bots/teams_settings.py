"""`[bots.teams]`, checked: what the bot needs before it starts, with the secret read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rag.bots.teams_token import is_object_id
from rag.egress.endpoints import endpoint
from rag.errors import SettingsError
from rag.secret_files import secret
from rag.settings.bots import TeamsSettings

_HTTPS: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Settings that can be worked with. `hosts` are names; `listen` is host and port."""

    tenant: str
    app_id: str
    secret: str = field(repr=False)
    hosts: tuple[str, ...]
    listen: tuple[str, int]


def checked(settings: TeamsSettings) -> Checked:
    """The settings, or the first thing that is wrong with them.

    Raises:
        SettingsError
    """
    for key, value, where in (
        ("tenant", settings.tenant, "Entra admin center, Overview: Tenant ID"),
        ("app_id", settings.app_id, "the bot's app registration: Application (client) ID"),
    ):
        if not is_object_id(value):
            raise SettingsError(
                f"bots.teams.{key} must be an id such as 11111111-2222-3333-4444-555555555555; it stands in {where}.",
                key=f"bots.teams.{key}",
            )
    found = secret(settings.client_secret_file, key="bots.teams.client_secret_file")
    if not found:
        raise SettingsError(
            "bots.teams.client_secret_file must name a file with the registration's client secret in it.",
            key="bots.teams.client_secret_file",
        )
    return Checked(
        tenant=settings.tenant.lower(),
        app_id=settings.app_id.lower(),
        secret=found,
        hosts=_hosts(settings.service_hosts),
        listen=_listen(settings.listen),
    )


def _hosts(listed: tuple[str, ...]) -> tuple[str, ...]:
    places = [endpoint(one) for one in listed]
    if not places or any(place.port not in (None, _HTTPS) for place in places):
        raise SettingsError(
            "bots.teams.service_hosts must name at least one host; Teams is reached by port 443 and no other.",
            key="bots.teams.service_hosts",
        )
    return tuple(dict.fromkeys(place.host for place in places))


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    name = host.removeprefix("[").removesuffix("]")
    if not name or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(
            "bots.teams.listen must be an address of this machine and a port, such as 127.0.0.1:8091.",
            key="bots.teams.listen",
        )
    return name, int(port)
