"""Words that are not the same but of one family: ``Vollzeitstelle`` and ``Vollzeitbeschäftigte``, ``Urlaubstage`` and
``Erholungsurlaub``. Pure, of stems.

A model says again what a document says in a compound of its own. Two stems are kin where they begin alike, or one ends
as the other begins: they share what the thing is about. Two that only end alike (``Reisekosten``, ``Fahrtkosten``) are
two things of one sort, and no kin.
"""

from __future__ import annotations

from collections.abc import Set
from itertools import takewhile

_SHARED, _REST = 5, 3
"""Letters that two stems must share, and that must be left of each that goes on."""

_COUNTS = 0.5
"""What a word counts whose kin alone is there."""


def share(words: Set[str], there: Set[str]) -> float:
    """How many of the words a text with these stems holds; one of which it holds only kin counts half."""
    return len(words & there) + _COUNTS * sum(any(kin(word, other) for other in there) for word in words - there)


def kin(one: str, other: str) -> bool:
    """Whether two stems share a part that tells what they are about."""
    if min(len(one), len(other)) < _SHARED or not (one.isalpha() and other.isalpha()):
        return False
    if one[:_SHARED] not in other and other[:_SHARED] not in one:  # most pairs, told at once; nothing is remembered
        return False
    return _begin_alike(one, other) or _goes_on(one, other) or _goes_on(other, one)


def _begin_alike(one: str, other: str) -> bool:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return _parted(one, other, sum(1 for _ in same))


def _goes_on(one: str, other: str) -> bool:
    """Whether the other begins with what the one ends with."""
    longest = min(len(one), len(other))
    return any(one.endswith(other[:length]) and _parted(one, other, length) for length in range(longest, 0, -1))


def _parted(one: str, other: str, shared: int) -> bool:
    """Whether so many letters are enough, and what is left of each is nothing or a part of its own."""
    left = {len(one) - shared, len(other) - shared}
    return shared >= _SHARED and not left & set(range(1, _REST))
