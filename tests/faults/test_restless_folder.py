"""A folder that never rests while it is synced: no error, and level as soon as it does."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rag.ingest.sync import sync
from tests.faults.recovery import whole
from tests.faults.scenario import NEVER_HELD
from tests.faults.seeds import chosen
from tests.ingest.room import Room, folder


class Restless:
    """Writes, moves and deletes files and folders as fast as it can."""

    def __init__(self, docs: Path) -> None:
        self._docs, self._chance, self._stopped = docs, chosen("a restless folder"), threading.Event()
        self._thread = threading.Thread(target=self._change)
        self.changes = 0

    def __enter__(self) -> Restless:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _change(self) -> None:
        while not self._stopped.is_set():
            self.changes += 1
            below, other = (self._docs / self._chance.choice(("", "eins", "zwei", "eins/drei")) for _ in range(2))
            name, another = (f"{self._chance.randrange(6)}.txt" for _ in range(2))
            with suppress(OSError):
                match self._chance.randrange(8):
                    case 0:
                        shutil.rmtree(self._docs / "eins" / "drei")
                    case 1:
                        (self._docs / "eins").rename(self._docs / "zwei" / "umgezogen")
                    case 2:
                        shutil.rmtree(self._docs / "zwei" / "umgezogen")
                    case 3:
                        (below / name).unlink()
                    case 4:
                        (below / name).rename(other / another)
                    case _:
                        below.mkdir(parents=True, exist_ok=True)
                        (below / name).write_text(
                            f"Fassung{self.changes}nr " + "und mehr " * self._chance.randrange(99)
                        )
            time.sleep(self._chance.random() / 500)


def synced_while_it_changes(room: Room, docs: Path, seconds: float) -> None:
    end, syncs = time.monotonic() + seconds, 0
    with Restless(docs) as restless:
        while time.monotonic() < end:
            scopes = ("",) if syncs % 2 else ("eins", "zwei/", "1.txt")
            sync(folder(docs), room.pipeline, scopes=scopes, hold=NEVER_HELD, workers=2)
            whole(room)
            syncs += 1
    print(f"{restless.changes} changes, {syncs} syncs")
    sync(folder(docs), room.pipeline, hold=NEVER_HELD)
    assert room.texts() == {
        f"docs:{path.relative_to(docs)}": path.read_text() for path in docs.rglob("*") if path.is_file()
    }
    whole(room)


def test_a_folder_that_never_rests_is_level_as_soon_as_it_does(room: Room, docs: Path) -> None:
    synced_while_it_changes(room, docs, 5)


@pytest.mark.soak
def test_a_folder_that_does_not_rest_for_a_minute_is_level_as_soon_as_it_does(room: Room, docs: Path) -> None:
    synced_while_it_changes(room, docs, 60)
