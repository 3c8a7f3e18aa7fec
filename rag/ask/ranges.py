"""Ranges: who reads "2 to 4 weeks" and says "2 weeks" has told something else. Pure.

An end of a range stands for it only as the limit it is ("at most 4 weeks", "2 weeks or more"), or where a preposition
makes a case of it ("after 2 years"). Ranges of the clock are none: what is open from 8 to 12 opens at 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rag.ask.quantities import Quantity, Token, alike, tokens_of

_JOINS = frozenset({"bis", "to", "–", "−", "-"})
_BETWEEN = {"und": "zwischen", "and": "between"}
_LEAST = frozenset("mindestens wenigstens minimal minimum ab frühestens least from".split())
_MOST = frozenset("höchstens maximal maximum bis spätestens längstens most up until within binnen innerhalb".split())
_CASE = frozenset("bei nach mit seit je pro after with if for vor before".split())
_BEFORE = 3
"""Tokens before a figure that may say what it is the limit of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Both ends as figures are written, their units, and the places of their tokens."""

    low: str
    high: str
    kinds: frozenset[str]
    places: tuple[int, int]


def misread(statement: str, sources: Sequence[str]) -> bool:
    """Whether a statement gives one end of a range for the whole, takes it for the other limit, or turns it round."""
    said = tokens_of(statement)
    told = {(said[first].value, said[last].value) for first, last in _pairs(said)}
    for source in sources:
        if source.startswith("|"):  # a range in a table is the case a row is for
            continue
        there = tokens_of(source)
        for one in ranges_in(there):
            alone = {token.value for place, token in enumerate(there) if place not in one.places}
            if (one.high, one.low) in told:
                return True
            values = {token.value for token in said}
            if (one.low in values) == (one.high in values):
                continue
            end = one.low if one.low in values else one.high
            if end not in alone and any(_alone(said, place, one, end) for place in range(len(said))):
                return True
    return False


def ranges_in(tokens: Sequence[Token]) -> list[Range]:
    """The ranges of a text: two figures of one unit, the first the smaller, joined by "bis", "to" or a dash."""
    found = []
    for first, last in _pairs(tokens):
        low, high = tokens[first], tokens[last]
        kinds = (low.kinds | high.kinds) - {"", "clock"}
        if kinds and _is_less(low.value, high.value):
            found.append(Range(low=low.value, high=high.value, kinds=kinds, places=(first, last)))
    return found


def within(quantities: Iterable[Quantity], text: str) -> bool:
    """Whether one of these quantities lies in a range of the text that counts the same: 4 years in "3 to 5 years"."""
    ranges = ranges_in(tokens_of(text))
    return any(
        not _is_less(known.value, one.low) and not _is_less(one.high, known.value) and _is_figure(known.value)
        for known in quantities
        for one in ranges
        if any(alike(known.kind, kind) for kind in one.kinds)
    )


def _pairs(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """The places of two figures that are joined."""
    for first, token in enumerate(tokens):
        if token.value:
            join = first + 1
            if join < len(tokens) and tokens[join].kind and not tokens[join].value:  # 2 weeks to 4 weeks
                join += 1
            if join + 1 < len(tokens) and tokens[join + 1].value and _joins(tokens, first, join):
                yield first, join + 1


def _joins(tokens: Sequence[Token], first: int, join: int) -> bool:
    word = tokens[join].text.lower()
    if word in _JOINS:
        return True
    before = {token.text.lower() for token in tokens[max(0, first - 2) : first]}
    return _BETWEEN.get(word, "") in before


def _alone(said: Sequence[Token], place: int, one: Range, end: str) -> bool:
    """Whether the figure at a place is that end of the range, of its unit, and not as the limit or the case it is."""
    token = said[place]
    if token.value != end or not any(alike(kind, known) for kind in token.kinds for known in one.kinds if kind):
        return False
    before = {other.text.lower() for other in said[max(0, place - _BEFORE) : place]}
    right, wrong = (_LEAST, _MOST) if end == one.low else (_MOST, _LEAST)
    if before & wrong and not before & right:
        return True
    return not before & (right | _CASE)


def _is_figure(value: str) -> bool:
    return _is_less(value, "inf")


def _is_less(one: str, other: str) -> bool:
    try:
        return float(one) < float(other)
    except ValueError:  # a time, a fraction
        return False
