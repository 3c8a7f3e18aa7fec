"""German or English, told by their commonest words. Enough to choose a stemmer and an answer's language."""

from __future__ import annotations

import re
from typing import Final

_GERMAN: Final = frozenset(
    (
        "der die das und ist nicht mit von für auf dem den des ein eine einer im zu werden wird sich auch als "
        "oder bei nach sind durch sowie aus am dass wir ich sie haben kann muss zur zum über"
    ).split()
)
_ENGLISH: Final = frozenset(
    (
        "the and of to is that for with on are this be by from or as at which not have it you we can must "
        "will an was has their your all if"
    ).split()
)
_GERMAN_QUESTION: Final = frozenset(
    "wer wie wo was wann warum wieso welche welcher welches wohin woher wofür darf gibt gibts mein meine mich mir bis "
    "vom beim ins ab wenn um bin hat".split()
)
_ENGLISH_QUESTION: Final = frozenset(
    "who how where what when why which whom does do did may my me i am s after before during need should there than "
    "much many get per our us any no".split()
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_SAMPLE_CHARS: Final = 60_000


def language_of(text: str) -> str | None:
    """The language of a text: "de", "en", or None where neither clearly leads (others, bare figures, code)."""
    sample = text if len(text) <= _SAMPLE_CHARS else text[: _SAMPLE_CHARS // 2] + " " + text[-_SAMPLE_CHARS // 2 :]
    words = _WORD.findall(sample.lower())
    german = sum(word in _GERMAN for word in words) + sum(any(c in "äöüß" for c in word) for word in words) // 4
    english = sum(word in _ENGLISH for word in words)
    if max(german, english) < max(2, len(words) // 20):
        return None
    if german > 1.3 * english:
        return "de"
    return "en" if english > 1.3 * german else None


def language_of_question(text: str) -> str:
    """The language a question is answered in: "de" or "en"; German where nothing tells, as in a lone name."""
    return told_by_question(text) or "de"


def told_by_question(text: str) -> str | None:
    """The language a question tells by its words: "de", "en", or None where neither leads.

    Questions are short, so one word is enough, and question words count.
    """
    words = _WORD.findall(text.lower())
    german = sum(word in _GERMAN or word in _GERMAN_QUESTION or any(c in "äöüß" for c in word) for word in words)
    english = sum(word in _ENGLISH or word in _ENGLISH_QUESTION for word in words)
    if german == english:
        return None
    return "en" if english > german else "de"
