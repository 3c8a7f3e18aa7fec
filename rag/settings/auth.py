"""The part of rag.toml that says who may ask from beyond this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

from rag.settings.option import option
from rag.settings.sign_in import LdapSettings, OidcSettings, ldap_problems, oidc_problems

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a header's name, RFC 9110
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_TAKEN = frozenset(
    ("authorization", "cookie", "host", "origin", "forwarded", "x-forwarded-for", "x-forwarded-proto", "content-type")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """`[auth]`: who may ask. Without any of it, and without an API key, this machine alone is answered."""

    mode: str = option(
        "auto",
        "auto: a credential is needed once there is a way to have one (an API key, a proxy, sign-in); required: "
        "always; off: this machine needs none, others are not answered without",
        choices=("auto", "required", "off"),
    )
    hosts: tuple[str, ...] = option(
        (), 'names the service is called by, without port, such as "archivar.firma.de"; this machine\'s own are known'
    )
    admins: tuple[str, ...] = option(
        (), 'who sees the state of the service and confirms removals: "anna", "group:it"; they read no more for it'
    )
    suspended: tuple[str, ...] = option((), "people who are shut out, whatever they show; see also rag keys suspend")
    proxy_header: str = option(
        "", 'header in which a reverse proxy names who signed in there, such as "X-Remote-User"; empty: none'
    )
    proxy_addresses: tuple[str, ...] = option(
        (), "addresses or networks of that proxy; from anywhere else a request with the header is refused"
    )
    unencrypted_from: tuple[str, ...] = option(
        (),
        "addresses or networks from which keys are taken unencrypted all the same, as from this machine: a container's "
        "gateway, if its port is published to this machine alone",
    )
    oidc: OidcSettings = field(default_factory=OidcSettings)
    ldap: LdapSettings = field(default_factory=LdapSettings)


AUTH_TABLES: Final[dict[str, type[Any]]] = {"oidc": OidcSettings, "ldap": LdapSettings}
"""Blocks below `[auth]`, by name; the field of `AuthSettings` of that name holds it."""


def auth_problems(auth: AuthSettings) -> Mapping[str, str]:
    """Key → what is wrong with it, in words."""
    found = {
        "hosts": next((_host_problem(host) for host in auth.hosts if not _HOST.fullmatch(host)), ""),
        "admins": next((_member_problem(name) for name in auth.admins if not _is_member(name)), ""),
        "suspended": next((_person_problem(name) for name in auth.suspended if not _is_person(name)), ""),
        "proxy_addresses": next((_address_problem(one) for one in auth.proxy_addresses if not _is_network(one)), ""),
    }
    found["unencrypted_from"] = next(
        (_address_problem(one) for one in auth.unencrypted_from if not _is_network(one)), ""
    )
    header = auth.proxy_header
    if header and (not _TOKEN.fullmatch(header) or header.lower() in _TAKEN):
        found["proxy_header"] = f'"{header}" cannot be that header; write one of its own, such as "X-Remote-User"'
    elif header and not auth.proxy_addresses:
        found["proxy_header"] = "a proxy_header counts from listed addresses only: name them in proxy_addresses"
    return {key: problem for key, problem in found.items() if problem}


def problems_below(auth: AuthSettings) -> Mapping[str, Mapping[str, str]]:
    """Block below `[auth]` → key → what is wrong with it."""
    return {"oidc": oidc_problems(auth.oidc), "ldap": ldap_problems(auth.ldap)}


def _is_member(name: str) -> bool:
    return bool(name.removeprefix("group:").strip()) and not name.startswith("user:")


def _is_person(name: str) -> bool:
    return bool(name.strip()) and not name.startswith(("group:", "user:"))


def _is_network(address: str) -> bool:
    try:
        ip_network(address)
    except ValueError:
        return False
    return True


def _host_problem(host: str) -> str:
    return (
        f'"{host}" is no name to be called by; write "archivar.firma.de" or "[2001:db8::7]", without http:// and port'
    )


def _member_problem(name: str) -> str:
    return f'"{name}" is nobody; write a person\'s name such as "anna", or "group:NAME"'


def _person_problem(name: str) -> str:
    return f'"{name}" cannot be suspended; write a person\'s name such as "anna"'


def _address_problem(address: str) -> str:
    return f'"{address}" is no address or network; write "10.0.0.5" or "10.0.0.0/24", not a name'
