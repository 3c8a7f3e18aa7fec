"""Compounds and their parts, told by the words a corpus holds. Pure.

No word list ships with the product: a word is taken apart where both halves are words of the documents themselves
(``Urlaubstage``: Urlaub and Tage), so that the vocabulary is the company's own and goes when its documents go.
"""

from __future__ import annotations

from collections.abc import Callable, Set

_SHORTEST = 8  # letters of a compound
_PART = 3
_LINKS = ("", "s", "es", "n", "en", "er", "e")
_WITHIN = 0.7
"""What a compound that begins or ends with the word asked for counts, beside 1 for the word itself."""

Stem = Callable[[str], str]
"""A word to its stem; "" where it has none."""


def parts(word: str, *, stem: Stem, known: Callable[[str], bool]) -> tuple[str, ...]:
    """The stems of a compound's two halves, the later one as long as it can be; () where it is none. `known`: whether a
    stem is a word of the corpus."""
    if len(word) < _SHORTEST or not word.isalpha():
        return ()
    for place in range(_PART, len(word) - _PART + 1):
        last = stem(word[place:])
        if len(last) < _PART or not known(last):
            continue
        for link in _LINKS:
            first = stem(word[: place - len(link)]) if word[:place].endswith(link) else ""
            if len(first) >= _PART and known(first):
                return first, last
    return ()


def held(stem: str, halves: tuple[str, ...], there: Set[str]) -> float:
    """How far a text whose stems are `there` holds a word, 0 to 1: itself, or both its halves; one of them counts half,
    and a little less than all a compound that begins or ends with it."""
    if stem in there:
        return 1.0
    share = sum(half in there for half in halves) / len(halves) if halves else 0.0
    if share < _WITHIN and len(stem) >= 5 and any(other.startswith(stem) or other.endswith(stem) for other in there):
        return _WITHIN
    return share
