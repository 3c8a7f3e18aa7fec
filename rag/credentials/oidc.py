"""Tokens of an OpenID provider: who they speak for, where everything about them is right.

    signed      by a key the provider lists now, with an algorithm of ours: never `none`, never a shared secret
    for us      from our issuer, for our audience, by a client of ours; no identity token in an access token's place
    now         begun, not ended, made no longer ago than `longest_s`; clocks may differ by a minute
    somebody    the user claim is a name; groups are a list of texts. What is missing or of another form is no guess:
                without the groups claim a person's groups are unsure, a wrong one makes the token worthless

The first thing that is wrong refuses the token. What it is goes to the log, never to whoever sent it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import jwt

from rag.credentials.identified import SERVICE
from rag.credentials.provider import Provider
from rag.errors import UnknownPrincipal

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S: Final = 60
MOST_CHARACTERS: Final = 16 * 1024
_MOST_GROUPS: Final = 2000
_MOST_NAME: Final = 200
_HASHES: Final = {"256": "sha256", "384": "sha384", "512": "sha512"}
_ACCESS_TYPES: Final = frozenset({"", "jwt", "at+jwt"})
_IDENTITY_TYPES: Final = frozenset({"", "jwt"})
_ID: Final = re.compile(r"[0-9A-Fa-f-]{8,64}")
_NO_ACCESS: Final = frozenset({"id", "refresh", "offline", "logout"})  # as Keycloak marks its tokens, in the payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a token must be, and which of its claims are read. Empty `clients`: any client of the issuer's."""

    audience: str
    client_id: str = ""
    clients: frozenset[str] = frozenset()
    algorithms: frozenset[str] = frozenset(ALGORITHMS)
    user_claim: str = "preferred_username"
    groups_claim: str = ""
    domain: str = ""
    longest_s: float = 5400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Whom a token speaks for. `unsure`: it should name groups and does not. `until` is the end of it, Unix seconds.
    `account` is tenant and object id, where the provider is one that has those (Entra ID)."""

    user: str
    subject: str
    groups: frozenset[str]
    unsure: bool
    until: float
    nonce: str = ""
    at_hash: str = ""
    hash: str = "sha256"
    account: str = ""


class Tokens:
    """Reads the tokens of one provider."""

    def __init__(self, provider: Provider, trust: Trust, *, now: Callable[[], float] = time.time) -> None:
        self._provider, self._trust, self._now = provider, trust, now

    def access(self, token: str) -> Claims:
        """The claims of a bearer token.

        Raises:
            UnknownPrincipal: it is not good; the message says why, for the log.
            SignInUnavailable: the provider's keys cannot be had.
        """
        claims, algorithm = self._claims(token, self._trust.audience, _ACCESS_TYPES)
        if _is_no_access_token(claims):
            raise UnknownPrincipal("The token is no access token.")
        client = claims.get("azp", claims.get("client_id", claims.get("appid")))
        if self._trust.clients and not (isinstance(client, str) and client in self._trust.clients):
            raise UnknownPrincipal("The token was made for a client that is not listed.")
        return self._read(claims, algorithm)

    def identity(self, token: str) -> Claims:
        """The claims of the identity token that ends a sign-in, or renews one.

        Raises:
            UnknownPrincipal, SignInUnavailable: as for `access`.
        """
        claims, algorithm = self._claims(token, self._trust.client_id, _IDENTITY_TYPES)
        audience, party = claims["aud"], claims.get("azp")
        if party not in (None, self._trust.client_id) or (isinstance(audience, list) and audience[1:] and not party):
            raise UnknownPrincipal("The identity token was made for another client.")
        return self._read(claims, algorithm)

    def _claims(self, token: str, audience: str, types: frozenset[str]) -> tuple[Mapping[str, Any], str]:
        if not audience:
            raise UnknownPrincipal("No audience is configured for such a token.")
        if len(token) > MOST_CHARACTERS or not token.isascii() or token.count(".") != 2:
            raise UnknownPrincipal("That is no token, or one too long.")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise UnknownPrincipal("The token's head cannot be read.") from error
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
        if algorithm not in ALGORITHMS or algorithm not in self._trust.algorithms:
            raise UnknownPrincipal("The token's algorithm is not allowed.")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in types:
            raise UnknownPrincipal("The token is of another type.")
        if not isinstance(kid, str | None):
            raise UnknownPrincipal("The token's key has no name.")
        return self._decoded(token, kid, algorithm, audience), algorithm

    def _decoded(self, token: str, kid: str | None, algorithm: str, audience: str) -> Mapping[str, Any]:
        keys = self._provider.keys(kid, algorithm)
        if len(keys) != 1:
            raise UnknownPrincipal("No key of the provider's, or more than one, may have signed the token.")
        try:
            key = jwt.PyJWK(dict(keys[0]), algorithm)
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._provider.issuer,
                audience=audience,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "enforce_minimum_key_length": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise UnknownPrincipal(f"The token is not good ({type(error).__name__}).") from error
        self._check_times(claims)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        ends, made, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
        if ends is None or made is None:
            raise UnknownPrincipal("The token does not say when it was made, or when it ends.")
        if now >= ends + LEEWAY_S or now >= made + self._trust.longest_s + LEEWAY_S:
            raise UnknownPrincipal("The token has ended.")
        if made > now + LEEWAY_S or (begins or 0) > now + LEEWAY_S:
            raise UnknownPrincipal("The token has not begun.")

    def _read(self, claims: Mapping[str, Any], algorithm: str) -> Claims:
        trust = self._trust
        user, subject = claims.get(trust.user_claim), claims.get("sub")
        if not _is_name(user) or not _is_name(subject):
            raise UnknownPrincipal("The token names no person.")
        if trust.domain and not user.startswith("@"):
            user = user.removesuffix(f"@{trust.domain}")
        if user.startswith(SERVICE):
            raise UnknownPrincipal("The token names a program of ours, and no person.")
        groups, unsure = self._groups(claims)
        return Claims(
            user=user,
            subject=subject,
            groups=groups,
            unsure=unsure,
            until=min(_seconds(claims, "exp") or 0, (_seconds(claims, "iat") or 0) + trust.longest_s),
            nonce=str(claims.get("nonce", "")),
            at_hash=str(claims.get("at_hash", "")),
            hash=_HASHES.get(algorithm[2:], "sha512"),
            account=_account(claims),
        )

    def _groups(self, claims: Mapping[str, Any]) -> tuple[frozenset[str], bool]:
        name = self._trust.groups_claim
        if not name:
            return frozenset(), False
        if name not in claims:  # or there were too many for a token, and it says where else they stand
            return frozenset(), True
        groups = claims[name]
        listed = [groups] if isinstance(groups, str) else groups  # AD FS writes a single one without brackets
        if not isinstance(listed, list) or len(listed) > _MOST_GROUPS or not all(map(_is_name, listed)):
            raise UnknownPrincipal("The token's groups are no list of names.")
        return frozenset(listed), False


def _is_no_access_token(claims: Mapping[str, Any]) -> bool:
    """Whether it is marked as another token, or looks like one that tells a client who signed in."""
    marked = str(claims.get("typ", "")).lower() in _NO_ACCESS or not claims.keys().isdisjoint({"at_hash", "c_hash"})
    return marked or ("nonce" in claims and claims.keys().isdisjoint({"scope", "scp"})) or "events" in claims


def _account(claims: Mapping[str, Any]) -> str:
    ids = [one for name in ("tid", "oid") if isinstance(one := claims.get(name), str) and _ID.fullmatch(one)]
    return ":".join(ids).lower() if len(ids) == 2 else ""


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _MOST_NAME and value.isprintable() and bool(value.strip())


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A time of the token's; None where it names none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise UnknownPrincipal("The token's times are no numbers.")
    return float(value)
