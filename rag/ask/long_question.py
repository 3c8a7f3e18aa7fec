"""The vector of a question of any length: one longer than the embedder reads is read in parts, none left out."""

from __future__ import annotations

import numpy as np

from rag.ports import Embedder, Vector

_SHORTEST = 16
"""Characters; shorter parts say nothing of their own."""


def question_vector(embedder: Embedder, question: str) -> Vector:
    """Of length 1. That of a long question is the mean of its parts', weighted by their length."""
    parts = _parts(embedder, question)
    if len(parts) == 1:
        return embedder.embed_question(question)
    rows = np.stack([embedder.embed_question(part) for part in parts])
    mean = np.average(rows, axis=0, weights=[len(part) for part in parts])
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _parts(embedder: Embedder, text: str) -> list[str]:
    """Halves of halves, at the white space nearest to the middle where there is any, until each fits."""
    if embedder.count_tokens(text) <= embedder.max_tokens or len(text) < 2 * _SHORTEST:
        return [text]
    middle = len(text) // 2
    spaces = [place for place, character in enumerate(text) if character.isspace() and 0 < place < len(text) - 1]
    cut = min(spaces, key=lambda place: abs(place - middle), default=middle)
    cut = cut if len(text) // 4 <= cut <= 3 * len(text) // 4 else middle
    return [*_parts(embedder, text[:cut]), *_parts(embedder, text[cut:])]
