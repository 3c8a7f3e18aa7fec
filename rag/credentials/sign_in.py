"""Sign-in at one provider, put together: what reads its tokens, what signs browsers in, and who is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rag.credentials.identified import Identified
from rag.credentials.login import Login
from rag.credentials.oidc import LEEWAY_S, Tokens, Trust
from rag.credentials.provider import Provider
from rag.credentials.sessions import Sessions
from rag.egress.endpoints import Endpoint
from rag.errors import UnknownPrincipal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """This service as the provider knows it, for browsers; and how long a sign-in lasts, seconds."""

    secret: str
    url: str
    scopes: tuple[str, ...]
    idle_s: float
    longest_s: float
    checked_otherwise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One provider. `login` and `sessions` are None where browsers cannot sign in."""

    tokens: Tokens
    takes_tokens: bool
    login: Login | None = None
    sessions: Sessions | None = None
    now: Callable[[], float] = field(default=time.time)

    def identify(self, token: str) -> Identified | None:
        """Whom a bearer token speaks for; None where it is not good. It stands until it ends.

        Raises:
            SignInUnavailable: the provider's keys cannot be had.
        """
        if not self.takes_tokens:
            return None
        try:
            claims = self.tokens.access(token)
        except UnknownPrincipal as error:
            _log.warning("A token was refused: %s", error, extra={"action": "token_refused"})
            return None
        return Identified(
            user=claims.user,
            groups=claims.groups,
            unsure=claims.unsure,
            account=claims.account,
            good=lambda: self.now() < claims.until + LEEWAY_S,
        )


def sign_in(
    issuer: str,
    trust: Trust,
    *,
    allowed: Iterable[Endpoint] = (),
    ca_file: str = "",
    client: Registration | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> SignIn:
    """Sign-in at the provider of that issuer; nothing is asked of it yet."""
    provider = Provider(issuer, allowed=allowed, ca_file=ca_file)
    tokens = Tokens(provider, trust)
    if client is None:
        return SignIn(tokens=tokens, takes_tokens=bool(trust.audience))
    login = Login(
        provider,
        tokens,
        client_id=trust.client_id,
        client_secret=client.secret,
        url=client.url,
        scopes=client.scopes,
    )
    sessions = Sessions(
        login.renew,
        idle_s=client.idle_s,
        longest_s=client.longest_s,
        checked_otherwise=client.checked_otherwise,
        clock=clock,
    )
    return SignIn(tokens=tokens, takes_tokens=bool(trust.audience), login=login, sessions=sessions)
