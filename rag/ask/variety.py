"""A list that does not say one thing many times: copies, near copies and one document's chunks. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from rag.answers import Passage

_FURTHER = 0.97
"""Each further passage of a document counts so much of its score, and so on: it stays where it is clearly better."""

_ALIKE = 0.85
_RUN = 4  # words
_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"\d")


def distinct(passages: Iterable[Passage]) -> Iterator[Passage]:
    """The passages, best first, without those that say the same again: the same text from a copy of the file, or all
    but the same from another form of it (of the runs of four words in either, 85 % in both, and every figure in both: a
    version that differs by one figure is another). Chunks of one document are copies only where they are equal.
    Source: Broder, "On the resemblance and containment of documents", 1997."""
    texts: set[str] = set()
    kept: dict[frozenset[str], list[_Likeness]] = defaultdict(list)
    for passage in passages:
        if passage.chunk.text in texts:
            continue
        texts.add(passage.chunk.text)
        likeness = _Likeness(passage)
        alike = kept[likeness.figures]
        if not any(likeness.nearly(other) for other in alike):
            alike.append(likeness)
            yield passage


def varied(passages: Sequence[Passage]) -> list[Passage]:
    """Best first, but no document crowds the list: each further passage of the same one counts a little less. Scores
    are what they then count."""
    before: dict[str, int] = defaultdict(int)
    counted = []
    for passage in passages:
        counted.append(replace(passage, score=passage.score * _FURTHER ** before[passage.key]))
        before[passage.key] += 1
    return sorted(counted, key=lambda passage: -passage.score)


class _Likeness:
    """What two passages that differ are compared by; what is dear is found out when it is asked for."""

    def __init__(self, passage: Passage) -> None:
        self._key, self._text = passage.key, passage.chunk.text
        self._words = _WORD.findall(self._text.lower())
        self.figures = frozenset(word for word in self._words if not word.isalpha() and _DIGIT.search(word))

    @cached_property
    def _runs(self) -> frozenset[tuple[str, ...]]:
        return frozenset(zip(*(self._words[start:] for start in range(_RUN)), strict=False))

    def nearly(self, other: _Likeness) -> bool:
        """Whether both are of different documents and all but the same; their figures are the same already."""
        short, long = sorted((len(self._text), len(other._text)))
        if self._key == other._key or short < _ALIKE * long:
            return False
        both = len(self._runs & other._runs)
        return both > 0 and both >= _ALIKE * (len(self._runs) + len(other._runs) - both)
