"""The part of rag.toml that says how people sign in: at an OpenID provider, and which directory knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from rag.egress import is_local
from rag.settings.option import option

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_CLAIM = re.compile(r"\S(.*\S)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """`[auth.oidc]`: sign-in at an OpenID provider of the house (Keycloak, AD FS, Entra ID …)."""

    issuer: str = option("", "the provider's issuer, exactly as it writes it; empty: no such sign-in", address=True)
    audience: str = option("", "what a bearer token must be made for; empty: no bearer tokens of the provider's")
    client_id: str = option("", "this service as the provider knows it, for browsers to sign in; empty: they cannot")
    client_secret_file: str = option("", "file that holds that client's secret; empty: the client has none")
    url: str = option(
        "", 'address browsers reach this service at, "https://archivar.firma.de"; the provider lists it', address=True
    )
    scopes: tuple[str, ...] = option(
        ("openid", "profile"), 'what is asked for at sign-in; Entra ID gives renewable sign-ins with "offline_access"'
    )
    user_claim: str = option(
        "preferred_username", "claim that holds a person's name; one that they cannot change themselves"
    )
    domain: str = option("", 'what is cut off behind the @ of such a name: "firma.de" makes anna@firma.de anna')
    groups_claim: str = option("", "claim that holds a person's groups, as a list of names; empty: none does")
    clients: tuple[str, ...] = option((), "clients whose bearer tokens are taken; empty: any of that audience")
    algorithms: tuple[str, ...] = option(_ALGORITHMS, "how tokens may be signed")
    longest_token_s: float = option(5400.0, "a token is taken so long after it was made at most, seconds", least=60)
    idle_s: float = option(3600.0, "a sign-in nobody used for so long ends, seconds", least=60)
    longest_s: float = option(36000.0, "so does one that began so long ago, seconds", least=60)
    ca_file: str = option("", "file with the authority that signed the provider's certificate; empty: the system's")


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapSettings:
    """`[auth.ldap]`: the directory that knows people's groups, and whose account is shut."""

    url: str = option("", 'the directory: "ldaps://dc.firma.de", or "ldap://…", which StartTLS encrypts; empty: none')
    ca_file: str = option("", "file with the authority that signed its certificate; empty: the system's")
    bind_dn: str = option("", "who asks: an account that may read, and nothing else")
    bind_password_file: str = option("", "file that holds that account's password")
    user_base: str = option("", 'where people are, "ou=people,dc=firma,dc=de"')
    user_filter: str = option("(|(uid={user})(sAMAccountName={user})(userPrincipalName={user}))", "who is meant")
    names: tuple[str, ...] = option(("uid", "sAMAccountName"), "attributes that hold further names of a person")
    mail: str = option(
        "mail", "attribute that holds a person's e-mail address; who has it must not be able to change it themselves"
    )
    group_base: str = option("", "where groups are; empty: where people are")
    group_filter: str = option("(objectClass=*)", "which of the entries there are groups")
    group_name: str = option("cn", "attribute that holds a group's name; sAMAccountName in Active Directory")
    timeout_s: float = option(5.0, "longest look-up, seconds", least=0.1, most=60)


def oidc_problems(oidc: OidcSettings) -> Mapping[str, str]:
    """Key → what is wrong with it, in words."""
    found: dict[str, str] = {}
    if not oidc.issuer:
        return {"issuer": "[auth.oidc] needs an issuer"} if oidc != OidcSettings() else {}
    for key, address in (("issuer", oidc.issuer), ("url", oidc.url)):
        if address and not _is_safe(address):
            found[key] = f"{key} is an https address; http is for this machine only"
    if oidc.url and urlsplit(oidc.url).path.strip("/"):
        found["url"] = "url is an address without a path: the service answers at its root"
    if not oidc.audience and not oidc.client_id:
        found["issuer"] = "an issuer alone lets nobody in: set audience (bearer tokens), client_id (browsers), or both"
    if oidc.client_id and not oidc.url:
        found["client_id"] = "to sign in, browsers need to be sent back: set url to the address they reach this service"
    wrong = [one for one in oidc.algorithms if one not in _ALGORITHMS]
    if wrong or not oidc.algorithms:
        found["algorithms"] = f"algorithms are among {', '.join(_ALGORITHMS)}"
    if not _CLAIM.fullmatch(oidc.user_claim):
        found["user_claim"] = "user_claim names the claim that holds a person's name"
    if any(not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in oidc.scopes):
        found["scopes"] = "scopes are words without blanks"
    return found


def ldap_problems(ldap: LdapSettings) -> Mapping[str, str]:
    """Key → what is wrong with it, in words."""
    if not ldap.url:
        return {"url": "[auth.ldap] needs a url"} if ldap != LdapSettings() else {}
    found: dict[str, str] = {}
    if not re.fullmatch(r"ldaps?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?", ldap.url):
        found["url"] = f'"{ldap.url}" is no directory; write "ldaps://dc.firma.de" or "ldap://dc.firma.de:389"'
    for key in ("bind_dn", "bind_password_file", "user_base"):
        if not getattr(ldap, key):
            found[key] = f"[auth.ldap] needs {key}"
    if "{user}" not in ldap.user_filter:
        found["user_filter"] = "user_filter says where the name stands: {user}"
    for key in ("user_filter", "group_filter"):
        text = getattr(ldap, key)
        if not (text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")):
            found[key] = f'{key} stands in brackets, such as "(objectClass=person)"'
    if not all(map(_ATTRIBUTE.fullmatch, (*ldap.names, ldap.group_name, ldap.mail))):
        found["names"] = "attributes are words such as uid"
    return found


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or is_local(parts.hostname or "")
