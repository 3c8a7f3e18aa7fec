"""What a machine needs: the memory of `rag serve` idle, searching and answering with the embedded model, the disk of a
home, the time of an ingest and of an answer. With the default settings, over the sample and N made-up documents of a
page each; and the disk and memory of an index of made-up chunks.

Sizes: ``BENCH_HARDWARE`` (N, 1000), ``BENCH_HARDWARE_CHUNKS`` (100000), ``BENCH_HARDWARE_QUESTIONS`` (6).
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.bench import made_up, scale
from tests.bench.growth import make_documents
from tests.bench.machine import ROOT, Busy, environment, run, tree_cpu_s, tree_mb, whole

_OPENS_S, _ANSWERS_S = 120.0, 600.0


def measure() -> dict[str, Any]:
    """Documents first, then chunks."""
    with tempfile.TemporaryDirectory() as folder:
        return {"documents": _documents(Path(folder)), "chunks": _chunks()}


def _documents(work: Path) -> dict[str, Any]:
    """Ingested, served, asked."""
    docs, home, config = work / "docs", work / "home", work / "rag.toml"
    docs.mkdir()
    config.write_text('[llm]\nprovider = "embedded"\n', encoding="utf-8")
    make_documents(docs, whole("BENCH_HARDWARE", 1000))
    command: list[str | Path] = [sys.executable, "-m", "rag", "--config", config, "--home", home]
    cost, said = run([*command, "--json", "ingest", docs])
    report = json.loads(said)
    disk = _disk(home)
    run([*command, "--json", "ingest", ROOT / "data/sample"])
    return {
        "added": report["added"],
        "chunks": report["chunks"],
        "ingest": {"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_tree_mb": cost.peak_tree_mb}
        | {"other_cores": cost.other_cores},
        "source_mb": _mb(docs),
        "disk_mb": disk,
        "serve": _served(command, work),
    }


def _served(command: list[str | Path], work: Path) -> dict[str, Any]:
    """Resident memory of `rag serve` and its children: started, after searches, the most while answering."""
    asked = [json.loads(line) for line in (ROOT / "data/golden/questions.jsonl").read_text("utf-8").splitlines()]
    texts = [one["text"] for one in asked if one["answerable"]][:: max(1, len(asked) // 40)]
    texts = texts[: whole("BENCH_HARDWARE_QUESTIONS", 6)]
    with _serving(command, work) as client:
        time.sleep(5.0)  # what is opened in the background
        found = {"idle_mb": round(tree_mb(os.getpid()))}
        for text in texts:
            client.post("/api/search", json={"query": text}).raise_for_status()
        found["searching_mb"] = round(tree_mb(os.getpid()))
        peak, ended, busy = [0.0], threading.Event(), Busy()

        def look() -> None:
            while not ended.wait(0.2):
                peak[0] = max(peak[0], tree_mb(os.getpid()))

        looking = threading.Thread(target=look)
        looking.start()
        used = -tree_cpu_s(os.getpid())
        answers = [client.post("/api/ask", json={"question": text}).raise_for_status().json() for text in texts]
        used += tree_cpu_s(os.getpid())
        ended.set()
        looking.join()
    seconds = sorted(one["timing_ms"]["total"] / 1000 for one in answers)
    return found | {
        "answering_peak_mb": round(peak[0]),
        "outcomes": [one["outcome"] for one in answers],
        "answer_s": {"median": round(statistics.median(seconds), 1), "all": [round(one, 1) for one in seconds]},
        "answer_cpu_s": round(used / max(1, sum(one["outcome"] != "nothing_found" for one in answers)), 1),
        "other_cores": busy.other_cores(),
    }


@contextmanager
def _serving(command: list[str | Path], work: Path) -> Iterator[httpx.Client]:
    """The service in a process of its own."""
    with (work / "serve.log").open("w+") as log:
        service = subprocess.Popen(
            [*command, "serve", "--port", "0", "--no-watch"], stderr=log, cwd=work, env=environment()
        )
        try:
            with httpx.Client(base_url=_address(work / "serve.log"), timeout=_ANSWERS_S, trust_env=False) as client:
                yield client
        finally:
            service.terminate()
            service.wait(30)


def _address(log: Path) -> str:
    """Where it says that it answers."""
    until = time.monotonic() + _OPENS_S
    while time.monotonic() < until:
        if said := re.search(r"http://[\d.]+:\d+", log.read_text("utf-8")):
            return said[0]
        time.sleep(0.1)
    raise RuntimeError(log.read_text("utf-8"))


def _chunks() -> dict[str, Any]:
    """The disk of a made-up index, and what a process holds for it, embedder included, once it was searched."""
    count = whole("BENCH_HARDWARE_CHUNKS", 100_000)
    world = made_up.World.of(count)
    asked = scale.questions(world)
    with scale.home(count) as home:
        before = _resident_mb()
        with scale.opened(home, world, asked) as retriever:
            assert retriever.vectors is not None and retriever.vectors.loading is not None
            retriever.vectors.loading.start()
            retriever.vectors.loading.wait(600)
            for text in asked:
                retriever.retrieve(text, principal=made_up.reader(1.0), k=8)
            held = _resident_mb() - before
        return {"count": count, "disk_mb": _disk(home), "resident_mb": round(held)}


def _disk(home: Path) -> dict[str, float]:
    """Each part of a home, and all."""
    parts = {path.name: _mb(path) for path in sorted(home.iterdir())}
    return {name: size for name, size in parts.items() if size >= 0.1} | {"all": round(sum(parts.values()), 1)}


def _mb(path: Path) -> float:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return round(sum(one.stat().st_blocks * 512 for one in files) / 1e6, 1)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
