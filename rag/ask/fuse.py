"""Two rankings into one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rag.documents import ChunkId


def fuse(
    dense: Sequence[tuple[ChunkId, float]], lexical: Sequence[tuple[ChunkId, float]], *, weight: float
) -> dict[ChunkId, float]:
    """Merge by the sum of normalised scores, the lexical one weighted.

    Dense scores are spread between the list's least and greatest, lexical ones divided by the greatest; a chunk that
    one list lacks counts 0 there. `weight` is 0 to 1: how far the words may be trusted for this question. The result is
    scaled to at most 1, best first, ties in order of first appearance.

    Raises:
        ValueError: `weight` is out of range.
    """
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight is 0 to 1, not {weight}")
    scores = {name: 0.0 for name, _ in (*dense, *lexical)}
    for name, value in _spread(dense):
        scores[name] += value / (1.0 + weight)
    greatest = max((score for _, score in lexical), default=0.0)
    for name, score in lexical:
        if greatest > 0.0:
            scores[name] += weight * score / greatest / (1.0 + weight)
    return dict(sorted(scores.items(), key=lambda entry: -entry[1]))


def _spread(ranking: Sequence[tuple[ChunkId, float]]) -> list[tuple[ChunkId, float]]:
    if not ranking:
        return []
    least = min(score for _, score in ranking)
    width = max(score for _, score in ranking) - least
    return [(name, (score - least) / width if width else 1.0) for name, score in ranking]
