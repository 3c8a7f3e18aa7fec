"""Retrieval on public sets of questions, with plain BM25 and each half of our own search beside it in the same run, and
how well the evidence tells questions that have an answer from those that have none.

``ARCHIVAR_SETS`` names the sets to run, parted by commas (default all). ``ARCHIVAR_BENCH_CACHE`` is a folder in which
the indexes are kept for another run. Each distinct text is embedded, and read token by token, only once for all sets:
times are therefore not told here (`make bench BENCH=scale` and `golden` do).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from rag.app import App
from rag.evaluate import report, sets
from rag.evaluate.intervals import Figure
from rag.evaluate.summary import Summary
from rag.ports import Embedder, TokenVectors, Vector
from rag.settings import Settings
from rag.settings.file import load
from tests.bench.machine import TESTDATA

SETS = {
    "xquad-de": "xquad/beir_de",
    "xquad-en": "xquad/beir_en",
    "xquad-de2en": "xquad/beir_x_de2en",
    "xquad-en2de": "xquad/beir_x_en2de",
    "xquad-mixed": "xquad/beir_mixed",
    "squad2-a": "squad2/beir_a",
    "sourcegraph-handbook": "trees/sourcegraph-handbook",
    "xquad-de-unans": "xquad/beir_de_unans",
    "xquad-en-unans": "xquad/beir_en_unans",
}
"""Set → folder below the shared test data; those that lend others their vectors come first."""

_TARGETS = {
    "xquad-de": {"ndcg@10": ">= 0.985"},
    "xquad-en": {"ndcg@10": ">= 0.988"},
    "xquad-de2en": {"ndcg@10": ">= 0.94"},
    "xquad-en2de": {"ndcg@10": ">= 0.94"},
    "xquad-mixed": {"ndcg@10": ">= 0.88"},
    "squad2-a": {"ndcg@10": ">= 0.94", "auroc": ">= 0.64"},
    "sourcegraph-handbook": {"ndcg@10": ">= both parts + 0.02"},
    "xquad-de-unans": {"auroc": ">= 0.99", "false_answers@10": "<= 0.01"},
    "xquad-en-unans": {"auroc": ">= 0.99", "false_answers@10": "<= 0.01"},
}
_SHOWN = ("recall@1", "recall@5", "recall@10", "mrr@10", "auroc", "false_answers@10", "false_answers", "wrong_refusals")


def measure() -> dict[str, Any]:
    """Every set chosen."""
    if not TESTDATA.is_dir():
        return {"skipped": "needs the shared test data beside the project"}
    wanted = [name for name in os.environ.get("ARCHIVAR_SETS", "").split(",") if name] or list(SETS)
    unknown = [name for name in wanted if name not in SETS]
    if unknown:
        return {"skipped": f"no set is called {', '.join(unknown)}; there are {', '.join(SETS)}"}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keep = Path(os.environ.get("ARCHIVAR_BENCH_CACHE") or work / "kept")
        settings = load(config=None, home=work / "home", environ=os.environ)
        return {name: _set(name, settings, keep) for name in SETS if name in wanted}


def _set(name: str, settings: Settings, keep: Path) -> dict[str, Any]:
    asked = sets.read(TESTDATA / SETS[name], name=name)
    print(f"{name}: {len(asked.questions)} questions …", file=sys.stderr)
    row = _row(report.measure(asked, settings, opening=_remembering, keep=keep, baselines=True))
    print(json.dumps({name: row}), file=sys.stderr)  # a bench that is stopped later has not lost it
    return row


@contextmanager
def _remembering(settings: Settings) -> Iterator[App]:
    """An app whose embedder remembers."""
    with App(settings) as app:
        app.__dict__["embedder"] = _Remembering(app.embedder)
        yield app


class _Remembering:
    """The embedder, asked for each text once by all sets of a run."""

    _vectors: ClassVar[dict[str, Vector]] = {}
    _tokens: ClassVar[dict[tuple[bool, str], TokenVectors]] = {}

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.fingerprint, self.dimension = embedder.fingerprint, embedder.dimension
        self.max_tokens, self.count_tokens = embedder.max_tokens, embedder.count_tokens
        self.embed_passages, self.close = embedder.embed_passages, embedder.close

    def embed_question(self, text: str) -> Vector:
        if text not in self._vectors:
            self._vectors[text] = self._embedder.embed_question(text)
        return self._vectors[text]

    def tokens(self, texts: Sequence[str], *, question: bool) -> list[TokenVectors] | None:
        new = [text for text in dict.fromkeys(texts) if (question, text) not in self._tokens]
        found = self._embedder.tokens(new, question=question) if new else []
        if found is None:
            return None
        self._tokens.update({(question, text): tokens for text, tokens in zip(new, found, strict=True)})
        return [self._tokens[question, text] for text in texts]


def _row(summary: Summary) -> dict[str, Any]:
    """One line of the table: nDCG@10 of the search and of what it is held against, then the rest."""
    found: dict[str, Any] = {"ndcg@10": _said(summary.figures["ndcg@10"])}
    found |= {f"ndcg@10_{name}": _said(own["ndcg@10"]) for name, own in summary.baselines.items()}
    best = max((own["ndcg@10"].value, name) for name, own in summary.baselines.items() if name != "bm25")[1]
    found["gain_over_better_part"] = {"part": best} | _said(summary.gains[best])
    found |= {name: _said(summary.figures[name]) for name in _SHOWN if name in summary.figures}
    found |= {f"{name}_target": wanted for name, wanted in _TARGETS[summary.name].items()}
    return found | {"n": len(summary.results)}


def _said(figure: Figure) -> dict[str, Any]:
    return {"value": round(figure.value, 4), "interval": [round(figure.low, 4), round(figure.high, 4)]}
