"""Sources kept level: what is watched, what is polled, and what is known of those that cannot be reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from rag.app.keeping import Keeping
from rag.errors import SourceUnavailable
from rag.ingest.watch import Watch
from rag.metrics import Metrics
from rag.settings.ingest import IngestSettings
from tests.ingest.room import Counted, Room, folder

SETTLE_S = 0.3
PATIENT_S = 1.5
"""Where it counts that nothing is taken too soon."""


def keeping(room: Room, **wanted: object) -> Keeping:
    settings = replace(IngestSettings(settle_s=SETTLE_S, poll_s=0.6), **wanted)  # type: ignore[arg-type]
    return Keeping(settings, room.ledger, lambda: room.pipeline, Metrics(version="test"))


@contextmanager
def running(keeper: Keeping, *sources: Counted) -> Iterator[Watch]:
    loop = keeper.watch(sources)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join()
        keeper.close()


def soon(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


class Watched(Counted):
    """A folder watched as it really is, or as a network drive: nothing tells of a change, it is looked at."""

    mode = "events"

    def __init__(self, root: Path, *, mode: str) -> None:
        super().__init__(folder(root))
        self.mode = mode

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> object:  # type: ignore[override]
        if self.mode == "events":
            return self.folder.watch(changed, poll_s=poll_s)
        from connectors.folder_poll import FolderPoll

        poll = FolderPoll(changed, poll_s)
        poll.mode = "polling"  # type: ignore[attr-defined]
        return poll


@pytest.mark.parametrize("mode", ["events", "polling"])
def test_what_is_saved_is_found_and_what_is_removed_is_not(room: Room, docs: Path, mode: str) -> None:
    (docs / "alt.txt").write_text("schon da")
    keeper = keeping(room)
    with running(keeper, Watched(docs, mode=mode)) as loop:
        assert soon(lambda: room.found("schon") == {"docs:alt.txt"})
        assert keeper.watched == {"docs": mode}
        (docs / "neu.txt").write_text("eben gespeichert")
        assert soon(lambda: room.found("gespeichert") == {"docs:neu.txt"})
        (docs / "alt.txt").unlink()
        assert soon(lambda: room.found("schon") == set())
        assert soon(lambda: loop.removals.count == 1)
    assert keeper.removals is not None and keeper.removals.max_s is not None and keeper.removals.max_s < 30


@pytest.mark.parametrize("mode", ["events", "polling"])
def test_a_file_that_is_still_written_is_not_taken_half(room: Room, docs: Path, mode: str) -> None:
    (docs / "da.txt").write_text("schon da")
    source = Watched(docs, mode=mode)
    with running(keeping(room, settle_s=PATIENT_S), source):
        assert soon(lambda: room.found("schon") == {"docs:da.txt"})
        for number in count():
            name, source.fetched = f"docs:{number}.txt", []
            stood_still_s = written_for(docs / f"{number}.txt", 2 * PATIENT_S, "Schluss")
            before_its_end = list(source.fetched)
            assert soon(lambda name=name: name in room.found("Schluss"))  # type: ignore[misc]
            if stood_still_s < PATIENT_S / 2:
                break  # else the machine stood still for so long that the file was quiet, and might be taken
    assert before_its_end == []
    assert source.fetched == [name], "one version of one save"


def written_for(path: Path, seconds: float, last: str) -> float:
    """Write a file without a rest, and give the longest time that passed between two writes all the same."""
    longest, before = 0.0, time.monotonic()
    end = before + seconds
    with path.open("w") as file:
        while before < end:
            file.write("und noch ein Satz ")
            file.flush()
            time.sleep(SETTLE_S / 10)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
        file.write(last)
    return max(longest, time.monotonic() - before)


def test_a_source_that_hangs_holds_up_no_other(room: Room, docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (docs / "a.txt").write_text("hängt")
    (other / "b.txt").write_text("kommt")
    go_on = threading.Event()

    class Hanging(Watched):
        def roots(self) -> dict[str, str]:  # type: ignore[override]
            go_on.wait()
            return dict(super().roots())

    free = Watched(other, mode="events")
    free.folder = folder(other, name="other")
    free.name = "other"
    with running(keeping(room), Hanging(docs, mode="events"), free):
        try:
            assert soon(lambda: room.found("kommt") == {"other:b.txt"})
            (other / "c.txt").write_text("kommt auch")
            assert soon(lambda: room.found("auch") == {"other:c.txt"})
        finally:
            go_on.set()


def test_a_source_that_cannot_be_listed_is_offline_since_then_and_level_again_when_it_is_back(
    room: Room, docs: Path
) -> None:
    (docs / "a.txt").write_text("bleibt")
    keeper = keeping(room)
    keeper.sync(folder(docs))
    docs.rename(docs.with_name("weg"))
    with pytest.raises(SourceUnavailable):
        keeper.sync(folder(docs))
    state = room.ledger.source_state("docs")
    assert state.offline_since and state.problem and str(docs) in state.problem
    assert room.found("bleibt") == {"docs:a.txt"}
    docs.with_name("weg").rename(docs)
    keeper.sync(folder(docs))
    assert room.ledger.source_state("docs").offline_since is None


def test_the_settings_say_when_removals_wait(room: Room, docs: Path) -> None:
    for number in range(4):
        (docs / f"{number}.txt").write_text(str(number))
    keeper = keeping(room, held_count=2)
    keeper.sync(folder(docs))
    for number in range(3):
        (docs / f"{number}.txt").unlink()
    assert keeper.sync(folder(docs)).held == 3
    assert keeping(room, held_count=3).sync(folder(docs)).removed == 3
