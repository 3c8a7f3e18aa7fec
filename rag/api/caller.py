"""Who is asking, and through which channel: the one resolver of the door.

Both come from the credential, never from the request's body. With no authentication configured the service answers
the machine it runs on and nobody else; API keys and OIDC tokens are further branches of `resolve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, cast

from fastapi import Depends, Request

from rag.access import LOOPBACK, Channel, Principal
from rag.api.problems import Problem, Refused
from rag.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The person a request speaks for and the way its answer takes."""

    principal: Principal
    channel: Channel


def app_of(request: Request) -> App:
    """The App this door stands on."""
    return cast(App, request.app.state.archivar)


def resolve(request: Request) -> Caller:
    """The caller of a request.

    Raises:
        Refused: the request comes from another machine and nothing says who is asking.
    """
    if request.client is None or not is_loopback(request.client.host):
        raise Refused(Problem(status=403, code="this_machine_only"))
    return Caller(principal=app_of(request).person("local"), channel=LOOPBACK)


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this machine's own."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


AppOf = Annotated[App, Depends(app_of)]
CallerOf = Annotated[Caller, Depends(resolve)]
