"""How long after a save a document can be found, and how long after its removal it still can, while `rag watch` runs
over the sample with the real model.

Every save brings words that stand nowhere else; the owner of the home is asked for them over its socket until they are
there. Sizes: ``BENCH_SAVES`` (30: new files, edits in place, and edits that replace the file, in turn),
``BENCH_DELETES`` (10).
"""

from __future__ import annotations

import math
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag.client import Client
from rag.errors import RagError
from tests.bench.machine import ROOT, environment, run, whole

_SETTLING_S = 2.0
_POLL_S = 0.05
_PATIENCE_S = 60.0


def measure() -> dict[str, Any]:
    """Saves one after the other, then removals."""
    with tempfile.TemporaryDirectory() as name, _watched(Path(name)) as (docs, client):
        kinds: tuple[tuple[str, Callable[[Path, int], Path]], ...] = (
            ("new", _new),
            ("edited", _edited),
            ("replaced", _replaced),
        )
        saves = [(kind, _save(docs, client, number, write))
                 for number in range(whole("BENCH_SAVES", 30)) for kind, write in [kinds[number % 3]]]  # fmt: skip
        deletes = [_delete(docs, client, number) for number in range(whole("BENCH_DELETES", 10))]
        search = _search_ms(client)
    waits = [seconds for _, seconds in saves]
    late = [seconds - _SETTLING_S for seconds in waits]
    return {
        "settling_s": _SETTLING_S,
        "saves": len(waits),
        "save_to_searchable_s_p50": round(statistics.median(waits), 2),
        "save_to_searchable_s_p95": round(_p95(waits), 2),
        "beyond_settling_s_p50": round(statistics.median(late), 2),
        "beyond_settling_s_p95": round(_p95(late), 2),
        "beyond_settling_s_p95_target": "<= 1.5",
        "beyond_settling_s_worst": round(max(late), 2),
        "by_kind_s_p50": {
            kind: round(statistics.median(seconds for name, seconds in saves if name == kind), 2)
            for kind in dict.fromkeys(name for name, _ in saves)
        },
        "deletes": len(deletes),
        "delete_to_gone_s_p50": round(statistics.median(deletes), 2),
        "delete_to_gone_s_worst": round(max(deletes), 2),
        "delete_to_gone_s_target": f"<= {_SETTLING_S + 5}",
        "search_ms": round(search, 1),
    }


@contextmanager
def _watched(work: Path) -> Iterator[tuple[Path, Client]]:
    docs, home, config = work / "docs", work / "home", work / "rag.toml"
    shutil.copytree(ROOT / "data/sample", docs)
    for number in range(whole("BENCH_DELETES", 10)):
        (docs / f"old-{number}.md").write_text(_text(_word("leaving", number)), encoding="utf-8")
    for number in range(6):
        (docs / f"edited-{number}.md").write_text(_text(_word("staying", number)), encoding="utf-8")
    config.write_text('[llm]\nprovider = "none"\n', encoding="utf-8")
    command: list[str | Path] = [sys.executable, "-m", "rag", "--config", config, "--home", home]
    run([*command, "--json", "ingest", docs], codes=(0, 3))
    watch = subprocess.Popen(
        [*command, "watch"], cwd=work, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        client = Client(home, pid=watch.pid)
        _until(lambda: _finds(client, _word("leaving", 0)), "`rag watch` does not answer")
        time.sleep(_SETTLING_S)  # its own first sync
        yield docs, client
    finally:
        watch.send_signal(signal.SIGTERM)
        watch.wait(30)


def _save(docs: Path, client: Client, number: int, write: Callable[[Path, int], Path]) -> float:
    """Seconds from the end of the save until its words are found."""
    write(docs, number)
    began = time.monotonic()
    time.sleep(_SETTLING_S / 2)
    _until(lambda: _finds(client, _word("coming", number)), f"save {number} was never found")
    return time.monotonic() - began


def _delete(docs: Path, client: Client, number: int) -> float:
    (docs / f"old-{number}.md").unlink()
    began = time.monotonic()
    _until(lambda: not _finds(client, _word("leaving", number)), f"removal {number} was never seen")
    return time.monotonic() - began


def _new(docs: Path, number: int) -> Path:
    target = docs / "personal" / f"new-{number}.md"
    target.write_text(_text(_word("coming", number)), encoding="utf-8")
    return target


def _edited(docs: Path, number: int) -> Path:
    target = docs / f"edited-{number % 6}.md"
    with target.open("a", encoding="utf-8") as file:
        file.write(_text(_word("coming", number)))
    return target


def _replaced(docs: Path, number: int) -> Path:
    target = docs / f"edited-{number % 6}.md"
    before = target.read_text(encoding="utf-8")
    beside = target.with_name(f".{target.name}.new")
    beside.write_text(before + _text(_word("coming", number)), encoding="utf-8")
    return beside.replace(target)


def _text(word: str) -> str:
    return f"\n## About {word}\n\n" + "".join(
        f"The machine called {word} is looked after by team {place}; its papers lie in cupboard {place + 3}.\n\n"
        for place in range(6)
    )


def _word(kind: str, number: int) -> str:
    """A word that no other text has: letters only, so that no search takes it for a number."""
    return f"{kind}{''.join(chr(ord('a') + int(digit)) for digit in f'{number:04}')}xq"


def _finds(client: Client, word: str) -> bool:
    try:
        found = list(client.call("search", {"query": word, "k": 5}))[-1]
    except RagError:  # not up yet
        return False
    return any(word in passage["text"] for passage in found["passages"])


def _until(claim: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not claim():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(_POLL_S)


def _search_ms(client: Client) -> float:
    times = []
    for number in range(10):
        began = time.perf_counter()
        _finds(client, _word("coming", number))
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _p95(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]
