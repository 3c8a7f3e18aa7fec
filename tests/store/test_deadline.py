"""Another process that keeps the vector index locked costs five seconds and a sentence, never the thousand seconds that
Chroma would wait."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.errors import IndexDamaged, StoreError
from rag.store.deadline import Deadline
from tests.ingest.house import House
from tests.ingest.room import folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")

HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
if len(sys.argv) > 3:
    db.execute(sys.argv[3]).fetchone()
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def stranger(path: Path, *statements: str) -> Iterator[int]:
    """Another process that has the file locked; gives its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "docs").mkdir()
    for number in range(5):
        (tmp_path / "docs" / f"{number}.txt").write_text(f"Vermerk {number}")
    with House(tmp_path / "home") as opened:
        opened.sync(folder(tmp_path / "docs"))  # type: ignore[arg-type]
        yield opened


def test_a_locked_index_is_told_in_words_with_the_pid_that_holds_it(house: House) -> None:
    index = house.spaces.coming.vectors
    with stranger(index.directory / "chroma.sqlite3", "BEGIN EXCLUSIVE") as pid:
        began = time.monotonic()
        with pytest.raises(StoreError, match=rf"locked: another process \(pid {pid}\)") as told:
            len(index)
        assert not isinstance(told.value, IndexDamaged), "nothing is made anew for it"
        assert 4.5 < time.monotonic() - began < 20
    assert len(index) == 5


def test_questions_are_answered_from_the_ledger_while_it_is_locked(house: House) -> None:
    index = house.spaces.coming.vectors
    with stranger(index.directory / "chroma.sqlite3", "BEGIN EXCLUSIVE"):
        began = time.monotonic()
        assert house.dense("Vermerk 3", k=1) == ["docs:3.txt"]
        assert time.monotonic() - began < 20
        began = time.monotonic()
        assert house.dense("Vermerk 4", k=1) == ["docs:4.txt"]
        assert time.monotonic() - began < 4.5, "the next one does not wait for the five seconds again"
    assert index.level and house.dense("Vermerk 3", k=1) == ["docs:3.txt"]


def test_writing_is_refused_while_it_is_locked_and_goes_on_after(house: House, tmp_path: Path) -> None:
    (tmp_path / "docs" / "neu.txt").write_text("Zuckerrübe")
    index = house.spaces.coming.vectors
    with (
        stranger(index.directory / "chroma.sqlite3", "BEGIN", "SELECT * FROM sqlite_schema"),
        pytest.raises(StoreError, match="is locked"),
    ):
        house.sync(folder(tmp_path / "docs"))  # type: ignore[arg-type]
    assert len(house.dense("Zuckerrübe", k=9)) == 5
    house.sync(folder(tmp_path / "docs"))  # type: ignore[arg-type]
    assert house.dense("Zuckerrübe", k=1) == ["docs:neu.txt"]
    assert house.level()


def test_a_lock_taken_in_the_middle_of_a_call_is_not_waited_for_and_nothing_overtakes_that_call(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.touch()
    deadline, free = Deadline(path, limit_s=0.3), threading.Event()
    done: list[str] = []

    def work() -> None:
        free.wait(20)
        done.append("late")

    with stranger(path, "BEGIN EXCLUSIVE") as pid:
        held, deadline._wait = deadline._wait, lambda writing: None  # type: ignore[method-assign]
        with pytest.raises(StoreError, match=f"pid {pid}"):
            deadline.run(work, writing=True)
        deadline._wait = held  # type: ignore[method-assign]
    assert deadline.stuck
    with pytest.raises(StoreError, match="is locked"):
        deadline.run(lambda: done.append("overtook"), writing=True)
    free.set()
    until = time.monotonic() + 20
    while deadline.stuck and time.monotonic() < until:
        time.sleep(0.02)
    deadline.run(lambda: done.append("next"), writing=True)
    assert done == ["late", "next"]
    deadline.close()


def test_slow_work_is_waited_for_where_nobody_holds_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").touch()
    deadline = Deadline(tmp_path / "x.sqlite", limit_s=0.05)
    assert deadline.run(lambda: time.sleep(0.5) or "done", writing=True) == "done"
    deadline.close()
