"""What of the passages a model is given: whole ones on a fast model, on a slow one the sentences that matter.

Nothing is cut without being told: how many passages were left out stands in the answer, and which in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answers import Passage
from rag.ask.cite import Unit

_log = logging.getLogger(__name__)

Cost = Callable[[Sequence[str]], int]
"""Tokens of a prompt with these texts, beyond one with none."""

Fits = Callable[[Sequence[str]], bool]
"""Whether a model can be given these texts together."""

GAP = "[…]"
"""Stands in a passage where sentences were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The passages a model reads, what of each, and how many were left out."""

    passages: tuple[Passage, ...]
    texts: tuple[str, ...]
    left_out: int


def whole(passages: Sequence[Passage], *, fits: Fits) -> Given:
    """As many whole passages as fit, best first; one always stays."""
    count = len(passages)
    while count > 1 and not fits([passage.chunk.text for passage in passages[:count]]):
        count -= 1
    return _given(passages, [passage.chunk.text for passage in passages[:count]])


def extract(
    passages: Sequence[Passage],
    units: Sequence[Unit],
    nearness: Sequence[float],
    *,
    fits: Fits,
) -> Given:
    """The sentences nearest to the question that fit, in the order of their documents, with a mark where some are left
    out; a table keeps its header row. `nearness` is per unit, higher is nearer. One sentence always stays."""
    order = sorted(range(len(units)), key=lambda place: -nearness[place])
    chosen: set[int] = set()
    for place in order:
        wider = chosen | {place} | _header(place, units)
        if chosen and not fits(_texts(passages, units, wider)):
            break
        chosen = wider
    texts = _texts(passages, units, chosen)
    kept = [number for number, text in enumerate(texts) if text]
    _tell([passage for number, passage in enumerate(passages) if number not in kept])
    return Given(
        passages=tuple(passages[number] for number in kept),
        texts=tuple(texts[number] for number in kept),
        left_out=len(passages) - len(kept),
    )


def _given(passages: Sequence[Passage], texts: Sequence[str]) -> Given:
    _tell(passages[len(texts) :])
    return Given(passages=tuple(passages[: len(texts)]), texts=tuple(texts), left_out=len(passages) - len(texts))


def _tell(left: Sequence[Passage]) -> None:
    if left:
        keys = [passage.key for passage in left]
        _log.info("Passages did not fit the prompt", extra={"action": "passages_left_out", "documents": keys})


def _header(place: int, units: Sequence[Unit]) -> set[int]:
    """The first row of the table a row stands in."""
    first = place
    while (
        units[first].text.startswith("|")
        and first > 0
        and units[first - 1].text.startswith("|")
        and units[first - 1].passage == units[place].passage
    ):
        first -= 1
    return {first}


def _texts(passages: Sequence[Passage], units: Sequence[Unit], chosen: set[int]) -> list[str]:
    texts = []
    for number, passage in enumerate(passages):
        own = [place for place, unit in enumerate(units) if unit.passage == number]
        kept = [place for place in own if place in chosen]
        pieces: list[str] = []
        for position, place in enumerate(kept):
            if place > own[0] and (position == 0 or kept[position - 1] != place - 1):
                pieces.append(GAP)
            pieces.append(units[place].text)
        if kept and kept[-1] != own[-1]:
            pieces.append(GAP)
        whole_passage = len(kept) == len(own)
        texts.append(passage.chunk.text if whole_passage and own else "\n".join(pieces))
    return texts
