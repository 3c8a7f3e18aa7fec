"""Another embedder takes the place of the one before without ever mixing their vectors, and without a moment in which
questions are not answered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.ingest.spaces import Space
from tests.ingest.house import House, OtherWords
from tests.ingest.room import HashedWords, folder
from tests.store.old import as_version_1

COUNT = 620
OLD, NEW = HashedWords.fingerprint, OtherWords.fingerprint


def text(number: int) -> str:
    return f"Vermerk {number} über den Vorgang {number * 7} und Akte {number * 13}"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    (made / "kopie").mkdir(parents=True)
    for number in range(COUNT):
        (made / f"{number}.txt").write_text(text(number))
    (made / "kopie" / "3.txt").write_text(text(3))
    return made


@pytest.fixture
def home(tmp_path: Path, docs: Path) -> Path:
    with House(tmp_path / "home") as house:
        house.sync(folder(docs))  # type: ignore[arg-type]
    return tmp_path / "home"


def only(house: House, fingerprint: str, dimension: int) -> None:
    """One embedder's vectors are there, in the ledger and on the disk, and no other's."""
    assert house.ledger.embedder == fingerprint
    assert (house.ledger.embedded(OLD) == 0, house.ledger.embedded(NEW) == 0) == (
        fingerprint != OLD,
        fingerprint != NEW,
    )
    assert house.ledger.dimension() == dimension
    there = [path for path in house.ledger.path.parent.iterdir() if path.name.startswith("chroma")]
    assert there == [house.spaces.coming.vectors.directory]
    assert house.level()


def test_the_one_before_answers_until_the_other_is_whole(home: Path) -> None:
    first, second = HashedWords(), OtherWords()
    seen: list[tuple[str, int, int]] = []

    with House(home, first, second) as house:
        assert house.spaces.changing and house.retriever.embedder is first
        assert house.dense(text(5), k=1) == ["docs:5.txt"]

        def look(what: str, done: int, total: int) -> None:
            seen.append((what, done, total))
            assert house.ledger.embedder == OLD and house.retriever.embedder is first
            assert house.dense(text(done % COUNT), k=1) == [f"docs:{done % COUNT}.txt"]

        assert house.upkeep.run(succeed=True, progress=look)
        assert house.switched.is_set() and not house.spaces.changing
        assert house.retriever.embedder is second
        assert house.dense(text(5), k=1) == ["docs:5.txt"]
        only(house, NEW, 64)
    assert sorted(second.embedded) == sorted(set(second.embedded)), "each text once, wherever it stands"
    assert not [passage for passage in first.embedded if "Vermerk" in passage]
    assert [entry for entry in seen if entry[0] == "texts embedded"][-1][1:] == (COUNT, COUNT)
    with House(home, OtherWords()) as house:
        assert not house.spaces.changing
        only(house, NEW, 64)


def test_documents_that_come_meanwhile_are_found_before_and_after(home: Path, docs: Path) -> None:
    with House(home, HashedWords(), OtherWords()) as house:
        (docs / "neu.txt").write_text("Zuckerrübe und Harzburg")
        (docs / "5.txt").unlink()
        house.sync(folder(docs))  # type: ignore[arg-type]
        assert house.dense("Zuckerrübe und Harzburg", k=1) == ["docs:neu.txt"]
        assert house.ledger.embedded(OLD) == COUNT
        house.upkeep.run(succeed=True)
        assert house.dense("Zuckerrübe und Harzburg", k=1) == ["docs:neu.txt"]
        assert house.dense(text(5), k=1) != ["docs:5.txt"]
        only(house, NEW, 64)


def test_without_the_weights_before_words_alone_answer_and_it_is_said(home: Path) -> None:
    with House(home, OtherWords()) as house:
        assert "no weights of hashed-words@1" in house.spaces.problem
        assert house.spaces.serving is None and house.dense(text(5)) == []
        assert house.answers("Akte 8047")[0] == ("docs:619.txt", text(619))
        house.upkeep.run(succeed=True)
        assert not house.spaces.problem
        only(house, NEW, 64)


def test_going_back_half_way_leaves_nothing_of_the_other(home: Path) -> None:
    with House(home, HashedWords(), OtherWords()) as house:
        steps = iter(range(2))
        house.upkeep.run(succeed=True, stopped=lambda: next(steps, None) is None)
        assert 0 < house.ledger.embedded(NEW) < COUNT
    with House(home, HashedWords()) as house:
        assert not house.spaces.changing
        only(house, OLD, 48)


KILLED = """
import os, signal, sys
from pathlib import Path
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from tests.ingest.house import House, OtherWords
from tests.ingest.room import HashedWords
def killed(kind, name, left):
    real = getattr(kind, name)
    def step(*args, **options):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(kind, name, step)
