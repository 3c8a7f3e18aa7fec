"""What reading the best passages token by token adds to a search, with the evidence weighed from it.

The sample company's documents and the golden questions: each question searched with reading and without, in turn, so
that both see the same machine. ``reading_ms`` is the difference, question by question.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rag.ask.retrieve import Retriever
from rag.evaluate import sets
from rag.ports import Embedder
from tests.bench.machine import ROOT, sample_app

_REPEATS = 3
_K = 8


class _Unread:
    """The embedder without its token vectors."""

    def __init__(self, embedder: Embedder) -> None:
        self.fingerprint, self.dimension, self.max_tokens = (
            embedder.fingerprint,
            embedder.dimension,
            embedder.max_tokens,
        )
        self.count_tokens, self.embed_passages, self.embed_question, self.close = (
            embedder.count_tokens,
            embedder.embed_passages,
            embedder.embed_question,
            embedder.close,
        )

    def tokens(self, texts: Sequence[str], *, question: bool) -> None:
        return None


def measure() -> dict[str, Any]:
    """Medians of three turns a question."""
    texts = [question.text for question in sets.read(ROOT / "data/golden").questions]
    with sample_app(provider="none") as app:
        whole = app.retriever
        bare = replace(whole, embedder=_Unread(whole.embedder))
        who = app.person("local")
        for text in texts[:3]:
            whole.retrieve(text, principal=who, k=_K)

        def taken(retriever: Retriever, text: str) -> float:
            began = time.perf_counter()
            retriever.retrieve(text, principal=who, k=_K)
            return (time.perf_counter() - began) * 1000

        rows = [[(taken(bare, text), taken(whole, text)) for _ in range(_REPEATS)] for text in texts]
    searching = [statistics.median(without for without, _ in row) for row in rows]
    reading = [statistics.median(with_ - without for without, with_ in row) for row in rows]
    return {
        "questions": len(texts),
        "search_ms": _spread(searching),
        "reading_ms": _spread(reading),
        "targets": "reading_ms <= 400",
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    cut = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 1), "p95": round(cut[-1], 1), "worst": round(max(values), 1)}
