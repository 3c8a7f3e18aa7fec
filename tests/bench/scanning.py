"""What it costs to see that nothing changed, and that everything moved: beside a bare pass of scandir and stat over the
same tree, over a million files, and after the top folder was renamed.

Ten thousand tiny texts are embedded by a stand-in without weights; nothing here measures embedding. The million files
are one real text and sparse files whose ledger rows are copies of its row, so that a scan has to find them unchanged.

Sizes: ``BENCH_SCAN_FILES`` (10,000 in 200 folders), ``BENCH_SCAN_MANY`` (1,000,000 in 1,000 folders; 0: left out),
``BENCH_SCAN_DIR`` (where the trees are made; default the temporary directory).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rag.app import App
from rag.documents import Listing
from rag.ports import Vectors
from rag.settings import Settings
from rag.settings.file import load
from tests.bench.machine import Cost, run, whole
from tests.standins import WordEmbedder

_SEED = "seed.txt"
_NOTE = "note-"
_TURNS = 7


def measure() -> dict[str, Any]:
    """The unchanged tree, the moved tree, the large tree."""
    place = os.environ.get("BENCH_SCAN_DIR")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        found = _small(Path(folder), whole("BENCH_SCAN_FILES", 10_000))
    many = whole("BENCH_SCAN_MANY", 1_000_000)
    if many:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            found["many"] = _many(Path(folder), many)
    return found


# ---- ten thousand ----


def _small(work: Path, files: int) -> dict[str, Any]:
    root, home = work / "tree", work / "home"
    _notes(root / "company", files, folders=200)
    app = _quick(home)
    with app:
        app.sources.register(root)
        began = time.perf_counter()
        first = app.ingest()
        filled = time.perf_counter() - began
        unchanged = _unchanged(app, root)
    opened = _opened(home)
    app = _quick(home)
    with app:
        moved = _moved(app, root)
    return {
        "files": files,
        "first_ingest_s": round(filled, 1),
        "first_ingest_added": first.added,
        **unchanged,
        "files_opened": opened,
        "files_opened_target": 0,
        "move_of_the_tree": moved,
    }


def _unchanged(app: App, root: Path) -> dict[str, Any]:
    """Product and bare pass in turn, all in memory."""
    app.ingest()
    bare, ours, reports = [], [], []
    for _ in range(_TURNS):
        began = time.perf_counter()
        seen = _bare(root)
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        reports.append(app.ingest())
        ours.append(time.perf_counter() - began)
    return {
        "bare_files": seen,
        "unchanged": min(report.unchanged for report in reports),
        "bare_ms_median": round(statistics.median(bare) * 1000, 1),
        "sync_ms_median": round(statistics.median(ours) * 1000, 1),
        "sync_to_bare": round(statistics.median(ours) / statistics.median(bare), 2),
        "sync_to_bare_target": "<= 2",
    }


def _bare(root: str | Path) -> int:
    """Files below a folder, each looked at."""
    count = 0
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                count += _bare(entry.path)
            else:
                entry.stat(follow_symlinks=False)
                count += 1
    return count


def _moved(app: _QuickApp, root: Path) -> dict[str, Any]:
    (root / "company").rename(root / "firm")
    app.embedder.texts = 0
    began = time.perf_counter()
    report = app.ingest()
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "moved": report.moved,
        "added": report.added,
        "removed": report.removed,
        "held": report.held,
        "texts_embedded": app.embedder.texts,
        "texts_embedded_target": 0,
    }


def _opened(home: Path) -> int:
    """How many of the tree's files a sync opens, in any of its processes where strace is there to tell."""
    again: list[str | Path] = [sys.executable, "-m", "tests.bench.scanning", "again", home]
    if shutil.which("strace") is None:
        return int(run(again)[1])
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "calls"
        run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", trace, *again])
        lines = trace.read_text(errors="replace").splitlines()
    return sum(f"{_NOTE}" in line and "O_DIRECTORY" not in line and " ENOENT " not in line for line in lines)


def _again(home: Path) -> int:
    """Sync once more; gives the number of the tree's files that were opened, as Python saw it."""
    opened: list[object] = []
    sys.addaudithook(lambda event, args: opened.append(args) if event == "open" and _NOTE in str(args[0]) else None)
    with _quick(home) as app:
        app.ingest()
    return len(opened)


class _Counting(WordEmbedder):
    texts = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return super().embed_passages(texts)


class _QuickApp(App):
    @cached_property
    def embedder(self) -> _Counting:
        """The stand-in."""
        return _Counting()


def _quick(home: Path) -> _QuickApp:
    settings: Settings = load(config=None, home=home, environ=os.environ)
    return _QuickApp(replace(settings, llm=replace(settings.llm, provider="none")))


def _notes(root: Path, files: int, *, folders: int) -> None:
    for number in range(files):
        folder = root / f"folder-{number % folders:03}"
        if number < folders:
            folder.mkdir(parents=True)
        (folder / f"{_NOTE}{number}.txt").write_text(f"Note {number} is about matter {number * 7919 % 100_003}.\n")


