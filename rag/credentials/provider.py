"""An OpenID provider's own documents: what it offers (discovery) and the keys it signs with.

Both are fetched when first needed and kept for a while; neither a token nor a provider can make this service fetch
more often, follow a redirect, read more than a limit, or reach another host than the settings name.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from rag.egress import is_local
from rag.egress.endpoints import Endpoint, of_url
from rag.errors import SignInUnavailable, UnknownPrincipal

_log = logging.getLogger(__name__)

_DISCOVERY: Final = "/.well-known/openid-configuration"
_MOST_BYTES: Final = 512 * 1024
_TIMEOUT: Final = httpx.Timeout(5.0, connect=3.0)
_TOTAL_S: Final = 10.0
_KEEP_S: Final = 300.0
"""Keys and documents are asked for again after so many seconds: a key the provider has withdrawn counts no longer."""
_STALE_S: Final = 3600.0
"""How long keys are still used while the provider cannot be reached."""
_REST_S: Final = 5.0
"""The least time between two fetches, whatever keys tokens name."""
_WAIT_S: Final = 2.0
_MOST_KEYS: Final = 100
_WORD: Final = re.compile(r"[a-z_]{1,60}")


class Provider:
    """One issuer. `allowed` are the hosts it may name beside its own. Safe to use from several threads."""

    def __init__(
        self,
        issuer: str,
        *,
        allowed: Iterable[Endpoint] = (),
        ca_file: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._hosts = (of_url(issuer), *allowed)
        self._clock = clock
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._fetching = threading.Lock()
        self._document: Mapping[str, Any] = {}
        self._keys: Sequence[Mapping[str, Any]] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._failure = ""

    def document(self) -> Mapping[str, Any]:
        """The discovery document, at most `_KEEP_S` old where the provider can be reached.

        Raises:
            SignInUnavailable: it cannot be had, or it is another issuer's.
        """
        if self._clock() - self._fetched_at >= _KEEP_S:
            self._renew(missing=not self._document)
        return self._document

    def keys(self, kid: str | None, algorithm: str) -> Sequence[Mapping[str, Any]]:
        """The provider's public keys that may have signed with this algorithm: those named `kid`, or all of them.

        Raises:
            SignInUnavailable: no keys can be had.
        """
        found = _fitting(self._keys, kid, algorithm)
        if self._clock() - self._fetched_at >= _KEEP_S or not found:
            self._renew(missing=not found)
        return _fitting(self._keys, kid, algorithm)

    def form(self, address: str, fields: Mapping[str, str], *, secret: tuple[str, str] | None = None) -> Any:
        """What an endpoint of the provider answers to a form, as JSON; `secret` is sent as basic authentication.

        Raises:
            UnknownPrincipal: it refuses (4xx).
            SignInUnavailable: it cannot be asked, or says nothing that can be used.
        """
        status, answer = self._json("POST", self._ours(address), data=dict(fields), auth=secret)
        if status != httpx.codes.OK:
            said = answer.get("error") if isinstance(answer, dict) else None
            word = said if isinstance(said, str) and _WORD.fullmatch(said) else f"HTTP {status}"
            raise UnknownPrincipal(f"The sign-in provider refuses: {word}.")
        return answer

    def _renew(self, *, missing: bool) -> None:
        """Fetch both, unless that was tried a moment ago. Whoever comes meanwhile goes on with what there is, or waits
        a moment where something is missing: a provider that hangs holds up one request, not all."""
        if self._fetching.acquire(timeout=_WAIT_S if missing else 0.0):
            try:
                now = self._clock()
                if now - self._tried_at >= _REST_S:
                    self._tried_at = now
                    self._try_fetch(now)
            finally:
                self._fetching.release()
        if self._clock() - self._fetched_at > _STALE_S:
            raise SignInUnavailable(self._failure or "The sign-in provider has not answered yet.")

    def _try_fetch(self, now: float) -> None:
        try:
            self._fetch(now)
            self._failure = ""
        except SignInUnavailable as error:
            _log.warning("The sign-in provider cannot be used: %s", error, extra={"action": "provider_failed"})
            self._failure = str(error)

    def _fetch(self, now: float) -> None:
        document = self._get(self.issuer.rstrip("/") + _DISCOVERY)
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise SignInUnavailable(
                f"The discovery document at {self.issuer} names another issuer. Write auth.oidc.issuer exactly as the "
                f"provider does, the last slash too."
            )
        for name in ("authorization_endpoint", "end_session_endpoint"):
            if name in document and not _is_safe(document[name]):
                raise SignInUnavailable(f"The provider's {name} is no https address.")
        keys = self._get(self._ours(document.get("jwks_uri")))
        listed = keys.get("keys") if isinstance(keys, dict) else None
        if not isinstance(listed, list):
            raise SignInUnavailable("The provider's list of keys is none.")
        self._keys = tuple(key for key in listed[:_MOST_KEYS] if isinstance(key, dict))
        self._document = document
        self._fetched_at = now

    def _ours(self, address: object) -> str:
        """An address the provider names, where it is https (or this machine) and a host that is listed.

        Raises:
            SignInUnavailable: it is not.
        """
        if not isinstance(address, str) or not _is_safe(address):
            raise SignInUnavailable("The provider names an address that is not https.")
        place = of_url(address)
        if not any(place.host == host.host and host.port in (None, place.port) for host in self._hosts):
            raise SignInUnavailable(
                f"The provider names an address at {place}, which is not listed. If that is right, add "
                f'"{place}" to egress.allow.'
            )
        return address

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._ca_file or None)
        return self._tls

    def _get(self, address: str) -> Any:
        status, answer = self._json("GET", address)
        if status != httpx.codes.OK:
            raise SignInUnavailable(f"The sign-in provider answers HTTP {status} at {address}.")
        return answer

    def _json(self, method: str, address: str, **more: Any) -> tuple[int, Any]:
        """Status and content of an answer that is 200 or a refusal (4xx)."""
        until = time.monotonic() + _TOTAL_S
        try:
            with (
                httpx.Client(trust_env=False, follow_redirects=False, timeout=_TIMEOUT, verify=self._trust()) as client,
                client.stream(method, address, headers={"Accept": "application/json"}, **more) as response,
            ):
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _MOST_BYTES or time.monotonic() > until:
                        raise SignInUnavailable(
                            f"The provider's answer from {of_url(address)} is too long or too slow."
                        )
        except (httpx.HTTPError, OSError) as error:
            raise SignInUnavailable(f"The sign-in provider at {of_url(address)} cannot be reached: {error}.") from error
        refused = 400 <= response.status_code < 500
        if not refused and response.status_code != httpx.codes.OK:
            raise SignInUnavailable(f"The sign-in provider answers HTTP {response.status_code} at {of_url(address)}.")
        try:
            return response.status_code, json.loads(bytes(body))
        except (ValueError, RecursionError) as error:
            if refused:
                return response.status_code, None
            raise SignInUnavailable(f"The sign-in provider at {of_url(address)} does not answer in JSON.") from error


_KINDS: Final = {"RS": ("RSA", None), "PS": ("RSA", None), "Ed": ("OKP", "Ed25519")}
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _fitting(keys: Iterable[Mapping[str, Any]], kid: str | None, algorithm: str) -> list[Mapping[str, Any]]:
    """The keys that are for checking signatures of this algorithm."""
    kind, curve = _KINDS.get(algorithm[:2], ("EC", _CURVES.get(algorithm)))
    return [
        key
        for key in keys
        if key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and (kid is None or key.get("kid") == kid)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    ]


def _is_safe(address: object) -> bool:
    """https, or http on this machine."""
    if not isinstance(address, str) or not address.isprintable():
        return False
    parts = urlsplit(address)
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_local(host)))
