"""A shelf of a small house, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.ask.check import Checker, Support
from rag.store.words import WordIndex
from tests.ask.test_cite import passage
from tests.standins import Shelf

Checked = Callable[[str, str], Support]

LEAVE = (
    "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage. Übertragene Tage müssen bis zum 30. Juni des Folgejahres "
    "genommen sein. Den Antrag genehmigt Frau Krahl aus der Personalabteilung."
)
CANTEEN = "Die Kantine ist von 11:30 bis 14:00 Uhr geöffnet. Ein Mittagessen kostet 6,50 Euro."
BADGES = "A lost badge must be reported to the front desk within 24 hours. A new badge costs 15 euros for everyone."


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Four documents, read by everyone; none of the tests changes them."""
    with Shelf(tmp_path_factory.mktemp("shelf")) as shelf:
        shelf.put("urlaub.txt", LEAVE)
        shelf.put("kantine.txt", CANTEEN)
        shelf.put("badges.txt", BADGES)
        shelf.put("geheim.txt", "Die Prämie für Frau Beyer beträgt 4711 Euro.", readers=("user:chef",))
        yield shelf


@pytest.fixture
def own_shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty one, to be changed."""
    with Shelf(tmp_path) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    """A statement beside its source, with real stems and no vectors."""
    words = WordIndex(Path(tmp_path_factory.mktemp("words")))
    yield lambda source, statement: Checker([passage(source)], stems=words.stems).check(statement)
    words.close()
