"""From what a request shows to its caller: the one resolver of all kinds of credentials.

    Authorization: Bearer archivar_…   an API key
    any other bearer token             `bearers`, where sign-in at a provider is set up
    a session cookie                   `sessions`, where a browser signed in there, or with a key
    the header of a listed proxy       whom it names
    nothing                            this machine, where no credential is needed

Two at once are refused, whatever they are. Unknown, expired and revoked are told in the same words.
"""

from __future__ import annotations

import logging
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from rag.access import LOOPBACK, Principal
from rag.api.caller import SIGN_IN, Caller
from rag.api.problems import Problem, Refused
from rag.api.way import Proxies, Way, numeric
from rag.app import App
from rag.credentials.failures import Failures
from rag.credentials.identified import ADMIN, READING, SERVICE, Identified
from rag.credentials.keys import PREFIX
from rag.errors import AccessError

_log = logging.getLogger(__name__)

_MAX_TOKEN = 16 * 1024
_BEARER = (("WWW-Authenticate", 'Bearer error="invalid_token"'),)
REFUSED = Problem(status=401, code="credential_refused", headers=_BEARER)
TWO = Problem(status=400, code="two_credentials")
TLS_NEEDED = Problem(status=403, code="tls_needed")
THIS_MACHINE_ONLY = Problem(status=403, code="this_machine_only")
UNTRUSTED_PROXY = Problem(status=403, code="untrusted_proxy")


class Bearers(Protocol):
    """Verifies bearer tokens that are no API keys."""

    def identify(self, token: str) -> Identified | None:
        """Whom the token speaks for; None where it is not good, for whatever reason."""


class Sessions(Protocol):
    """Verifies what a browser that signed in sends along."""

    def shown(self, request: HTTPConnection) -> bool:
        """Whether there is such a thing at all, good or not."""

    def identify(self, request: HTTPConnection) -> Identified | None:
        """Whom it speaks for; None where it is not good."""

    def refused(self, request: HTTPConnection) -> None:
        """Whom it speaks for was refused."""


