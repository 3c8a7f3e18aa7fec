"""The page at ``/`` and its files, served from the package `rag.web`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from rag.api.caller import AppOf, CallerOf
from rag.api.language import COOKIE, language_of
from rag.api.questions import MAX_QUESTION
from rag.texts import LANGUAGES, texts

router = APIRouter(include_in_schema=False)

_YEAR_S = 365 * 24 * 3600
_TEMPLATES = Environment(
    loader=PackageLoader("rag.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def static_files() -> StaticFiles:
    """Scripts, styles and pictures."""
    return StaticFiles(directory=Path(str(files("rag.web").joinpath("static"))))


@router.get("/", response_model=None)
def page(request: Request, app: AppOf, caller: CallerOf) -> Response:
    """The page, in the language chosen on it or asked for by the browser."""
    language = language_of(request)
    said = texts(language)
    content = _TEMPLATES.get_template("page.html").render(
        language=language,
        t=said,
        script_texts=json.dumps({k: v for k, v in said.items() if k.startswith("js.")}, ensure_ascii=False),
        empty=app.ledger.counts()["chunks"] == 0,
        max_question=MAX_QUESTION,
    )
    response = HTMLResponse(content, headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="strict")
    return response
