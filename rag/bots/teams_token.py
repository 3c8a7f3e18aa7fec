"""Whether a request comes from Teams, for this bot, from this tenant, now.

Checked here, because the library checks less: it takes three spellings of the audience and, beside Microsoft's own
service, tokens of any tenant that name a certain other program; where a body names no service address it compares none;
it knows neither the one tenant, nor which channels a key may sign for, nor what is stale.

What a token cannot tell: it does not sign the body. Who holds a good token, because the relay or the machine it runs on
is theirs, can put words into it; so the way to the bot is TLS up to a machine of the house.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt

from rag.bots.teams_cloud import is_admitted
from rag.bots.teams_keys import SigningKey, SigningKeys

LEEWAY_S: Final = 300.0
"""What two clocks may differ."""
STALE_S: Final = 600.0
"""How old an activity may be: Teams tries a few times within a minute, and no longer."""
_MOST_CHARACTERS: Final = 16 * 1024
_CHANNEL: Final = "msteams"
_LEAST_BITS: Final = 2048


class Refused(Exception):
    """The request is none of ours; the message is a word for the log, made by us, without anything from the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """What is expected of a request. `hosts` are those that may be answered to; `clock` gives seconds since 1970."""

    keys: SigningKeys
    issuer: str
    app_id: str
    tenant: str
    hosts: tuple[str, ...]
    clock: Callable[[], float] = time.time

    async def passed(self, authorization: str, activity: Mapping[str, Any]) -> str:
        """The token of a request whose every mark is right.

        Raises:
            Refused: one is not.
            PlatformUnreachable: no keys can be had.
        """
        token = _bearer(authorization)
        kid = _kid(token)
        key = await self.keys.key(kid)
        if key is None:
            raise Refused("unknown_key")
        claims = self._claims(token, key)
        self._check_channel(activity, key)
        self._check_service(activity, claims)
        self._check_tenant(activity, claims)
        self._check_age(activity)
        return token

    def _claims(self, token: str, key: SigningKey) -> Mapping[str, Any]:
        try:
            public = jwt.PyJWK(dict(key.jwk), "RS256")
            if public.key.key_size < _LEAST_BITS:
                raise Refused("weak_key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                public,
                algorithms=["RS256"],
                options={
                    "require": ["exp", "iss", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Refused("signature") from error
        if claims.get("iss") != self.issuer:
            raise Refused("issuer")
        audience = claims.get("aud")
        if not isinstance(audience, str) or audience.lower() != self.app_id.lower():
            raise Refused("audience")
        self._check_times(claims)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self.clock()
        ends, begins, made = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
        if ends is None or now >= ends + LEEWAY_S:
            raise Refused("ended")
        if max(begins or 0.0, made or 0.0) > now + LEEWAY_S:
            raise Refused("not_begun")

    def _check_channel(self, activity: Mapping[str, Any], key: SigningKey) -> None:
        if activity.get("channelId") != _CHANNEL or (key.channels and _CHANNEL not in key.channels):
            raise Refused("channel")
        recipient = _at(activity, "recipient", "id")
        if not isinstance(recipient, str) or recipient.removeprefix("28:").lower() != self.app_id.lower():
            raise Refused("recipient")

    def _check_service(self, activity: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        said, signed = activity.get("serviceUrl"), claims.get("serviceurl")
        if not is_admitted(said, self.hosts):
            raise Refused("service_host")
        if not isinstance(signed, str) or signed.rstrip("/") != str(said).rstrip("/"):
            raise Refused("service_url")

    def _check_tenant(self, activity: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        said = (_at(activity, "conversation", "tenantId"), _at(activity, "channelData", "tenant", "id"))
        named = [one for one in (*said, claims.get("tid")) if one is not None]
        if said == (None, None) or not all(
            isinstance(one, str) and one.lower() == self.tenant.lower() for one in named
        ):
            raise Refused("tenant")

    def _check_age(self, activity: Mapping[str, Any]) -> None:
        try:
            said = datetime.fromisoformat(activity["timestamp"])
            age_s = self.clock() - said.timestamp()
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise Refused("timestamp") from error
        if said.tzinfo is None or not -LEEWAY_S < age_s < STALE_S:
            raise Refused("stale")


def _bearer(authorization: str) -> str:
    word, _, token = authorization.partition(" ")
    if word != "Bearer" or not token.isascii() or len(token) > _MOST_CHARACTERS or token.count(".") != 2:
        raise Refused("no_token")
    return token


def _kid(token: str) -> str:
    """The name of the key, from a head that asks for nothing but RS256; it is a name and is looked up as one."""
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Refused("head") from error
    kid, kind = head.get("kid"), head.get("typ", "JWT")
    if head.get("alg") != "RS256" or "crit" in head or not isinstance(kind, str) or kind.upper() != "JWT":
        raise Refused("algorithm")
    if not isinstance(kid, str):
        raise Refused("unknown_key")
    return kid


def _at(content: object, *names: str) -> object:
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise Refused("times")
    return float(value)


def is_object_id(value: object) -> bool:
    """Whether this is an object id of Entra: 32 hexadecimal digits with hyphens."""
    text = value if isinstance(value, str) else ""
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and _is_hex("".join(parts))


def _is_hex(text: Iterable[str]) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in text)
