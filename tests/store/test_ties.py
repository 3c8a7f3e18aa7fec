from __future__ import annotations

import random

from rag.documents import ChunkId
from rag.store.ties import steady


def hits(*found: tuple[str, float]) -> list[tuple[ChunkId, float]]:
    return [(ChunkId(name), score) for name, score in found]


def test_what_differs_by_its_last_digits_ties_and_comes_in_order_of_id() -> None:
    assert steady(hits(("b", 7.0), ("c", 7.000001), ("a", 6.999999), ("d", 8.0))) == hits(
        ("d", 8.0), ("a", 7.000001), ("b", 7.000001), ("c", 7.000001)
    )


def test_what_differs_by_more_keeps_its_order_and_its_score() -> None:
    assert steady(hits(("a", 0.5), ("b", 0.501), ("c", 12.001), ("d", 12.002))) == hits(
        ("d", 12.002), ("c", 12.001), ("b", 0.501), ("a", 0.5)
    )


def test_the_order_they_come_in_does_not_matter() -> None:
    found = hits(*((f"c{number}", 3.0 + (number % 4) * 1e-7 + (number % 3)) for number in range(40)))
    order = [name for name, _ in steady(found)]
    for seed in range(20):
        mixed = random.Random(seed).sample(found, len(found))
        assert [name for name, _ in steady(mixed)] == order
    assert steady([]) == []
