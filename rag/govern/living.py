"""What living documents hold of what was erased: a stretch that stands there proves nothing, and the documents that
hold a whole text are named, by key, in the certificate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.govern.byte_search import standing_in
from rag.govern.needles import Kind, Needles
from rag.store.ledger import Ledger

_FLOATS = (Kind.FLOAT32, Kind.FLOAT64, Kind.FLOAT16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """`stretches` that living documents or vectors hold too; `documents` → how many whole texts of the erased ones each
    holds."""

    stretches: frozenset[int]
    documents: dict[str, int]


def living(ledger: Ledger, needles: Needles, *, found: Collection[int], units: Sequence[int]) -> Living:
    """Which of the stretches found in files live on. `units` are the borders of the texts: the stretches from one to
    before the next were made of one text."""
    if not found:
        return Living(stretches=frozenset(), documents={})
    mates = {one for unit in pairwise(units) if not set(found).isdisjoint(range(*unit)) for one in range(*unit)}
    wanted = needles.without(set(needles.stretches.tolist()) - set(found) - mates)
    texts = standing_in(ledger.living_texts(), wanted.only(*(kind for kind in Kind if kind not in _FLOATS)))
    vectors = standing_in(ledger.living_vectors(), wanted.only(*_FLOATS))
    return Living(stretches=frozenset((*texts, *vectors)), documents=_whole(texts, units))


def _whole(texts: dict[int, set[str]], units: Sequence[int]) -> dict[str, int]:
    """Document → how many texts it holds every stretch of."""
    whole: dict[str, int] = defaultdict(int)
    for first, beyond in pairwise(units):
        holders = [texts.get(stretch, set()) for stretch in range(first, beyond)]
        for key in set.intersection(*holders) if holders else ():
            if key:
                whole[key] += 1
    return dict(whole)
