"""Whether two current documents give different figures for the same thing. Pure.

Looked for is a pair of sentences in different documents that share nearly all their words, each with exactly one figure
of a kind, and the two figures differ. What sets two sentences apart that only look alike (another place, another
person, another product, another class) is a name, an identifier or a further figure that only one of them has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answers import Passage
from rag.ask.cite import Unit
from rag.ask.names import identifiers_of
from rag.ask.ordinary import LITTLE
from rag.ask.quantities import kinds_of, quantities_of
from rag.ask.visible import visible

Stems = Callable[[str], frozenset[str]]

_SHARED = 0.6
"""Least share of the words of both sentences together that both must hold."""
_LEAST_WORDS = 2
_WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two units of different documents that give different figures for the same thing."""

    one: Unit
    other: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    words: frozenset[str]
    figures: dict[str, str]
    marks: frozenset[str]


def conflicts(
    cited: Sequence[Unit], units: Sequence[Unit], passages: Sequence[Passage], stems: Stems
) -> list[Conflict]:
    """The conflicts between what is cited and everything else that is current; each pair of documents once."""
    current = [unit for unit in units if not passages[unit.passage].superseded_by]
    said = [(unit, _saying(unit, passages[unit.passage], stems)) for unit in current]
    found: list[Conflict] = []
    pairs: set[frozenset[str]] = set()
    for one in (unit for unit in cited if not passages[unit.passage].superseded_by):
        own = _saying(one, passages[one.passage], stems)
        for other, theirs in said:
            keys = frozenset({passages[one.passage].key, passages[other.passage].key})
            if len(keys) == 2 and keys not in pairs and _disagree(own, theirs):
                pairs.add(keys)
                found.append(Conflict(one=one, other=other))
    return found


def _saying(unit: Unit, passage: Passage, stems: Stems) -> _Saying:
    text = visible(unit.text)
    figures: dict[str, str] = {}
    for quantity in quantities_of(text):
        if quantity.kind:
            figures[quantity.kind] = "" if quantity.kind in figures else quantity.value
    words = [word for word in _WORD.findall(text) if word.lower() not in LITTLE and not kinds_of(word)]
    bare = frozenset(q.value for q in quantities_of(text) if not q.kind)
    capitals = frozenset(word.casefold() for word in words if word[:1].isupper())
    return _Saying(
        words=stems(" ".join(words)),
        figures=figures,
        marks=bare | frozenset(name.casefold() for name in identifiers_of(text)) | capitals,
    )


def _disagree(one: _Saying, other: _Saying) -> bool:
    shared, union = one.words & other.words, one.words | other.words
    if len(shared) < _LEAST_WORDS or len(shared) < _SHARED * len(union) or one.marks != other.marks:
        return False
    kinds = one.figures.keys() & other.figures.keys()
    if one.figures.keys() != other.figures.keys():
        return False
    differing = [kind for kind in kinds if one.figures[kind] != other.figures[kind]]
    return len(differing) == 1 and all(one.figures[kind] and other.figures[kind] for kind in differing)