class Resolver:
    """The resolver over an open App. Safe to use from several threads; may wait for the ledger or a directory."""

    def __init__(self, app: App, *, bearers: Bearers | None = None, sessions: Sessions | None = None) -> None:
        self._app, self._bearers, self._sessions = app, bearers, sessions
        self._auth = app.settings.auth
        self.proxies = Proxies(self._auth.proxy_addresses)
        self._unencrypted = Proxies(self._auth.unencrypted_from)
        self._failures = Failures()

    @property
    def needed(self) -> bool:
        """Whether a credential is needed, also on this machine."""
        return self._app.credential_needed

    def check(self, request: HTTPConnection, way: Way) -> None:
        """On whichever path.

        Raises:
            Refused: it holds the proxy's header and does not come from a listed proxy.
        """
        header = self._auth.proxy_header
        if header and header in request.headers and not way.listed:
            raise Refused(UNTRUSTED_PROXY)

    def resolve(self, request: HTTPConnection, way: Way) -> Caller:
        """The caller of a request.

        Raises:
            Refused: nothing, too much, or nothing good is shown.
        """
        headers = request.headers
        named = [name for name in self._named(headers) if name]
        tokens = headers.getlist("authorization")
        session = self._sessions is not None and self._sessions.shown(request)
        if len(named) + len(tokens) + session > 1:
            raise Refused(TWO)
        if (tokens or session) and not self.unheard(way):
            raise Refused(TLS_NEEDED)
        if tokens and way.local and self._stray(tokens[0]):
            return self._this_machine()
        if tokens:
            found = self._of_token(tokens[0])
        elif session and self._sessions is not None:
            found = self._sessions.identify(request)
        elif named:
            found = _of_proxy(named[0])
        elif self.needed:
            raise Refused(SIGN_IN)
        elif not way.local:
            raise Refused(THIS_MACHINE_ONLY)
        else:
            return self._this_machine()
        caller = self._caller(found) if found is not None else None
        if caller is None:
            if session and self._sessions is not None:
                self._sessions.refused(request)
            raise Refused(self._refusal(way))
        return caller

    def of_key(self, key: str, way: Way) -> Caller:
        """The caller an API key speaks for that a person typed in.

        Raises:
            Refused: it is not good, in the words for one in a header; or it came unencrypted.
        """
        if not self.unheard(way):
            raise Refused(TLS_NEEDED)
        found = self._app.keys.identify(key)
        caller = self._caller(found) if found is not None else None
        if caller is None or caller.bot:  # a bot has no browser
            raise Refused(self._refusal(way))
        return caller

    def _stray(self, header: str) -> bool:
        """Whether a token is none of ours, where nobody needs one: clients of OpenAI's protocol always send some."""
        scheme, _, token = header.partition(" ")
        ours = scheme.lower() != "bearer" or token.strip().startswith(PREFIX)
        return not self.needed and self._bearers is None and not ours

    def unheard(self, way: Way) -> bool:
        """Whether nobody on the way can have read along."""
        return way.secure or way.local or (not way.forwarded and numeric(way.client) in self._unencrypted)

    def _named(self, headers: Headers) -> list[str]:
        """Whom the proxy names; that it comes from one was checked before."""
        return headers.getlist(self._auth.proxy_header) if self._auth.proxy_header else []

    def _of_token(self, header: str) -> Identified | None:
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if (
            scheme.lower() != "bearer"
            or not 0 < len(token) <= _MAX_TOKEN
            or not (token.isascii() and token.isprintable())
        ):
            return None
        if token.startswith(PREFIX):
            return self._app.keys.identify(token)
        return self._bearers.identify(token) if self._bearers is not None else None

    def _this_machine(self) -> Caller:
        return Caller(
            principal=self._app.person("local"),
            channel=LOOPBACK,
            policy=self._app.policy,
            standing=lambda: not self._app.credential_needed,
        )

    def _caller(self, found: Identified) -> Caller | None:
        """None where the person is shut out, or the name can be nobody's."""
        app = self._app
        try:
            principal = app.person(found.user, claims=found.groups, unsure=found.unsure)
        except AccessError:
            return None
        names = {principal.user, *principal.aliases}

        program = found.user.startswith(SERVICE)

        def good() -> bool:
            return found.good() and not app.suspensions.hold(names)

        def standing() -> bool:
            return good() and (program or app.stands(found.user, principal, claims=found.groups))

        if not good() or not (program or app.stands(found.user)):
            return None
        if found.account:
            app.accounts.note(found.account, found.user)
        return Caller(
            principal=principal,
            channel=found.channel,
            scopes=found.scopes if found.scopes is not None else self._scopes(principal),
            sources=found.sources,
            key=found.key,
            bot=found.bot,
            policy=app.policy,
            standing=standing,
        )

    def _scopes(self, principal: Principal) -> frozenset[str]:
        """What a person who signed in may do; nobody is an administrator by being called like a group."""
        groups = {f"group:{group}" for group in principal.groups}
        listed = frozenset(self._auth.admins)
        named = not principal.user.startswith("group:") and principal.user in listed
        return READING | {ADMIN} if named or groups & listed else READING

    def _refusal(self, way: Way) -> Problem:
        """The same for whatever was wrong; too many from one address are told to wait."""
        wait_s = self._failures.note(way.client)
        if wait_s is None:
            return REFUSED
        _log.warning(
            "Credentials are tried out", extra={"action": "credentials_tried_out", "address": way.client or "unknown"}
        )
        return Problem(status=429, code="too_many_refused", headers=(("Retry-After", str(wait_s)),))


def _of_proxy(header: str) -> Identified | None:
    """Whom a listed proxy names. A comma may join what the proxy wrote to what somebody sent along."""
    try:
        name = header.encode("latin-1").decode()
    except UnicodeError:
        return None
    if "," in name or name.startswith(SERVICE):
        return None
    return Identified(user=name.strip(" \t"))  # nothing else: what cannot be a name is refused, not mended
