"""What people read, in their language: the sentences of page, bots and outcomes, from ``rag/web/locales``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

LANGUAGES = ("de", "en")


@cache
def texts(language: str, room: str = "") -> Mapping[str, str]:
    """Key → sentence; a language that is not there reads as English. `room` names a paper with sentences of its own:
    ``proof``, ``records``."""
    name = (f"{room}." if room else "") + (language if language in LANGUAGES else "en")
    content = files("rag.web").joinpath(f"locales/{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, str] = json.loads(content)
    return loaded


def unquoted_line(phrases: Sequence[str], language: str) -> str:
    """What was searched for without its quotation marks, in one sentence; "" where nothing was."""
    words = texts(language)
    said = words["and"].join(f"„{' '.join(phrase.split())}“" for phrase in phrases)
    return words["unquoted"].format(phrases=said) if phrases else ""
