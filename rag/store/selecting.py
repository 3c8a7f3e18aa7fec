"""How Chroma is asked for what a reader may see, where the vectors do not fit into memory.

Its filter costs time by the rows there are and by those it matches (of 100,000 a tenth of a second and more); leaving
out afterwards what may not be seen loses neighbours of whoever sees little. So the nearest are fetched unfiltered and
in excess where a reader sees a quarter or more of all; by filter below that, or where too few of those fetched were
theirs; and not from Chroma at all where few rows of a large index are to be seen: those in the ledger are looked at
sooner.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from rag.access import Grant
from rag.store.rows import Facets

Counts: TypeAlias = Mapping[Facets, int]  # facets without a document → rows

_LEAST_SHARE = 0.25
_EXCESS = 1.5
_FEW, _LARGE = 10_000, 20_000
_KEPT_S = 60.0


class Shares:
    """How much of an index a grant admits. Counted anew every minute: only the way of asking hangs on it."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._count = counts
        self._counts: Counts = {}
        self._until = 0.0

    def excess(self, grant: Grant, language: str, k: int) -> int | None:
        """How many rows to fetch so that about k of this language are admitted; None: better ask by filter."""
        share = self._seen(grant, (language,)) / max(1, sum(self._counts.values()))
        return math.ceil(_EXCESS * k / share) if share >= _LEAST_SHARE else None

    def few(self, grant: Grant, languages: Collection[str]) -> bool:
        """Whether so little of a large index is admitted that it is sooner looked at row by row."""
        seen = self._seen(grant, languages)
        return seen <= _FEW and sum(self._counts.values()) >= _LARGE

    def _seen(self, grant: Grant, languages: Collection[str]) -> int:
        if time.monotonic() > self._until:
            self._counts, self._until = self._count(), time.monotonic() + _KEPT_S
        return sum(
            rows
            for own, rows in self._counts.items()
            if own.language in languages
            and grant.admits(acl_class=own.acl_class, source=own.source, language=own.language)
        )


def where(grant: Grant, language: str) -> dict[str, object]:
    """The grant as Chroma's filter."""
    terms: list[dict[str, object]] = [
        {"acl_class": {"$in": sorted(grant.acl_classes)}},
        {"language": {"$eq": language}},
    ]
    if grant.sources is not None:
        terms.append({"source": {"$in": sorted(grant.sources)}})
    return {"$and": terms}
