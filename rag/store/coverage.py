"""How much of a question's weight a text holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rag.store.analysis import content_words, german
from rag.store.compounds import held, parts
from rag.store.rarity import Rarity, idf
from rag.store.terms import Terms


class _Word(NamedTuple):
    """One that a question asks by: its stems, its parts where it is a compound, and its weight."""

    stems: frozenset[str]
    halves: tuple[str, ...]
    weight: float


def coverage(question: str, passages: Sequence[str], *, terms: Terms, rarity: Rarity) -> list[float]:
    """For each passage the share of the question's idf mass that it holds, 0 to 1.

    A word counts as held when its German or its English stem is there; in part when it is within a compound, or its own
    parts are there. What a word weighs, and what counts as a word that a compound is made of, is told by the chunks
    `rarity` counts.
    """
    asked = _asked(question, terms, rarity)
    total = sum(word.weight for word in asked)
    if not total:
        return [0.0 for _ in passages]
    return [_mass(asked, passage, terms) / total for passage in passages]


def _mass(asked: Sequence[_Word], passage: str, terms: Terms) -> float:
    there, english = set(terms.german(passage)), set(terms.english(passage))
    return sum(
        word.weight * (1.0 if word.stems & english else max(held(stem, word.halves, there) for stem in word.stems))
        for word in asked
    )


def _asked(question: str, terms: Terms, rarity: Rarity) -> list[_Word]:
    found: dict[frozenset[str], _Word] = {}
    for word in dict.fromkeys(content_words(question)):
        pairs = [("de", stem) for stem in terms.german(word)] + [("en", stem) for stem in terms.english(word)]
        if pairs:
            stems = frozenset(stem for _, stem in pairs)
            halves = parts(german(word).lower(), stem=terms.stem, known=lambda stem: rarity.frequency("de", stem) > 0)
            most = max(rarity.frequency(*pair) for pair in pairs)
            found[stems] = _Word(stems, halves, idf(rarity.chunks, most))
    return list(found.values())
