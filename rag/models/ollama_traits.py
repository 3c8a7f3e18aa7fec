"""What one model of an Ollama can do and must be told: the context it was trained for, and how it is kept from
thinking, as `/api/show` and the server's version tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_REFUSES_SINCE = (0, 13)
"""Servers from this version on take ``truncate: false`` and ``shift: false`` in a chat and refuse what is too long;
older ones ignore both and cut. The fields came a little earlier; the later version is the careful choice."""
_LEVELS_ONLY = ("gptoss", "gpt-oss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """`context_tokens`: trained for, 0 where it is not told. `thinks`: whether it may think before it answers; `think`
    is what keeps that shortest. `refuses`: the server refuses a prompt that is too long."""

    context_tokens: int = 0
    thinks: bool = False
    think: bool | str = False
    refuses: bool = False


def traits(shown: Mapping[str, Any], *, version: str) -> Traits:
    """From what `/api/show` and `/api/version` say."""
    info = shown.get("model_info") or {}
    family = str(info.get("general.architecture") or "")
    length = info.get(f"{family}.context_length")
    told = shown.get("thinking")
    values: list[Any] = list(told.get("values") or []) if isinstance(told, Mapping) else []
    capabilities = shown.get("capabilities") or ()
    levels_only = family in _LEVELS_ONLY or (bool(values) and False not in values)
    thinks = "thinking" in capabilities or bool(values and values != [False])
    return Traits(
        context_tokens=length if isinstance(length, int) and length > 0 else 0,
        thinks=thinks,
        think=_least(values) if levels_only else False,
        refuses=_parsed(version) >= _REFUSES_SINCE,
    )


def _least(values: list[Any]) -> bool | str:
    """The least thinking a model allows that cannot be kept from it."""
    named = [value for value in values or ("low",) if isinstance(value, str)]
    return "low" if "low" in named else (named[0] if named else True)


def _parsed(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
