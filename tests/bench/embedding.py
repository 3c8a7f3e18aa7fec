"""Chunks a second of the default embedder on the sample's own chunks, and a question's milliseconds."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

from rag.models.catalogue import default_directory
from rag.models.embedder import open_embedder
from tests.bench.machine import sample_app


def measure() -> dict[str, Any]:
    """Three runs over all chunks, twenty questions."""
    with sample_app(provider="none") as app:
        texts = [chunk.indexed_text for chunk, _, _ in app.ledger.indexed(embedder=app.embedder.fingerprint)]
    embedder = open_embedder(models=default_directory(os.environ))
    tokens = statistics.mean(embedder.count_tokens(text) for text in texts)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        embedder.embed_passages(texts)
        rates.append(len(texts) / (time.perf_counter() - began))
    questions = []
    for number in range(20):
        began = time.perf_counter()
        embedder.embed_question(f"Wie viele Urlaubstage stehen mir im Jahr {2000 + number} zu?")
        questions.append((time.perf_counter() - began) * 1000)
    embedder.close()
    return {
        "chunks": len(texts),
        "tokens_mean": round(tokens),
        "chunks_per_s_median": round(statistics.median(rates), 1),
        "question_ms_median": round(statistics.median(questions), 1),
    }
