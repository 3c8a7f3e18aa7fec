"""Two rankings into one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rag.documents import ChunkId


def fuse(
    dense: Sequence[tuple[ChunkId, float]],
    lexical: Sequence[tuple[ChunkId, float]],
    *,
    weight: float,
    width: float,
    least: float | None = None,
) -> dict[ChunkId, float]:
    """Merge by a weighted sum of scores, best first, ties in order of first appearance.

    A dense score counts by how far it stands above `least`, by default the last of its list, in units of `width`: the
    distance a passage that says the very same has (a fixed unit, so that fifty equally poor candidates do not look
    like a winner and a loser). A lexical score counts as its share of the greatest, times `weight`, 0 to 1: how far
    the words may be trusted for this question. A chunk that one list lacks counts 0 there. Scores are 0 to about 2 and
    compare only within one call.

    Raises:
        ValueError: `weight` is out of range or `width` is not positive.
    """
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight is 0 to 1, not {weight}")
    if width <= 0.0:
        raise ValueError(f"width is positive, not {width}")
    scores = {name: 0.0 for name, _ in (*dense, *lexical)}
    floor = min((score for _, score in dense), default=0.0) if least is None else least
    for name, score in dense:
        scores[name] += max(0.0, score - floor) / width
    greatest = max((score for _, score in lexical), default=0.0)
    for name, score in lexical:
        if greatest > 0.0:
            scores[name] += weight * score / greatest
    return dict(sorted(scores.items(), key=lambda entry: -entry[1]))
