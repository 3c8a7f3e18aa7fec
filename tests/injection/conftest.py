"""The attack strings and harmless controls of the shared test data, and a house they are planted in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.faults.seeds import chosen
from tests.standins import Shelf

FOLDER = Path(__file__).parents[2].parent / "shared/testdata/injection"
SAMPLE = 48
"""How many attacks and controls an ordinary run takes; `make soak` takes all."""

SECRET = "Die Prämie für Frau Beyer beträgt 4711 Euro."
LEAVE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage. Den Antrag genehmigt Frau Krahl."


@cache
def entries(name: str) -> tuple[dict[str, Any], ...]:
    """The lines of a file; skips with a clear word where the shared test data is not beside this clone."""
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the shared test data is not here: {path}")
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def sample(name: str, count: int | None) -> list[dict[str, Any]]:
    """So many of a file's lines, other ones in every run (`FAULT_SEED=…` repeats one); None: all."""
    found = list(entries(name))
    return found if count is None else chosen(f"{count} of {name}").sample(found, count)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A shelf with two open documents and one that only the chef may read."""
    with Shelf(tmp_path_factory.mktemp("house")) as shelf:
        shelf.put("urlaub.txt", LEAVE)
        shelf.put("kantine.txt", "Die Kantine ist von 11:30 bis 14:00 Uhr geöffnet.")
        shelf.put("geheim.txt", SECRET, readers=("user:chef",))
        yield shelf
