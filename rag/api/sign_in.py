"""Signing in and out with a browser: `/login`, where the provider sends it back, and `POST /api/logout`.

The flow is `rag.credentials.login`'s; here are its cookies and its pages. Both cookies are `__Host-`: no other host and
no unencrypted page can set them, no script can read them, no other site's request but a link brings them along. Where
no provider signs people in but there are API keys, `rag.api.key_form` does.

    GET /login            to the provider, with what the browser must bring back from there; or the form for a key
    GET /login/callback   a new session, under a new name, whatever the browser had before; then back to where it began,
                          by a page of our own, so that what follows is a step within this site
    GET /login/ended      says that it is over; from here nobody is signed in again without asking for it
    POST /api/logout      ends the session here, however it began, and tells where it ends at the provider
"""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rag.api.browser_sessions import BrowserSessions, keep, set_cookie
from rag.api.caller import Caller
from rag.api.forms import json_response
from rag.api.key_form import KEY_FORM, form, there_are_keys
from rag.api.language import language_of
from rag.api.page_templates import TEMPLATES
from rag.api.problems import NOT_FOUND, Refused
from rag.credentials.login import CALLBACK, ENDED, Login, attempts_in, kept, safe_path, the_one
from rag.credentials.sessions import Sessions
from rag.credentials.sign_in import SignIn
from rag.errors import AccessError, SignInUnavailable
from rag.text.sentences import texts

_log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

LOGIN: Final = "/login"
SIGN_IN_PAGES: Final = (LOGIN, CALLBACK, ENDED, KEY_FORM)
"""Pages that may be opened from another site: the provider sends browsers to the second and third, and a link in a wiki
leads whoever is not signed in to the first, and from there to the last."""
ATTEMPT_COOKIE: Final = "__Host-archivar_sign_in"
_ATTEMPT_S: Final = 600


def own_name(sign_in: SignIn | None) -> tuple[str, ...]:
    """The name browsers reach this service by, as the provider is told it."""
    host = urlsplit(sign_in.login.url).hostname if sign_in is not None and sign_in.login is not None else None
    return (f"[{host}]" if ":" in host else host,) if host else ()


def signed_in(request: HTTPConnection, caller: Caller) -> str:
    """Whose session the browser shows, for a page to say so; empty where it shows none."""
    sessions: BrowserSessions = request.app.state.browser_sessions
    return caller.principal.user if sessions.shown(request) else ""


def to_sign_in(request: HTTPConnection) -> Response | None:
    """The way to the sign-in, where a person opens a page and browsers can sign in."""
    if (_provider(request) is None and not there_are_keys(request)) or not opens_page(request):
        return None
    path, query = request.scope["path"], request.scope.get("query_string", b"").decode("ascii", "replace")
    back = safe_path(quote(path, safe="/") + (f"?{query}" if query else ""))
    return RedirectResponse(f"{LOGIN}?next={quote(back, safe='')}", status_code=303)


def opens_page(request: HTTPConnection) -> bool:
    """Whether it is a person's browser that asks for a page, not a script or a program that asks for data."""
    return (
        request.scope["method"] == "GET"
        and "text/html" in request.headers.get("accept", "")
        and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        and not request.scope["path"].startswith(("/api/", "/v1/", "/mcp"))
    )


@router.get(LOGIN, response_model=None)
def begin(request: Request) -> Response:
    """To the provider; where there is none, the form for a key. A browser that came by another name, or unencrypted,
    first goes where its cookies count."""
    if _provider(request) is None:
        return form(request)
    login, _ = _of(request)
    back = request.query_params.get("next", "/")
    here = urlsplit(login.url)
    elsewhere = request.headers.get("host", "").lower() != here.netloc.lower()
    bare = here.scheme == "https" and not request.scope["state"]["way"].secure
    if (elsewhere or bare) and "moved" not in request.query_params:
        return RedirectResponse(f"{login.url}{LOGIN}?moved=1&next={quote(safe_path(back), safe='')}", status_code=303)
    address, attempt = login.begin(back)
    response = RedirectResponse(address, status_code=303)
    others = attempts_in(request.cookies.get(ATTEMPT_COOKIE, ""))
    set_cookie(response, ATTEMPT_COOKIE, kept([*others, attempt]), max_age=_ATTEMPT_S)
    return response


@router.get(CALLBACK, response_model=None)
def complete(request: Request) -> Response:
    """Back from the provider."""
    login, sessions = _of(request)
    attempts = attempts_in(request.cookies.get(ATTEMPT_COOKIE, ""))
    attempt = the_one(attempts, request.query_params.get("state", ""))
    if attempt is None or len(request.query_params.multi_items()) != len(request.query_params):
        return _page(request, "interrupted", status=400)
    try:
        signed = login.complete(request.query_params, attempt)
        request.app.state.archivar.person(signed.claims.user, claims=signed.claims.groups)
        stands = request.app.state.archivar.stands(signed.claims.user)
    except SignInUnavailable:
        raise
    except AccessError as error:
        _log.warning("A sign-in came to nothing: %s", error, extra={"action": "sign_in_failed"})
        stands = False
    if not stands:
        response = _page(request, "refused", status=403)
    else:
        response = _page(request, "done", back=attempt.back)
        _browser(request).end(request)
        keep(request, response, sessions.open(signed))
        _log.info("Somebody signed in", extra={"action": "signed_in"})
    others = [one for one in attempts if one is not attempt]
    if others:
        set_cookie(response, ATTEMPT_COOKIE, kept(others), max_age=_ATTEMPT_S)
    else:
        set_cookie(response, ATTEMPT_COOKIE, "", max_age=0)
    return response


@router.get(ENDED, response_model=None)
def ended(request: Request) -> Response:
    """Nobody is signed in."""
    _insist(request)
    return _page(request, "ended")


@router.post("/api/logout", response_model=None)
def leave(request: Request) -> Response:
    """End the session: ``{"location": …}`` is where the browser goes to end it at the provider too."""
    _insist(request)
    session, login = _browser(request).end(request), _provider(request)
    location = login.leave(session.signed.id_token) if session is not None and login is not None else ""
    response = json_response({"location": location or ENDED})
    keep(request, response, "")
    return response


def _provider(request: HTTPConnection) -> Login | None:
    sign_in: SignIn | None = request.app.state.sign_in
    return sign_in.login if sign_in is not None else None


def _browser(request: HTTPConnection) -> BrowserSessions:
    sessions: BrowserSessions = request.app.state.browser_sessions
    return sessions


def _insist(request: HTTPConnection) -> None:
    """
    Raises:
        Refused: there is no way for a browser to sign in.
    """
    if _provider(request) is None and not there_are_keys(request):
        raise Refused(NOT_FOUND)


def _of(request: Request) -> tuple[Login, Sessions]:
    sign_in: SignIn | None = request.app.state.sign_in
    if sign_in is None or sign_in.login is None or sign_in.sessions is None:
        raise Refused(NOT_FOUND)
    return sign_in.login, sign_in.sessions


def _page(request: Request, name: str, *, status: int = 200, back: str = "") -> HTMLResponse:
    language = language_of(request)
    key_form = KEY_FORM if name != "done" and _provider(request) is not None and there_are_keys(request) else ""
    content = TEMPLATES.get_template("sign_in.html").render(
        language=language, t=texts(language), name=name, back=back, key_form=key_form
    )
    return HTMLResponse(content, status_code=status, headers={"Content-Language": language})
