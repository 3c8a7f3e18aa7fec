"""How well one ranking of documents meets a question's needs. Pure.

A ranking holds each document once, the best first; a need is met at the first rank that holds one of its documents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Needs = Sequence[frozenset[str]]


def recall(ranking: Sequence[str], needs: Needs, k: int) -> float:
    """Share of the needs that the first `k` documents meet, 0 to 1."""
    return sum(rank <= k for rank in _ranks(ranking, needs)) / len(needs)


def ndcg(ranking: Sequence[str], needs: Needs, k: int) -> float:
    """Discounted gain of the first `k` documents over that of the best order there could be, 0 to 1.

    Each need gains ``1 / log2(rank + 1)`` where it is met; the best order meets ``min(k, needs)`` of them in turn.
    Source: Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 20(4), 2002.
    """
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(needs)) + 1))
    gained = [1 / math.log2(rank + 1) for rank in _ranks(ranking, needs) if rank <= k]
    return min(1.0, math.fsum(sorted(gained, reverse=True)[:k]) / ideal)


def reciprocal_rank(ranking: Sequence[str], needs: Needs, k: int) -> float:
    """One over the rank of the first document that meets any need; 0 where none of the first `k` does."""
    first = first_rank(ranking, needs)
    return 1 / first if first is not None and first <= k else 0.0


def first_rank(ranking: Sequence[str], needs: Needs) -> int | None:
    """The rank, from 1, of the first document that meets any need."""
    return min(_ranks(ranking, needs), default=None)


def _ranks(ranking: Sequence[str], needs: Needs) -> list[int]:
    """The rank, from 1, at which each need is met; those that are not met are left out."""
    places = {name: rank for rank, name in reversed(list(enumerate(ranking, 1)))}
    met = [min((places[name] for name in need if name in places), default=None) for need in needs]
    return [rank for rank in met if rank is not None]
