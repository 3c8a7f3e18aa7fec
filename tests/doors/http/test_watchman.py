"""Who looks at rights while answers are made: nothing that is shown is passed over, whenever it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Acl, Confidentiality, user
from rag.answers import Passage
from rag.api.caller import Caller
from rag.api.watchman import Watchman
from rag.documents import DocumentId
from rag.identity import person
from tests.standins import Shelf


@dataclass(eq=False)
class Waiting:
    """An answer on its way."""

    caller: Caller
    passages: tuple[Passage, ...] = ()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path) as opened:
        opened.put("urlaub.txt", "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage.")
        yield opened


@pytest.fixture
def watchman(shelf: Shelf) -> Iterator[Watchman]:
    opened = Watchman(shelf.ledger)
    yield opened
    opened.shutdown()


def lost(watchman: Watchman, *answers: Waiting) -> list[Waiting]:
    """Those that one round finds to have lost a passage."""
    found: list[Waiting] = []
    watchman.look(answers, ended=lambda answer: None, lost=found.append)
    assert watchman._round is not None
    watchman._round.result(30)
    return found


def waiting(name: str, *passages: Passage) -> Waiting:
    return Waiting(caller=Caller(principal=person(name, {}), channel=LOOPBACK), passages=passages)


def test_passages_that_come_once_a_right_is_gone_are_looked_at_too(shelf: Shelf, watchman: Watchman) -> None:
    """They were found before, and came to the desk after the round that saw the change."""
    found = shelf.retriever.retrieve("Urlaub", principal=person("anna", {}), k=5).passages
    assert found
    anna, berta = waiting("anna"), waiting("berta", *found)
    assert lost(watchman, anna, berta) == []
    shelf.ledger.reprotect(
        DocumentId("house:urlaub.txt"), Acl(readers=frozenset({user("berta")})), Confidentiality.INTERNAL
    )
    assert lost(watchman, anna, berta) == []
    anna.passages = found
    assert lost(watchman, anna, berta) == [anna]


def test_what_was_looked_at_is_looked_at_again_only_after_a_change(shelf: Shelf, watchman: Watchman) -> None:
    found = shelf.retriever.retrieve("Urlaub", principal=person("anna", {}), k=5).passages
    anna = waiting("anna", *found)
    asked: list[object] = []
    watchman._lost = lambda caller, answers: asked.append(caller) or []  # type: ignore[func-returns-value,method-assign]
    for _ in range(3):
        assert lost(watchman, anna) == []
    assert asked == [anna.caller]
    shelf.put("neu.txt", "Etwas anderes.")
    lost(watchman, anna)
    assert len(asked) == 2
