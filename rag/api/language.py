"""The language a request is answered in: chosen on the page, else what the browser asks for, else English."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from rag.text.sentences import LANGUAGES

COOKIE = "archivar_language"
_YEAR_S = 365 * 24 * 3600


def language_of(request: HTTPConnection) -> str:
    """``de`` or ``en``."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return preferred(request.headers.get("accept-language", ""))


def keep_language(request: HTTPConnection, response: Response) -> None:
    """Have the browser remember a language that was chosen on the page."""
    chosen = request.query_params.get("lang")
    if chosen in LANGUAGES:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_S, httponly=True, samesite="strict")


def preferred(accepted: str) -> str:
    """The language of ours that an Accept-Language header ranks highest; English where it names none."""
    ranked = []
    for part in accepted[:1000].split(","):
        name, _, weight = part.strip().partition(";")
        language = name.strip().lower().split("-")[0]
        if language in LANGUAGES and (quality := _quality(weight)) > 0:
            ranked.append((quality, language))
    return max(ranked, key=lambda entry: entry[0], default=(1.0, "en"))[1]


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
