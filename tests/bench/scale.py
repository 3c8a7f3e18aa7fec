"""A search over 100,000 made-up chunks: how long, how exact and how many at once, by how much the reader may see.

The question is embedded by the real model, so that its time counts; what is searched for is a made-up vector. The exact
answer is what looking at every visible row in the ledger gives. Building takes two minutes; a home in
``$ARCHIVAR_BENCH_CACHE`` is built once. Size: ``BENCH_SCALE`` (100000).
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.access import Grant, Principal
from rag.ask.neutral import LANGUAGES, Languages
from rag.ask.retrieve import Retriever
from rag.filters import NONE, Filters
from rag.models.catalogue import default_directory
from rag.models.embedder import open_embedder
from rag.ports import Embedder, Vector, Vectors
from rag.store.ledger import Ledger
from rag.store.loading import Loading
from rag.store.mirror import Mirror
from rag.store.selecting import Shares
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from tests.bench import made_up
from tests.bench.machine import whole

_SHARES = (0.01, 0.05, 0.25, 0.95, 1.0)
_QUESTIONS = 60
_REPEATS = 3
_CLIENTS = (1, 8, 32)
_K = 10


class _Asked:
    """The real model's time, and the vector of a made-up question."""

    fingerprint, dimension = made_up.FINGERPRINT, made_up.DIMENSION

    def __init__(self, embedder: Embedder, vectors: dict[str, Vector]) -> None:
        self._embedder, self._vectors, self.max_tokens = embedder, vectors, embedder.max_tokens
        self.count_tokens, self.embed_passages, self.tokens = (
            embedder.count_tokens,
            embedder.embed_passages,
            embedder.tokens,
        )

    def embed_question(self, text: str) -> Vector:
        self._embedder.embed_question(text)
        return self._vectors[text]

    def close(self) -> None:
        self._embedder.close()


def measure() -> dict[str, Any]:
    """In memory, then as it is without."""
    count = whole("BENCH_SCALE", 100_000)
    world = made_up.World.of(count)
    asked = questions(world)
    with home(count) as place, opened(place, world, asked) as retriever:
        index = retriever.vectors
        assert index is not None and index.loading is not None and index.mirror is not None
        files = {str(share): _dense_ms(retriever, share, asked, few=10) for share in _SHARES}
        began = time.perf_counter()
        index.loading.start()
        index.loading.wait(600)
        seconds = time.perf_counter() - began
        truth = _Truth(retriever)
        rows = {str(share): _by_share(retriever, truth, share, asked) for share in _SHARES}
        for share, row in rows.items():
            row["times_unfiltered"] = round(row["retrieve_ms"]["p50"] / rows["1.0"]["retrieve_ms"]["p50"], 2)
            row["dense_ms_without_memory"] = files[share]
        return {
            "chunks": count,
            "load_s": round(seconds, 2),
            "mirror_mb": round(index.mirror.nbytes / 2**20, 1),
            "stages_ms": _stages(retriever, asked),
            "by_share": rows,
            "narrowed_ms": _narrowed(retriever, asked),
            "clients": _clients(retriever, asked),
            "targets": "p95 <= 50 ms, times_unfiltered <= 5, recall@10 >= 0.97, 32 clients >= 0.8 of 8, none lost",
        }


def questions(world: made_up.World) -> dict[str, Vector]:
    """Text → vector, some German, some English."""
    chance = np.random.default_rng(21)
    return {
        f"{world.text(chance, int(chance.integers(4, 14)))} {number}?": world.vector(chance, LANGUAGES[number % 2])[0]
        for number in range(_QUESTIONS)
    }


@contextmanager
def home(count: int) -> Iterator[Path]:
    """A made-up home of so many chunks."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(os.environ.get("ARCHIVAR_BENCH_CACHE") or folder) / f"scale-{count}"
        if not (place / "whole").exists():
            made_up.build(place, count)
        yield place


@contextmanager
def opened(home: Path, world: made_up.World, asked: dict[str, Vector]) -> Iterator[Retriever]:
    """A retriever over it; the vectors are not loaded into memory yet."""
    ledger = Ledger(home / "ledger.sqlite")
    index = VectorIndex(home / "chroma", fingerprint=made_up.FINGERPRINT, dimension=made_up.DIMENSION)
    index.mirror = Mirror(made_up.DIMENSION, most_bytes=1 << 31)
    index.loading = Loading(index.mirror, ledger, embedder=made_up.FINGERPRINT, after=10**9)
    index.shares = Shares(ledger.facet_counts)
    words = WordIndex(home / "words")
    embedder = _Asked(open_embedder("openvino", models=default_directory(os.environ), model="e5-small"), asked)
    try:
        means = {language: 0.4 * mean for language, mean in world.means.items()}
        yield Retriever(
            ledger=ledger, vectors=index, words=words, embedder=embedder, languages=Languages(means=means, width=0.2)
        )
    finally:
        embedder.close()
        words.close()
        index.close()
        ledger.close()


class _Truth:
    """Every row of the ledger, looked at without any of the code that is measured."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        with retriever.ledger.every_vector(made_up.FINGERPRINT) as (_, pages):
            parts = list(pages)
        self._names = np.asarray([name for names, _, _ in parts for name in names])
        self._matrix: Vectors = np.concatenate([vectors for _, vectors, _ in parts])
        self._classes = np.asarray([own.acl_class for _, _, facets in parts for own in facets])
        self._languages = np.asarray([own.language for _, _, facets in parts for own in facets])

    def best(self, vector: Vector, classes: frozenset[int]) -> set[str]:
        scores: NDArray[np.float64] = (self._matrix @ vector).astype(np.float64)
        for language, own in self._retriever.languages.likeness(vector).items():
            scores[self._languages == language] -= own
        scores[~np.isin(self._classes, list(classes))] = -np.inf
        return set(self._names[np.argsort(-scores)[:_K]].tolist())

    def share(self, classes: frozenset[int]) -> float:
        return float(np.isin(self._classes, list(classes)).mean())


