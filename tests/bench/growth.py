"""Whether memory grows with the documents: the largest resident memory of `rag ingest` over N made-up documents and
over ten times as many, with the real model.

What the indexes hold in memory is not counted: it is what a search in the finished home takes more than one in an empty
home. Size: ``BENCH_GROWTH`` (N, 200).
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.machine import ROOT, run, whole

_EVEN = (0, 4)  # found something, or nothing


def measure() -> dict[str, Any]:
    """Empty, N, ten times N."""
    count = whole("BENCH_GROWTH", 200)
    with tempfile.TemporaryDirectory() as folder:
        empty, few, many = (_sized(Path(folder) / str(size), size) for size in (0, count, 10 * count))
    index_few, index_many = (max(0, row["open_mb"] - empty["open_mb"]) for row in (few, many))
    net_few, net_many = few["peak_mb"] - index_few, many["peak_mb"] - index_many
    return {
        "few": few,
        "many": many,
        "open_empty_mb": empty["open_mb"],
        "index_mb": [index_few, index_many],
        "peak_net_of_index_mb": [net_few, net_many],
        "growth": round(net_many / net_few, 2),
        "growth_target": "<= 1.2",
        "beyond_opening_mb": [few["peak_mb"] - few["open_mb"], many["peak_mb"] - many["open_mb"]],
        "growth_of_the_whole": round(many["peak_mb"] / few["peak_mb"], 2),
    }


def _sized(work: Path, documents: int) -> dict[str, Any]:
    docs, home, config = work / "docs", work / "home", work / "rag.toml"
    docs.mkdir(parents=True)
    config.write_text('[llm]\nprovider = "none"\n', encoding="utf-8")
    make_documents(docs, documents)
    command: list[str | Path] = [sys.executable, "-m", "rag", "--config", config, "--home", home, "--json"]
    cost, said = run([*command, "ingest", docs])
    report = json.loads(said)
    opened, _ = run([*command, "search", "Urlaub im Sommer"], codes=_EVEN)
    return {
        "documents": report["added"],
        "chunks": report["chunks"],
        "wall_s": cost.wall_s,
        "cpu_s": cost.cpu_s,
        "peak_mb": cost.peak_mb,
        "peak_tree_mb": cost.peak_tree_mb,
        "open_mb": opened.peak_mb,
    }


def make_documents(docs: Path, count: int) -> None:
    """Texts of about 1,500 letters: sentences of the sample, shuffled, always the same."""
    sentences = [
        sentence
        for file in sorted((ROOT / "data/sample").rglob("*"))
        if file.suffix in (".md", ".txt")
        for sentence in re.split(r"(?<=[.!?])\s+", file.read_text(encoding="utf-8", errors="replace"))
        if 30 < len(sentence) < 200
    ]
    chance = random.Random(7)
    for number in range(count):
        folder = docs / f"folder-{number % 20:02}"
        folder.mkdir(exist_ok=True)
        body = "\n\n".join(
            f"{sentence} ({number}.{place})" for place, sentence in enumerate(chance.choices(sentences, k=14))
        )
        (folder / f"text-{number}.txt").write_text(body + "\n", encoding="utf-8")
