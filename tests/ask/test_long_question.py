"""A question that is longer than the embedder reads is found by all of it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from rag.ask.long_question import question_vector
from rag.ports import TokenVectors, Vector, Vectors
from tests.models.random_texts import seed, text


class Letters:
    """Counts characters, reads forty of them, and remembers what it read."""

    fingerprint, dimension, max_tokens = "letters", 128, 40

    def __init__(self) -> None:
        self.read: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_question(text) for text in texts])

    def embed_question(self, text: str) -> Vector:
        self.read.append(text[: self.max_tokens])
        row = np.bincount([ord(c) % 128 for c in text[: self.max_tokens]], minlength=128).astype(np.float32)
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-12), np.float32)

    def tokens(self, texts: Sequence[str], *, question: bool) -> Sequence[TokenVectors] | None:
        return None

    def close(self) -> None:
        pass


def test_every_part_of_a_long_question_is_read() -> None:
    rng = random.Random(seed())
    for _ in range(200):
        question, embedder = text(rng, rng.randint(1, 2000)), Letters()
        vector = question_vector(embedder, question)
        assert "".join(embedder.read) == question
        assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-4)


def test_a_question_that_fits_is_read_as_it_is() -> None:
    embedder = Letters()
    assert (question_vector(embedder, "Urlaub?") == Letters().embed_question("Urlaub?")).all()
    assert embedder.read == ["Urlaub?"]


def test_what_stands_at_the_end_is_found_too() -> None:
    end = "Zz" * 20
    question = "a b " * 100 + end
    whole = question_vector(Letters(), question)
    cut = Letters().embed_question(question)
    assert whole @ Letters().embed_question(end) > cut @ Letters().embed_question(end)
