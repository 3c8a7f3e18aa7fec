"""How rare a word is among what one reader may see.

BM25 weighs a word by the number of texts that hold it. tantivy counts them over the whole index, so that documents
somebody may not read would change the scores, and with them the order, of those they may. Here it is counted over the
reader's rights classes: each chunk carries, beside its words, a mark of each word with its class, and how many chunks
of a class hold a word is one look-up in tantivy's dictionary.

A chunk that is deleted, or gets other rights, counts in the class it had until tantivy merges its row away: what a
reader could have counted while it was theirs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

MARKS: Final = "marks"
"""The field of the marks."""

ROW: Final = "#"
"""What every row is marked with, the rows of blanks too."""

_LETTERS: Final = {"de": "d", "en": "e", "runs": "r", "names": "n"}
_FEW = 16  # classes: each is looked up; of more the dictionary is read, which tells all classes that hold a word


class Counts(Protocol):
    """tantivy's searcher, as far as it counts. Deleted rows count until they are merged away."""

    def doc_freq(self, field_name: str, field_value: str) -> int:
        """How many rows hold a term."""
        ...

    def terms_with_prefix(self, field_name: str, prefix: str) -> list[tuple[str, int]]:
        """Every term that begins so, and how many rows hold it."""
        ...


def marks(terms: Mapping[str, Iterable[str]], acl_class: int) -> str:
    """What a chunk is marked with. `terms`: field → the chunk's terms."""
    found = {f"{_LETTERS[field]}{term}|{acl_class}" for field, own in terms.items() for term in own}
    return " ".join([ROW, f"{ROW}|{acl_class}", *sorted(found)])


def marked(index: Counts, field: str, term: str) -> set[tuple[str, str]]:
    """The marks of a term that the index holds, as field and term."""
    if field not in _LETTERS:
        return set()
    return {(MARKS, mark) for mark, _ in index.terms_with_prefix(MARKS, f"{_LETTERS[field]}{term}|")}


class Rarity:
    """For one reader and one question. `chunks`: how many there are of theirs."""

    def __init__(self, index: Counts, classes: Collection[int]) -> None:
        self._index, self._classes = index, classes
        self._known: dict[tuple[str, str], int] = {}
        self._rows = index.doc_freq(MARKS, ROW)
        self._all = False
        if len(classes) > _FEW:
            there = self._by_class(ROW)
            self._all = there.keys() <= set(classes)
        self.chunks = self._of_classes(ROW)

    def frequency(self, field: str, term: str) -> int:
        """In how many of their chunks a term stands."""
        key = (field, term)
        if key not in self._known:
            self._known[key] = (
                self._index.doc_freq(field, term) if self._all else self._of_classes(_LETTERS[field] + term)
            )
        return self._known[key]

    def weight(self, field: str, term: str) -> float:
        """Inverse document frequency, 0 and up: that of BM25; 0 for a term that none of their chunks holds."""
        held = self.frequency(field, term)
        return idf(self.chunks, held) if held else 0.0

    def correction(self, field: str, term: str) -> float:
        """What tantivy's score of a term is to be multiplied by, so that it is as if there were only their chunks."""
        return self.weight(field, term) / idf(self._rows, self._index.doc_freq(field, term))

    def _of_classes(self, marked: str) -> int:
        if len(self._classes) <= _FEW:
            return sum(self._index.doc_freq(MARKS, f"{marked}|{own}") for own in self._classes)
        return sum(number for own, number in self._by_class(marked).items() if own in self._classes)

    def _by_class(self, marked: str) -> dict[int, int]:
        found = self._index.terms_with_prefix(MARKS, f"{marked}|")
        return {int(mark[len(marked) + 1 :]): number for mark, number in found}


def idf(chunks: int, held: int) -> float:
    """BM25's weight of a term that so many of the chunks hold, as tantivy has it.
    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; Lucene's 1 + …"""
    return math.log(1 + (chunks - held + 0.5) / (held + 0.5))
