"""What people read, in their language: the sentences of page, bots and outcomes, from ``rag/web/locales``."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
