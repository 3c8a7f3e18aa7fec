"""German or English, told by their commonest words. Enough to choose a stemmer and an answer's language."""

from __future__ import annotations

import re
from typing import Final

_GERMAN: Final = frozenset(
    (
        "der die das und ist nicht mit von für auf dem den des ein eine einer im zu werden wird sich auch als oder "
        "bei nach sind durch sowie aus am dass wir ich sie haben kann muss zur zum über"
    ).split()
)
_ENGLISH: Final = frozenset(
    (
        "the and of to is that for with on are this be by from or as at which not have it you we can must will an was "
        "has their your all if"
    ).split()
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_SAMPLE_CHARS: Final = 60_000


def language_of(text: str) -> str | None:
    """ "de", "en", or None where neither clearly leads (other languages, bare figures, code)."""
    sample = text if len(text) <= _SAMPLE_CHARS else text[: _SAMPLE_CHARS // 2] + " " + text[-_SAMPLE_CHARS // 2 :]
    words = _WORD.findall(sample.lower())
    german = sum(word in _GERMAN for word in words) + sum(any(c in "äöüß" for c in word) for word in words) // 4
    english = sum(word in _ENGLISH for word in words)
    if max(german, english) < max(2, len(words) // 20):
        return None
    if german > 1.3 * english:
        return "de"
    return "en" if english > 1.3 * german else None
