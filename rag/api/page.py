"""The pages (questions at ``/``, ``/documents``, ``/status``) and their files, served from the package `rag.web`.

A page holds no data of its own but who reads it: what it shows it asks of the HTTP interface, under the same rights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from rag.api.caller import AppOf, Caller, CallerOf
from rag.api.language import keep_language, language_of
from rag.api.page_templates import TEMPLATES
from rag.api.rights import searched
from rag.api.sign_in import signed_in
from rag.question import MAX_QUESTION
from rag.text.sentences import texts

router = APIRouter(include_in_schema=False)

MAX_REASON = 1000
"""Characters of the reason somebody gives with their verdict on an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A page and the scope it is for; `name` is that of its template and its texts."""

    name: str
    address: str
    scope: str


ROOMS = (
    Room(name="page", address="/", scope="ask"),
    Room(name="documents", address="/documents", scope="documents"),
    Room(name="status", address="/status", scope="admin"),
)


def static_files() -> StaticFiles:
    """Scripts, styles and pictures."""
    return StaticFiles(directory=Path(str(files("rag.web").joinpath("static"))))


@router.get("/", response_model=None)
def page(request: Request, app: AppOf, caller: CallerOf) -> Response:
    """The question field, in the language chosen on it or asked for by the browser."""
    empty = not app.ledger.may_ask(caller.principal, sources=caller.sources, classes=searched(caller))
    return _shown(ROOMS[0], request, caller, empty=empty, max_question=MAX_QUESTION)


@router.get("/documents", response_model=None)
def documents(request: Request, caller: CallerOf) -> Response:
    """What is indexed, of what the reader may read."""
    return _shown(ROOMS[1], request, caller)


@router.get("/status", response_model=None)
def status(request: Request, caller: CallerOf) -> Response:
    """How the service is, for administrators."""
    return _shown(ROOMS[2], request, caller)


def open_to(room: Room, caller: Caller) -> bool:
    """Whether the caller's credential is good for what the page asks for."""
    return room.scope in caller.scopes


def _shown(room: Room, request: Request, caller: Caller, **values: Any) -> Response:
    language = language_of(request)
    said = texts(language)
    allowed = open_to(room, caller)
    content = TEMPLATES.get_template(f"{room.name}.html" if allowed else "closed.html").render(
        language=language,
        t=said,
        here=room.address,
        rooms=[other for other in ROOMS if open_to(other, caller)],
        script_texts=_script_texts(said),
        reader=reader_tag(caller.principal.user),
        max_reason=MAX_REASON,
        signed_in=signed_in(request, caller),
        **values,
    )
    headers = {"Content-Language": language, "Vary": "Accept-Language, Cookie"}
    response = HTMLResponse(content, status_code=200 if allowed else 403, headers=headers)
    keep_language(request, response)
    return response


def reader_tag(user: str) -> str:
    """What tells one reader of a browser from another, so that neither finds the other's questions; not their name."""
    return hashlib.sha256(f"archivar reader {user}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _script_texts(said: Mapping[str, str]) -> str:
    return json.dumps({key: text for key, text in said.items() if key.startswith("js.")}, ensure_ascii=False)
