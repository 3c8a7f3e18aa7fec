"""How busy the machine was, and a home with the sample in it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rag.app import App
from rag.settings import Settings, load

ROOT = Path(__file__).parents[2]


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
    with tempfile.TemporaryDirectory() as home:
        settings: Settings = load(config=None, home=Path(home), environ=os.environ)
        settings = replace(settings, llm=replace(settings.llm, **llm))  # type: ignore[arg-type]  # fields by name
        with App(settings) as app:
            app.sources.register(ROOT / "data/sample")
            app.ingest()
            yield app


def _machine_s() -> float:
    fields = [int(entry) for entry in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return sum(os.times()[:4])