def _by_share(retriever: Retriever, truth: _Truth, share: float, asked: dict[str, Vector]) -> dict[str, Any]:
    who = made_up.reader(share)
    grant = Grant(acl_classes=retriever.ledger.readable_classes(who))
    recalled = [
        len(truth.best(vector, grant.acl_classes) & {name for name, _ in retriever.dense(vector, grant, 50)[:_K]}) / _K
        for vector in asked.values()
    ]
    return {
        "visible": round(truth.share(grant.acl_classes), 3),
        "recall@10": round(statistics.mean(recalled), 4),
        "dense_ms": _dense_ms(retriever, share, asked),
        "lexical_ms": _timed(lambda text: retriever.lexical(text, grant, 50), list(asked)),
        "retrieve_ms": _timed(lambda text: retriever.retrieve(text, principal=who, k=8), list(asked)),
    }


def _dense_ms(retriever: Retriever, share: float, asked: dict[str, Vector], few: int | None = None) -> dict[str, float]:
    grant = Grant(acl_classes=retriever.ledger.readable_classes(made_up.reader(share)))
    return _timed(lambda text: retriever.dense(asked[text], grant, 50), list(asked)[:few])


def _stages(retriever: Retriever, asked: dict[str, Vector]) -> dict[str, Any]:
    """Where the time goes, for who sees everything; long questions are a passage's length."""
    everything = Grant(acl_classes=retriever.ledger.readable_classes(made_up.reader(1.0)))
    texts = list(asked)
    long = [" ".join(texts[start : start + 8]) for start in range(0, len(texts) - 8, 4)]
    hits = dict(retriever.lexical(texts[0], everything, 50))
    return {
        "embed": _timed(retriever.embedder.embed_question, texts),
        "readable_classes": _timed(lambda _: retriever.ledger.readable_classes(made_up.reader(1.0)), texts),
        "lexical_long": _timed(lambda text: retriever.lexical(text, everything, 50), long),
        "passages": _timed(lambda _: retriever.ledger.passages(hits, made_up.reader(1.0)), texts),
    }


def _narrowed(retriever: Retriever, asked: dict[str, Vector]) -> dict[str, Any]:
    """A whole search under filters, a broad and a narrow one, and for a phrase; `first`: filters never asked before."""
    who, texts = made_up.reader(1.0), list(asked)
    broad = Filters(since=date(2020, 1, 20), types=frozenset(made_up.TYPES[:3]))
    narrow = Filters(paths=frozenset({"ordner7/"}))
    found: dict[str, Any] = {}
    for name, filters in {"nothing": NONE, "broad": broad, "narrow": narrow}.items():
        began = time.perf_counter()
        documents = retriever.ledger.grant(who, filters).documents
        first = (time.perf_counter() - began) * 1000
        found[name] = _timed(lambda text, f=filters: retriever.retrieve(text, principal=who, k=8, filters=f), texts)
        found[name] |= {"first": round(first, 1), "documents": None if documents is None else len(documents)}
    quoted = {f'"{" ".join(text.split()[:2])}"': vector for text, vector in asked.items()}
    asked.update(quoted)
    found["phrase"] = _timed(lambda text: retriever.retrieve(text, principal=who, k=8), list(quoted))
    for text in quoted:
        del asked[text]
    return found


def _timed(work: Callable[[str], Any], texts: list[str]) -> dict[str, float]:
    """Medians of three rounds, after one that does not count."""
    work(texts[0])
    rounds = []
    for _ in range(_REPEATS):
        taken = []
        for text in texts:
            began = time.perf_counter()
            work(text)
            taken.append((time.perf_counter() - began) * 1000)
        rounds.append(spread(taken))
    return {name: round(statistics.median(row[name] for row in rounds), 2) for name in ("p50", "p95")}


def spread(taken: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {f"p{share}": round(float(np.percentile(taken, share)), 2) for share in (50, 95)}


def _clients(retriever: Retriever, asked: dict[str, Vector]) -> dict[str, Any]:
    """Searches a second by clients at a time; `lost` counts answers that differ from those to a single client."""
    who = made_up.reader(0.25)
    expected = {text: _names(retriever, text, who) for text in asked}
    found: dict[str, Any] = {}
    for clients in _CLIENTS:
        rounds = [_round(retriever, expected, who, clients) for _ in range(_REPEATS)]
        found[str(clients)] = {
            "per_s": round(statistics.median(rate for rate, _ in rounds), 1),
            "lost": sum(lost for _, lost in rounds),
        }
    found["32_of_8"] = round(found["32"]["per_s"] / found["8"]["per_s"], 2)
    return found


def _round(retriever: Retriever, expected: dict[str, list[str]], who: Principal, clients: int) -> tuple[float, int]:
    texts = list(expected) * max(4, clients // 4)
    lost: list[str] = []
    places = iter(range(len(texts)))
    taking = threading.Lock()

    def ask() -> None:
        while True:
            with taking:
                place = next(places, None)
            if place is None:
                return
            try:
                if _names(retriever, texts[place], who) != expected[texts[place]]:
                    lost.append(texts[place])
            except Exception:  # whatever it is, this client got no answer
                lost.append(texts[place])

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(texts) / (time.perf_counter() - began), len(lost)


def _names(retriever: Retriever, text: str, who: Principal) -> list[str]:
    return [passage.chunk.id for passage in retriever.retrieve(text, principal=who, k=8).passages]
