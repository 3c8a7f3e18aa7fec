"""An order that does not hang on the last digit of a sum. Pure.

Copies of one text score the same, but for the last digit: sums are made in another order where other rows lie between
them, rows the asker may not even read. So what differs by no more than that is a tie, and ties come in order of id.
"""

from __future__ import annotations

from collections.abc import Iterable

from rag.documents import ChunkId

_LAST_DIGITS = 1e-5  # of a score, or of 1: sums of single precision stay well below, different texts lie above


def steady(hits: Iterable[tuple[ChunkId, float]]) -> list[tuple[ChunkId, float]]:
    """Best first, those that tie in order of id and with the score of the best of them."""
    tied: list[tuple[float, ChunkId, float]] = []
    for name, score in sorted(hits, key=lambda hit: -hit[1]):
        same = bool(tied) and tie(tied[-1][2], score)
        tied.append((tied[-1][0] if same else score, name, score))
    return [(name, shared) for shared, name, _ in sorted(tied, key=lambda entry: (-entry[0], entry[1]))]


def tie(better: float, worse: float) -> bool:
    """Whether two scores that follow each other differ by their last digits only."""
    return better - worse <= _LAST_DIGITS * max(1.0, abs(better))
