"""What a browser holds that signed in, at the provider or with a key: one cookie, which no script can read.

    encrypted        `__Host-archivar_session`: no other host and no unencrypted page can set it
    unencrypted      `archivar_session`, from where a key is taken unencrypted too, which is this machine. Over an
                     encrypted connection it counts for nothing: anybody on the way of another could have set it

`SameSite=Lax`: no other site's request but a link brings them along.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from rag.credentials.identified import Identified
from rag.credentials.key_sessions import KeySession, KeySessions
from rag.credentials.sessions import Session, Sessions

SESSION_COOKIE: Final = "__Host-archivar_session"
BARE_COOKIE: Final = "archivar_session"
_MOST_SHOWN: Final = 200


class BrowserSessions:
    """The resolver's `Sessions`: what a browser that signed in sends along. A session that has ended counts as none
    shown: an old cookie hides no other credential, and is no attempt at guessing."""

    def __init__(self, keyed: KeySessions, provided: Sessions | None = None) -> None:
        self.keyed, self._provided = keyed, provided

    def shown(self, request: HTTPConnection) -> bool:
        """Whether the browser's session is there."""
        return self._find(request) is not None

    def identify(self, request: HTTPConnection) -> Identified | None:
        """Whom it speaks for; None once it has ended.

        Raises:
            SignInUnavailable: nobody knows.
        """
        session = self._find(request)
        if isinstance(session, KeySession):
            return self.keyed.identify(session)
        return self._provided.identify(session) if session is not None and self._provided is not None else None

    def refused(self, request: HTTPConnection) -> None:
        """Whom it speaks for is shut out: a session of a key's ends with that, and has to be opened again."""
        for shown in _values(request):
            self.keyed.close(shown)

    def end(self, request: HTTPConnection) -> Session | None:
        """End whatever session the browser shows; gives the provider's, if it was one."""
        ended = None
        for shown in _values(request):
            self.keyed.close(shown)
            ended = (self._provided.close(shown) if self._provided is not None else None) or ended
        return ended

    def _find(self, request: HTTPConnection) -> Session | KeySession | None:
        for shown in _values(request):
            found = self.keyed.find(shown) or (self._provided.find(shown) if self._provided is not None else None)
            if found is not None:
                return found
        return None


def keep(request: HTTPConnection, response: Response, shown: str, *, secure: bool = True) -> None:
    """Have the browser show this session from here on, and no other; none where `shown` is empty."""
    kept = (SESSION_COOKIE if secure else BARE_COOKIE) if shown else ""
    for name in (SESSION_COOKIE, BARE_COOKIE):
        if name == kept:
            set_cookie(response, name, shown)
        elif name in request.cookies:
            set_cookie(response, name, "", max_age=0)


def set_cookie(response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Have the browser keep this for as long as it is open, or for `max_age` seconds; 0: no longer."""
    secure = name.startswith("__Host-")
    response.set_cookie(name, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="lax")


def _values(request: HTTPConnection) -> list[str]:
    """What it shows, as far as it counts on this way."""
    names = (SESSION_COOKIE,) if request.scope["state"]["way"].secure else (SESSION_COOKIE, BARE_COOKIE)
    found = (request.cookies.get(name, "") for name in names)
    return [shown for shown in found if 0 < len(shown) <= _MOST_SHOWN]
