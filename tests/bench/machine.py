"""How busy the machine was, what a command cost with all its children, and a home with the sample in it.

As a program, ``python -m tests.bench.machine FILE COMMAND…`` runs the command and writes its cost into FILE.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is measured must not pay for what measures
    from rag.app import App
    from rag.settings import Settings

ROOT = Path(__file__).parents[2]
TESTDATA = ROOT.parent / "shared/testdata"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Busy:
    """Counts from its making how many cores other processes kept busy; above 0.3 a wall-clock figure is not worth
    quoting."""

    def __init__(self) -> None:
        self._at, self._all, self._own = time.perf_counter(), _machine_s(), _own_s()

    def other_cores(self) -> float:
        """Cores kept busy by others, on average."""
        wall = time.perf_counter() - self._at
        return round(max(0.0, (_machine_s() - self._all) - (_own_s() - self._own)) / wall, 2)


@contextmanager
def sample_app(**llm: object) -> Iterator[App]:
    """The sample company, indexed in a home of its own; keyword arguments change `[llm]`."""
    from rag.app import App
    from rag.settings.file import load

    with tempfile.TemporaryDirectory() as home:
        settings: Settings = load(config=None, home=Path(home), environ=os.environ)
        settings = replace(settings, llm=replace(settings.llm, **llm))  # type: ignore[arg-type]  # fields by name
        with App(settings) as app:
            app.sources.register(ROOT / "data/sample")
            app.ingest()
            yield app


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command cost, its children and theirs included. `peak_mb` is the largest process's resident memory,
    `peak_tree_mb` that of all together (looked at five times a second)."""

    code: int
    wall_s: float
    cpu_s: float
    other_cores: float
    peak_mb: float
    peak_tree_mb: float


def run(
    command: Sequence[str | Path], *, codes: Sequence[int] = (0,), environ: Mapping[str, str] | None = None
) -> tuple[Cost, str]:
    """Run a command away from any settings; returns its cost and its standard output.

    Raises:
        RuntimeError: it ended with a code that is not among `codes`; carries what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "cost.json"
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.machine", result, *command],
            cwd=folder,
            env=environment() | dict(environ or {}),
            capture_output=True,
            text=True,
            errors="replace",
        )
        if not result.exists():
            raise RuntimeError(f"{command[:4]} could not be run: {done.stderr[-2000:]}")
        cost = Cost(**json.loads(result.read_text()))
    if cost.code not in codes:
        raise RuntimeError(f"{command[:4]} ended with {cost.code}: {done.stderr[-2000:]}")
    return cost, done.stdout


def environment() -> dict[str, str]:
    """This process's environment, with the project importable from anywhere and no settings of somebody's own."""
    own = {name: value for name, value in os.environ.items() if name not in ("RAG_CONFIG", "RAG_HOME")}
    return own | {"PYTHONPATH": str(ROOT)}


def allow_sockets() -> None:
    """A stream is a socket at either end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))


def whole(name: str, default: int) -> int:
    """A size from the environment."""
    return int(os.environ.get(name, default))


def _measured(command: list[str]) -> Cost:
    """Run a command; whoever it leaves behind is waited for too, so that no child's time is lost."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    peak, ended, busy, began = [0.0], threading.Event(), Busy(), time.perf_counter()

    def look() -> None:
        while not ended.wait(0.2):
            peak[0] = max(peak[0], tree_mb(os.getpid()))

    looking = threading.Thread(target=look)
    looking.start()
    code = subprocess.Popen(command).wait()
    wall = time.perf_counter() - began
    ended.set()
    looking.join()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        code=code,
        wall_s=round(wall, 2),
        cpu_s=round(used.ru_utime + used.ru_stime, 2),
        other_cores=busy.other_cores(),
        peak_mb=round(used.ru_maxrss / 1024),
        peak_tree_mb=round(max(peak[0], used.ru_maxrss / 1024)),
    )


def tree_mb(root: int) -> float:
    """Resident memory of all descendants of a process."""
    return sum(int(fields[21]) for fields in _tree(root)) * _PAGE_MB


def tree_cpu_s(root: int) -> float:
    """Processor seconds that the living descendants of a process have used."""
    return sum(int(fields[11]) + int(fields[12]) for fields in _tree(root)) / os.sysconf("SC_CLK_TCK")


def _tree(root: int) -> list[list[str]]:
    """Each descendant's `/proc/PID/stat` from the state on."""
    found = dict[int, list[str]]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(") ")[2].split()
    tree, grown = {root}, True
    while grown:
        more = {child for child, fields in found.items() if int(fields[1]) in tree} - tree
        tree, grown = tree | more, bool(more)
    return [found[process] for process in tree - {root}]


def _machine_s() -> float:
    fields = [int(entry) for entry in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return sum(os.times()[:4])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(asdict(_measured(sys.argv[2:]))))
