"""The sentences that matter, within a budget. Pure.

On a processor every hundred prompt tokens cost a second or more before the first word, and a small model answers better
from five sentences than from five pages. So whole chunks are not sent: the sentences closest to the question are, each
with what stands around it as far as the budget goes, in the order of the document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.ask.cite import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What of one passage the model is given. `passage` counts from 0."""

    passage: int
    text: str


def excerpts(
    units: Sequence[Unit],
    relevance: Sequence[float],
    *,
    budget_tokens: int,
    count_tokens: Callable[[str], int],
) -> list[Excerpt]:
    """Choose units by relevance until the budget is used; the best passage first, its sentences in document order.

    A unit brings its neighbours' relevance along at a discount, so that an answer that runs over two sentences is not
    cut between them. At least one unit is always chosen, however small the budget.
    """
    spread = _spread(units, relevance)
    order = sorted(range(len(units)), key=lambda place: -spread[place])
    chosen: set[int] = set()
    left = budget_tokens
    for place in order:
        cost = count_tokens(units[place].text)
        if chosen and cost > left:
            continue
        chosen.add(place)
        left -= cost
    by_passage: dict[int, list[int]] = defaultdict(list)
    for place in sorted(chosen):
        by_passage[units[place].passage].append(place)
    best_first = sorted(by_passage, key=lambda number: -max(spread[place] for place in by_passage[number]))
    return [Excerpt(passage=number, text=_joined(units, by_passage[number])) for number in best_first]


def _spread(units: Sequence[Unit], relevance: Sequence[float]) -> list[float]:
    spread = list(relevance)
    for place, unit in enumerate(units):
        for other, discount in ((place - 1, 0.97), (place + 1, 0.97)):
            if 0 <= other < len(units) and units[other].passage == unit.passage:
                spread[place] = max(spread[place], relevance[other] * discount)
    return spread


def _joined(units: Sequence[Unit], places: Sequence[int]) -> str:
    text, before = "", None
    for place in places:
        if before is not None:
            text += "\n" if units[place].text.startswith("|") else " " if place == before + 1 else " … "
        text += units[place].text
        before = place
    return text
