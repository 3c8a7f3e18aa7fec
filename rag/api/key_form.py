"""Signing in to the page with an API key, where there are keys: a browser sends none along by itself.

    GET /login/key     the form; `/login` is it too, where no provider signs people in
    POST /api/login    ``{"key": …}``, sent by the form's script: a session, or what a key in a header is refused with

The key stands in no address, and is neither logged nor kept: `rag.credentials.key_sessions` holds its id.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from rag.api.browser_sessions import BrowserSessions, keep
from rag.api.caller import app_of
from rag.api.forms import json_response
from rag.api.language import keep_language, language_of
from rag.api.page_templates import TEMPLATES
from rag.api.problems import NOT_FOUND, Refused
from rag.api.resolver import Resolver
from rag.credentials.login import safe_path
from rag.text.sentences import texts

_log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

KEY_FORM: Final = "/login/key"
KEY_SHOWN: Final = "/api/login"
_SCRIPT_TEXTS: Final = ("js.offline", "js.offline.title", "js.key_")


class Shown(BaseModel):
    """What the form sends."""

    model_config = ConfigDict(extra="forbid")
    key: str


def there_are_keys(request: HTTPConnection) -> bool:
    """Whether a browser can sign in with one."""
    return app_of(request).keys.any


@router.get(KEY_FORM, response_model=None)
def form(request: Request) -> Response:
    """The field for a key; where it would travel unencrypted, what to do instead.

    Raises:
        Refused: there are no keys.
    """
    if not there_are_keys(request):
        raise Refused(NOT_FOUND)
    heard = not _resolver(request).unheard(request.scope["state"]["way"])
    language = language_of(request)
    said, back = texts(language), safe_path(request.query_params.get("next", "/"))
    content = TEMPLATES.get_template("sign_in_key.html").render(
        language=language,
        t=said,
        name="unencrypted" if heard else "key",
        back=back,
        here=f"{request.scope['path']}?next={quote(back, safe='')}",
        script_texts=json.dumps(_script_texts(said), ensure_ascii=False),
    )
    response = HTMLResponse(
        content,
        status_code=403 if heard else 200,
        headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"},
    )
    keep_language(request, response)
    return response


@router.post(KEY_SHOWN, response_model=None)
def open_session(request: Request, shown: Shown) -> Response:
    """A new session, under a new name, whatever the browser had before.

    Raises:
        Refused: there are no keys; or the key is not good, or came unencrypted.
    """
    if not there_are_keys(request):
        raise Refused(NOT_FOUND)
    way = request.scope["state"]["way"]
    caller = _resolver(request).of_key(shown.key.strip(), way)
    sessions: BrowserSessions = request.app.state.browser_sessions
    response = json_response({"signed_in": caller.principal.user})
    sessions.end(request)
    keep(request, response, sessions.keyed.open(str(caller.key)), secure=way.secure)
    _log.info("Somebody signed in with a key", extra={"action": "signed_in", "key": caller.key})
    return response


def _resolver(request: HTTPConnection) -> Resolver:
    resolver: Resolver = request.app.state.resolver
    return resolver


def _script_texts(said: Any) -> dict[str, str]:
    return {key: text for key, text in said.items() if key.startswith(_SCRIPT_TEXTS)}