for home, step in zip(sys.argv[1::2], sys.argv[2::2]):
    child = os.fork()
    if not child:
        house = House(Path(home), HashedWords(), OtherWords())
        name, left = step.split(":")
        killed(Ledger if hasattr(Ledger, name) else VectorIndex, name, int(left))
        house.upkeep.run(succeed=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
STEPS = {"keep_vectors:2": OLD, "put:2": OLD, "switch:1": OLD, "forget_vectors:1": NEW}


def test_killed_before_any_step_it_goes_on_where_it_was(home: Path, tmp_path: Path) -> None:
    steps = list(STEPS)
    homes = [tmp_path / f"killed-{number}" for number in range(len(steps))]
    for copy in homes:
        shutil.copytree(home, copy)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *(str(part) for pair in zip(homes, steps, strict=True) for part in pair)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(steps), done.stderr
    for copy, step in zip(homes, steps, strict=True):
        with House(copy, HashedWords(), OtherWords()) as house:
            assert house.ledger.embedder == STEPS[step]
            assert house.dense(text(5), k=1) == ["docs:5.txt"]
            kept = house.ledger.embedded(NEW)
            house.upkeep.run(succeed=True)
            again = [passage for passage in house.embedder.embedded if "Vermerk" in passage]
            assert len(again) == COUNT - kept and (step == "keep_vectors:2") == bool(again), "no text twice"
            assert house.dense(text(5), k=1) == ["docs:5.txt"]
            only(house, NEW, 64)


def test_a_text_too_long_for_the_other_is_cut_anew_by_the_next_ingest(home: Path, docs: Path) -> None:
    class Short(OtherWords):
        max_tokens = 60

    long = " ".join(f"Satz {number} sagt etwas." for number in range(40))
    (docs / "lang.txt").write_text(long)
    with House(home) as house:
        house.sync(folder(docs))  # type: ignore[arg-type]
    with House(home, HashedWords(), Short()) as house:
        assert not house.upkeep.run(succeed=True)
        assert house.spaces.too_long and house.ledger.embedder == OLD
        report = house.sync(folder(docs))  # type: ignore[arg-type]
        assert (report.replaced, report.added, report.removed) == (1, 0, 0)
        assert house.upkeep.run(succeed=True)
        only(house, NEW, 64)
        assert max(house.embedder.count_tokens(passage) for passage in house.embedder.embedded) <= 60


def test_vectors_of_version_1_are_taken_over_by_the_embedder_whose_index_holds_them(home: Path) -> None:
    as_version_1(home / "ledger.sqlite")
    with House(home) as house:
        assert not [passage for passage in house.embedder.embedded if "Vermerk" in passage]
        only(house, OLD, 48)
        assert house.dense(text(5), k=1) == ["docs:5.txt"]


def test_vectors_of_version_1_are_made_anew_by_any_other_embedder(home: Path) -> None:
    as_version_1(home / "ledger.sqlite")
    with House(home, OtherWords()) as house:
        assert house.ledger.embedded("") == 0 and house.ledger.embedder == NEW
        assert house.answers("Akte 8047")[0][0] == "docs:619.txt", "by words, meanwhile"
        house.upkeep.run(succeed=True)
        assert len(house.embedder.embedded) >= COUNT
        only(house, NEW, 64)


def test_one_row_too_few_or_too_many_in_the_other_index_puts_the_switch_off(home: Path) -> None:
    with House(home, HashedWords(), OtherWords()) as house:
        coming: Space = house.spaces.coming
        taken = coming.vectors.facets
        coming.vectors.facets = lambda: dict(list(taken().items())[1:])  # type: ignore[method-assign]
        steps = iter(range(20))
        assert not house.upkeep.run(succeed=True, stopped=lambda: next(steps, None) is None)
        assert house.ledger.embedder == OLD
        assert np.isclose(np.linalg.norm(house.retriever.embedder.embed_question("x")), 1.0)