# ---- a million ----


def _many(work: Path, files: int) -> dict[str, Any]:
    """The command itself, with the real embedder configured: what it holds with one document, and with all."""
    root, home, config = work / "tree", work / "home", work / "rag.toml"
    root.mkdir()
    (root / _SEED).write_text("Whoever is ill calls the office before nine in the morning.\n")
    config.write_text('[llm]\nprovider = "none"\n', encoding="utf-8")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "rag",
        "--config",
        config,
        "--home",
        home,
        "--json",
        "ingest",
        root,
    ]
    run(command)
    alone, _ = _sync(command)
    began = time.perf_counter()
    _sparse(root, files - 1)
    made = time.perf_counter() - began
    began = time.perf_counter()
    _, said = run([sys.executable, "-m", "tests.bench.scanning", "fill", home])
    filled = time.perf_counter() - began
    began = time.perf_counter()
    _bare(root)
    bare = time.perf_counter() - began
    first, _ = _sync(command)
    cost, report = _sync(command)
    return {
        "files": files,
        "rows": int(said),
        "made_s": round(made, 1),
        "filled_s": round(filled, 1),
        "unchanged": report["unchanged"],
        "worked_on": sum(report[name] for name in ("added", "replaced", "moved", "removed")) + len(report["failed"]),
        "bare_s": round(bare, 1),
        "first_scan_command_s": first.wall_s,
        "first_scan_peak_mb": first.peak_mb,
        "warm_scan_s": report["seconds"],
        "warm_scan_s_target": "< 60",
        "warm_scan_command_s": cost.wall_s,
        "peak_mb": cost.peak_mb,
        "peak_mb_with_one_document": alone.peak_mb,
        "peak_mb_of_the_scan": round(cost.peak_mb - alone.peak_mb),
        "peak_mb_target": "< 300",
        "ledger_mb": round(sum(path.stat().st_size for path in home.glob("ledger.sqlite*")) / 2**20),
    }


def _sync(command: Sequence[str | Path]) -> tuple[Cost, dict[str, Any]]:
    cost, said = run(command, codes=(0, 3))
    report: dict[str, Any] = json.loads(said)
    return cost, report


def _sparse(root: Path, files: int) -> None:
    """Files of 64 bytes that take no block."""
    folders = 1000
    for number in range(folders):
        folder = root / f"folder-{number:04}"
        folder.mkdir()
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for inner in range(files // folders + (number < files % folders)):
            file = os.open(f"{_NOTE}{inner}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=here)
            os.ftruncate(file, 64)
            os.close(file)
        os.close(here)


def _fill(home: Path) -> int:
    """Give every listed file a row like the seed's; returns how many rows there are then.

    What differs follows from the seed's own row: its key becomes another, its stamp the file's, and what ends in its
    name (id, address) ends in the file's path.
    """
    with _quick(home) as app:
        (connector,) = app.sources.connectors()
        listings = [entry for entry in connector.listings() if isinstance(entry, Listing)]
    ledger = sqlite3.connect(home / "ledger.sqlite", isolation_level=None)
    ledger.row_factory = sqlite3.Row
    ledger.execute("PRAGMA cache_size = -1000000")  # keys are random: every page is written to all the time
    ledger.execute("PRAGMA synchronous = OFF")
    (seed,) = [listing for listing in listings if listing.id.endswith(f":{_SEED}")]
    row = dict(ledger.execute("SELECT * FROM documents WHERE id = ?", (seed.id,)).fetchone())
    marks = ", ".join("?" for _ in row)
    ledger.execute("BEGIN")
    ledger.executemany(
        f"INSERT INTO documents ({', '.join(row)}) VALUES ({marks})", _rows(row, seed, connector.name, listings)
    )
    ledger.execute("COMMIT")
    count: int = ledger.execute("SELECT count(*) FROM documents").fetchone()[0]
    ledger.close()
    return count


def _rows(row: dict[str, Any], seed: Listing, source: str, listings: Sequence[Listing]) -> Iterator[tuple[Any, ...]]:
    named = {name for name, value in row.items() if isinstance(value, str) and value.endswith(_SEED)}
    stamped = {name for name, value in row.items() if value == seed.stamp}
    if "id" not in named or not stamped:
        raise RuntimeError("the ledger keeps ids or stamps in another way now: mend this bench")
    for listing in listings:
        if listing.id != seed.id:
            path = listing.id.removeprefix(f"{source}:")
            yield tuple(
                secrets.token_hex(12)
                if name == "key"
                else listing.stamp
                if name in stamped
                else value.removesuffix(_SEED) + path
                if name in named
                else value
                for name, value in row.items()
            )


if __name__ == "__main__":
    print({"again": _again, "fill": _fill}[sys.argv[1]](Path(sys.argv[2])))
