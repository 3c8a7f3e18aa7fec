"""Two languages in one index: nDCG@10 on XQuAD ``beir_mixed``, with and without the language-neutral scores.

Needs ``../shared/testdata``; a person elsewhere is told so. Takes about four minutes.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from rag.ask.neutral import languages_of
from rag.store.ledger import Ledger
from tests.bench.machine import ROOT, sample_app

_SET = ROOT.parent / "shared/testdata/xquad/beir_mixed"


def measure() -> dict[str, Any]:
    """Dense search alone, a paragraph a vector; 2,380 questions over 480 paragraphs."""
    if not _SET.is_dir():
        return {"skipped": "the shared test data is not beside the project"}
    corpus = [json.loads(line) for line in (_SET / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    queries = [json.loads(line) for line in (_SET / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    gold: dict[str, set[str]] = defaultdict(set)
    for line in (_SET / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, paragraph, _ = line.split("\t")
        gold[query].add(paragraph)
    with sample_app(provider="none") as app, tempfile.TemporaryDirectory() as folder:
        embedder = app.embedder
        languages = languages_of(embedder, Ledger(Path(folder) / "ledger.sqlite"))
        kept = [entry for entry in corpus if embedder.count_tokens(entry["text"]) <= embedder.max_tokens]
        passages = embedder.embed_passages([entry["text"] for entry in kept])
        spoken = [entry["lang"] for entry in kept]
        names = [entry["id"] for entry in kept]
        plain, neutral = [], []
        for query in queries:
            vector = embedder.embed_question(query["text"])
            scores = passages @ vector
            own = languages.likeness(vector)
            plain.append(_ndcg(scores, names, gold[query["id"]]))
            neutral.append(_ndcg(scores - np.asarray([own[name] for name in spoken]), names, gold[query["id"]]))
    return {
        "questions": len(queries),
        "ndcg@10_plain": round(float(np.mean(plain)), 3),
        "ndcg@10_neutral": round(float(np.mean(neutral)), 3),
    }


def _ndcg(scores: Any, names: list[str], gold: set[str]) -> float:
    best = [names[place] for place in np.argsort(-scores)[:10]]
    gained = sum(1 / math.log2(rank + 2) for rank, name in enumerate(best) if name in gold)
    return gained / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(gold))))
