"""Signing in with a browser: the OpenID code flow with PKCE, as the OAuth security advice (RFC 9700) wants it.

begin      state, nonce and PKCE verifier are made; the browser keeps them (in a cookie only this service can set),
           so that nothing is kept here for people who never come back, and nobody can fill a memory
complete   state against that cookie (login CSRF), `iss` against our issuer (mix-up, RFC 9207), the code for tokens
           with the verifier, the identity token's nonce against the cookie's
renew      the refresh token for a new identity token: the provider says whether the person still stands
leave      where the browser signs out at the provider too
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from rag.credentials.oidc import Claims, Tokens
from rag.credentials.provider import Provider
from rag.errors import SignInUnavailable, UnknownPrincipal

CALLBACK: Final = "/login/callback"
ENDED: Final = "/login/ended"
_MOST_ATTEMPTS: Final = 4
"""Tabs that sign in at the same time; a fifth ends the oldest."""
_MOST_PATH: Final = 300
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_TEXT = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sign-in under way, as the browser keeps it. `back` is the page it began at."""

    state: str
    nonce: str
    verifier: str
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a sign-in, or its renewal, came to. Tokens are empty where the provider gives none."""

    claims: Claims
    refresh_token: str = ""
    id_token: str = ""


class Login:
    """Sign-in for one client of one provider. `url` is the address browsers reach this service at, without path."""

    def __init__(
        self,
        provider: Provider,
        tokens: Tokens,
        *,
        client_id: str,
        client_secret: str,
        url: str,
        scopes: Sequence[str] = ("openid", "profile"),
    ) -> None:
        self._provider, self._tokens = provider, tokens
        self._client_id, self._secret = client_id, client_secret
        self.url = url.rstrip("/")
        self._scopes = " ".join(dict.fromkeys(["openid", *scopes]))

    def begin(self, back: str) -> tuple[str, Attempt]:
        """Where the browser goes, and what it keeps meanwhile.

        Raises:
            SignInUnavailable: the provider cannot be used now.
        """
        attempt = Attempt(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            back=safe_path(back),
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self.url + CALLBACK,
            "scope": self._scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _joined(self._endpoint("authorization_endpoint"), asked), attempt

    def complete(self, answer: Mapping[str, str], attempt: Attempt) -> SignedIn:
        """Who signed in; `answer` is what the provider sent the browser back with, and whose state is the attempt's.

        Raises:
            UnknownPrincipal: nobody did; the message says why, for the log.
            SignInUnavailable: the provider cannot be asked.
        """
        issuer = answer.get("iss")
        told = self._provider.document().get("authorization_response_iss_parameter_supported") is True
        if issuer != self._provider.issuer and (issuer is not None or told):
            raise UnknownPrincipal("The answer comes from another issuer.")
        code = answer.get("code", "")
        if "error" in answer or not _TEXT.fullmatch(code):
            raise UnknownPrincipal("The provider signed nobody in.")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.url + CALLBACK,
            "code_verifier": attempt.verifier,
        }
        answered = self._ask(form)
        claims = self._identity(answered)
        if claims is None or not hmac.compare_digest(claims.nonce.encode(), attempt.nonce.encode()):
            raise UnknownPrincipal("The identity token is none, or was made for another sign-in.")
        return _signed_in(claims, answered)

    def renew(self, signed: SignedIn) -> SignedIn:
        """The same person, as the provider knows them now.

        Raises:
            UnknownPrincipal: the provider knows this sign-in no longer.
            SignInUnavailable: it cannot be asked.
        """
        answered = self._ask({"grant_type": "refresh_token", "refresh_token": signed.refresh_token})
        claims = self._identity(answered)
        if claims is not None and claims.subject != signed.claims.subject:
            raise UnknownPrincipal("The provider renewed somebody else's sign-in.")
        return _signed_in(claims or signed.claims, answered, before=signed)

    def leave(self, id_token: str) -> str:
        """Where the browser signs out at the provider; empty where that cannot be done there."""
        try:
            endpoint = self._provider.document().get("end_session_endpoint")
        except SignInUnavailable:
            return ""
        if not isinstance(endpoint, str):
            return ""
        asked = {"client_id": self._client_id, "post_logout_redirect_uri": self.url + ENDED}
        return _joined(endpoint, asked | ({"id_token_hint": id_token} if id_token else {}))

    def _identity(self, answered: Mapping[str, Any]) -> Claims | None:
        """The claims of the identity token in an answer; None where there is none."""
        identity, access = answered.get("id_token"), answered.get("access_token")
        if identity is None:
            return None
        if not isinstance(identity, str):
            raise UnknownPrincipal("The identity token is no text.")
        claims = self._tokens.identity(identity)
        if claims.at_hash and not (isinstance(access, str) and hash_of(access, claims.hash) == claims.at_hash):
            raise UnknownPrincipal("The identity token belongs to another access token.")
        return claims

    def _ask(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        endpoint = self._endpoint("token_endpoint")
        ways = self._provider.document().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic = bool(self._secret) and "client_secret_basic" in ways
        more = {} if basic else {"client_id": self._client_id}
        if self._secret and not basic:
            more["client_secret"] = self._secret
        credentials = (quote_plus(self._client_id), quote_plus(self._secret)) if basic else None
        answer = self._provider.form(endpoint, {**form, **more}, secret=credentials)
        if not isinstance(answer, dict):
            raise UnknownPrincipal("The provider's answer is none.")
        return answer

    def _endpoint(self, name: str) -> str:
        address = self._provider.document().get(name)
        if not isinstance(address, str):
            raise SignInUnavailable(f"The provider has no {name}.")
        return address


def safe_path(path: str) -> str:
    """A path on this service that a browser may be sent back to; "/" where it is none, or leads into the sign-in."""
    fits = len(path) <= _MOST_PATH and _PATH.fullmatch(path) is not None
    return path if fits and not path.startswith(("/login", "/api/")) else "/"


def kept(attempts: Sequence[Attempt]) -> str:
    """Attempts as a cookie's value, the newest last; the oldest beyond a few are left out."""
    rows = [[one.state, one.nonce, one.verifier, one.back] for one in attempts[-_MOST_ATTEMPTS:]]
    return base64.urlsafe_b64encode(json.dumps(rows).encode()).rstrip(b"=").decode()


def attempts_in(cookie: str) -> list[Attempt]:
    """The attempts that a cookie's value holds; none where it holds anything else."""
    try:
        rows = json.loads(base64.urlsafe_b64decode(cookie[:4096] + "=="))
        return [
            Attempt(state=str(state), nonce=str(nonce), verifier=str(verifier), back=safe_path(str(back)))
            for state, nonce, verifier, back in rows[-_MOST_ATTEMPTS:]
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def the_one(attempts: Sequence[Attempt], state: str) -> Attempt | None:
    """The attempt of that state."""
    return next((one for one in attempts if state and hmac.compare_digest(one.state.encode(), state.encode())), None)


def hash_of(token: str, digest: str) -> str:
    """The left half of a token's hash, as an identity token names it (at_hash)."""
    whole = hashlib.new(digest, token.encode()).digest()
    return base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


def _signed_in(claims: Claims, answered: Mapping[str, Any], *, before: SignedIn | None = None) -> SignedIn:
    tokens = {name: answered.get(name) for name in ("refresh_token", "id_token")}
    known = {"refresh_token": before.refresh_token, "id_token": before.id_token} if before else {}
    return SignedIn(
        claims=claims, **{name: one if isinstance(one, str) else known.get(name, "") for name, one in tokens.items()}
    )


def _joined(endpoint: str, asked: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"
