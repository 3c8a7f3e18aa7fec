"""Rows of nothing but blanks, so that the mean length of the rows is always the same. Pure.

BM25 measures a chunk's length against the mean of all, and tantivy takes that mean over everything it holds, whoever
may read it: long documents that somebody may not read would move the scores of those they may. So every chunk is
accompanied by rows that hold as many blanks as it lacks, and the mean is a constant whatever else there is. Chunks are
cut to a size, which is why a constant does: over nine corpora their mean was 58 to 68 words and 111 to 146 runs.

tantivy keeps the length of a row in a byte, and counts anew by these bytes when it merges rows away; so only lengths
that a byte can tell are used, a chunk's own being filled up by an eighth at the most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Final

MEANS: Final = {"de": 64, "en": 64, "runs": 128}
"""Field → its mean length in tokens. A change of them changes `rag.store.words.recipe`."""

BLANK: Final = "#"
"""A token that no text holds: none of what becomes of a text has this sign."""

_FILLED = 8  # a chunk's own length grows by no more than one part in so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanks:
    """Field → number of blanks: in the chunk's own row, and in each of those beside it."""

    own: dict[str, int]
    beside: tuple[dict[str, int], ...]


def blanks(**lengths: int) -> Blanks:
    """What evens out a chunk of these lengths: field → tokens."""
    return _blanks(tuple(lengths.items()))


@lru_cache(maxsize=50_000)
def _blanks(lengths: tuple[tuple[str, int], ...]) -> Blanks:
    least = max(length // MEANS[field] - 1 for field, length in lengths)  # fewer leave nothing to be filled up
    for rows in count(max(1, least)):
        found = {field: _evened(length, MEANS[field], rows) for field, length in lengths}
        if all(found.values()):
            break
    return Blanks(
        own={field: found[field][0] - length for field, length in lengths},
        beside=tuple({field: found[field][1 + row] for field, _ in lengths} for row in range(rows)),
    )


def _evened(length: int, mean: int, rows: int) -> list[int]:
    """The lengths of a chunk's row and those beside it, whose mean is this one; [] where so many cannot reach it."""
    for own in _between(length, length + length // _FILLED):
        left, parts = (rows + 1) * mean - own, [own]
        while left >= 0 and len(parts) <= rows:
            parts.append(_TOLD[bisect_right(_TOLD, left) - 1])
            left -= parts[-1]
        if not left:
            return parts
    return []


def _between(least: int, most: int) -> Iterator[int]:
    """The lengths from least to most that a byte can tell; the next one where there is none."""
    first = bisect_left(_TOLD, least)
    yield from _TOLD[first : max(first + 1, bisect_right(_TOLD, most))]


def _told() -> list[int]:
    """Every length that tantivy's byte can tell, smallest first: all up to 40, then ever fewer."""
    coarse = [(step & 7 | 8) << ((step >> 3) - 1) for step in range(8, 256 - 24)]
    return [*range(32), *(24 + length for length in coarse)]


_TOLD: Final = _told()
