"""What a record of the audit costs: opening and closing one, durably, as every answer does; and checking a long log."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, Principal, Token
from rag.answers import Passage
from rag.documents import Chunk, ChunkId, DocumentId, Span
from rag.store.audit import AuditLog, Making
from rag.store.chain import COUNCIL
from rag.store.ledger import Ledger
from rag.store.people import People

_ANSWERS = 1000
_TEXT = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage. " * 12


def measure() -> dict[str, Any]:
    """1,000 answers of eight passages each, of 40 people, names and questions kept."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a real disk, not a temporary one in memory
        home = Path(folder)
        ledger = Ledger(home / "ledger.sqlite")
        audit = AuditLog(home / "audit", people=People(ledger, keys=home / COUNCIL))
        opening, closing, bare = [], [], []
        other = os.open(home / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        worked = 0.0
        for number in range(_ANSWERS):
            bare.append(_bare(other))
            began, busy = time.perf_counter(), time.process_time()
            receipt = audit.open(
                question=f"{number}",
                principal=Principal(user=f"user {number % 40}"),
                channel=LOOPBACK,
                passages=[_passage(place) for place in range(8)],
                enough=True,
                links=[],
            )
            opened = time.perf_counter()
            audit.close_record(
                receipt, outcome="answered", model="m", digest="d", cited=["k" * 24], making=Making(prompt=_TEXT)
            )
            opening.append((opened - began) * 1000)
            closing.append((time.perf_counter() - opened) * 1000)
            worked += time.process_time() - busy
        both = [one + end for one, end in zip(opening, closing, strict=True)]
        os.close(other)
        began = time.perf_counter()
        fault = audit.verify()
        verified_s = time.perf_counter() - began
        size = sum(path.stat().st_size for path in (home / "audit").iterdir())
        audit.close()
        ledger.close()
    return {
        "answers": _ANSWERS,
        "opening_ms": _quantiles(opening),
        "closing_ms": _quantiles(closing),
        "both_ms": _quantiles(both),
        "both_cpu_ms": round(worked / _ANSWERS * 1000, 2),
        "disk_alone_ms": _quantiles(bare),
        "bytes_an_answer": round(size / _ANSWERS),
        "verified_records_a_second": round(2 * _ANSWERS / verified_s),
        "holds": fault is None,
    }


def _bare(file: int) -> float:
    """Two writes of as much, each made durable, and nothing else."""
    began = time.perf_counter()
    for _ in range(2):
        os.write(file, b"x" * 1300)
        os.fdatasync(file)
    return (time.perf_counter() - began) * 1000


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "worst": round(max(values), 2)}


def _passage(number: int) -> Passage:
    chunk = Chunk(
        id=ChunkId(f"{number}"),
        document_id=DocumentId(f"docs:{number}.txt"),
        version="v" * 64,
        span=Span(start=0, end=len(_TEXT)),
        ordinal=0,
        text=_TEXT,
    )
    admitted = (Token("everyone"), Token("group:hr"))
    return Passage(chunk=chunk, title="", uri="", score=1.0, key="k" * 24, admitted_by=admitted)
