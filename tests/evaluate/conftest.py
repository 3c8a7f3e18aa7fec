"""One shelf for all of this room, and the scripted Ollama of the doors, which embeds by words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doors.conftest import config, line, ollama, writer
from tests.evaluate.house import PAPERS
from tests.standins import Shelf

__all__ = ["config", "line", "ollama", "writer"]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf(tmp_path_factory.mktemp("shelf")) as shelf:
        for name, text in PAPERS.items():
            shelf.put(name, text)
        yield shelf
