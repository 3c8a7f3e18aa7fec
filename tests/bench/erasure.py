"""Erasing from a made-up home of 20,000 chunks: how soon nothing is found, how long until the certificate, measured
against copying the store; and 1,000 canaries in batches, each batch proven.

``BENCH_ERASURE`` chunks (20,000), ``BENCH_ERASURE_BATCHES`` batches of 50 canaries (1; the full size is 20).
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from rag.access import Grant
from rag.documents import ChunkId
from rag.govern.erase import Premises, erase
from rag.ingest.reconcile import level_vectors, level_words
from rag.ingest.renewing import Opened
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from tests.bench import made_up
from tests.bench.machine import whole

_BATCH = 5  # documents, of ten chunks each: 50 canaries


def measure() -> dict[str, Any]:
    """A fresh home; the copy is measured first, by the same way of writing."""
    count, batches = whole("BENCH_ERASURE", 20_000), whole("BENCH_ERASURE_BATCHES", 1)
    with tempfile.TemporaryDirectory() as folder:
        cache = os.environ.get("ARCHIVAR_BENCH_CACHE")
        source = Path(cache or folder) / f"scale-{count}"
        if not (source / "whole").exists():
            made_up.build(source, count)
        home = Path(folder) / "home"
        shutil.copytree(source, home)
        AuditLog(home / "audit").close()
        with closing(Ledger(home / "ledger.sqlite")) as ledger:
            ledger.adopt(made_up.FINGERPRINT, made_by="{}", own=True)
            before = _processor_s()
            copied = _copied_s(ledger, Path(folder) / "copy")
            between = _processor_s()
            rows = _erased(home, ledger, batches)
            after = _processor_s()
        seconds = [row["hidden_s"] + row["cleared_s"] + row["search_s"] for row in rows]
        return {
            "chunks": count,
            "canaries": sum(row["counts"]["chunks"] for row in rows),
            "batches": batches,
            "hidden_s": max(row["hidden_s"] for row in rows),
            "copy_s": copied,
            "certificate_s": round(statistics.median(seconds), 2),
            "times_copy": round(statistics.median(seconds) / sum(copied.values()), 2),
            "processor_s": {"copy": round(between - before, 1), "a_batch": round((after - between) / batches, 1)},
            "times_copy_of_processor": round((after - between) / batches / (between - before), 2),
            "search_s": round(statistics.median(row["search_s"] for row in rows), 2),
            "searched_mb": round(rows[0]["searched"]["bytes"] / 1e6, 1),
            "needles": rows[0]["looked_for"]["needles"],
            "remains": sum(len(row["remains"]) for row in rows),
            "proven": sum(row["erased"] for row in rows),
            "targets": "hidden_s <= 1, times_copy <= 1.5, remains 0",
        }


def _erased(home: Path, ledger: Ledger, batches: int) -> list[dict[str, Any]]:
    """Batch after batch, in a home that is open as the service has it; nothing of a batch is found after it."""
    vectors = VectorIndex(home / "chroma", fingerprint=made_up.FINGERPRINT, dimension=made_up.DIMENSION)
    words = WordIndex(home / "words")
    premises = Premises(home=home, ledger=ledger, opened=Opened(words=words, serving=vectors))
    rows = []
    try:
        keys = [entry.key for entry in ledger.entries()]
        for batch in range(batches):
            own = keys[batch :: max(1, len(keys) // _BATCH)][:_BATCH]
            gone = ledger.chunks_of(own)
            rows.append(erase(premises, own))
            _refuse_found(ledger, vectors, words, gone)
    finally:
        words.close()
        vectors.close()
    return rows


def _processor_s() -> float:
    """Processor seconds of this process and of its children that have ended: what a busy machine does not stretch."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(own.ru_utime + own.ru_stime for own in used)


def _refuse_found(ledger: Ledger, vectors: VectorIndex, words: WordIndex, gone: set[ChunkId]) -> None:
    left = gone & (ledger.chunk_ids() | vectors.ids() | words.ids())
    if left or words.search("Ordnung", grant=Grant(acl_classes=frozenset()), k=1):
        raise RuntimeError(f"{len(left)} erased chunks are still found")


def _copied_s(ledger: Ledger, copy: Path) -> dict[str, float]:
    """Live rows of each store into a directory of their own, one store after the other."""
    copy.mkdir()
    seconds = {}
    began = time.perf_counter()
    with closing(sqlite3.connect(ledger.path)) as source:
        source.execute("VACUUM INTO ?", (str(copy / "ledger.sqlite"),))
    seconds["ledger"] = time.perf_counter() - began
    began = time.perf_counter()
    with closing(WordIndex(copy / "words")) as words:
        level_words(ledger, words, writing=threading.RLock())
    seconds["words"] = time.perf_counter() - began
    began = time.perf_counter()
    with closing(VectorIndex(copy / "chroma", fingerprint=made_up.FINGERPRINT, dimension=made_up.DIMENSION)) as vectors:
        level_vectors(ledger, vectors, writing=threading.RLock())
    seconds["vectors"] = time.perf_counter() - began
    return {name: round(value, 2) for name, value in seconds.items()}
