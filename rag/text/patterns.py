"""Patterns on paths below a source's root, as `include`, `exclude` and the filter `--path` take them."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

_GLOB = re.compile(r"[*?\[]")


@lru_cache(maxsize=256)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a path below the root matches one of the patterns. ``*`` spans folders too; ``**/`` may stand for no
    folder; ``.pdf`` is ``.PDF``; composed and decomposed letters are the same."""
    forms = [_folded(pattern) for pattern in patterns]
    match = _any_of([*forms, *(form.removeprefix("**/").replace("/**/", "/") for form in forms)])
    return lambda path: match(_folded(path)) is not None


@lru_cache(maxsize=256)
def within(places: frozenset[str]) -> Callable[[str], bool]:
    """Whether a path below the root is in one of the places: ``hr/`` is a folder with all below, ``hr`` that folder or
    a file of that name, and what holds ``*``, ``?`` or ``[`` a pattern. Letters and case as `matcher` has them."""
    folders = tuple(_folded(place).rstrip("/") + "/" for place in places if not _GLOB.search(place))
    files = {_folded(place) for place in places if not place.endswith("/")}
    matches = matcher(tuple(sorted(place for place in places if _GLOB.search(place))))

    def inside(path: str) -> bool:
        folded = _folded(path)
        return folded in files or folded.startswith(folders) or matches(path)

    return inside


def _any_of(patterns: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)").match


def _folded(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()
