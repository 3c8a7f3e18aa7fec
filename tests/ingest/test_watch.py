from __future__ import annotations

import threading
from pathlib import Path

import pytest
from watchdog.events import FileClosedNoWriteEvent, FileOpenedEvent, FileSystemEvent

from connectors.folder_events import FolderEvents, _Handler
from rag.errors import SourceUnavailable
from rag.ingest.watch import Watch

WAIT_S = 20.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """A watch whose clock and syncs are in hand."""

    def __init__(self, *names: str) -> None:
        self.clock, self.synced = Clock(), []
        self.failing = False
        self.watch = Watch(dict.fromkeys(names), self.sync, settle_s=2, full_sync_s=3600, clock=self.clock)

    def sync(self, name: str) -> None:
        self.synced.append((self.clock.now, name))
        if self.failing:
            raise SourceUnavailable("not there now")

    def until(self, moment: float, *, hint_every_s: float | None = None) -> list[tuple[float, str]]:
        """Let the time pass in half seconds; what was synced."""
        while self.clock.now < moment:
            self.watch.turn()
            self.clock.now += 0.5
            if hint_every_s and self.clock.now % hint_every_s == 0:
                self.watch.hint("a")
        return self.synced


def test_every_source_is_synced_at_the_start_and_once_an_hour() -> None:
    assert Loop("a", "b").until(7300) == [(t, name) for t in (0, 3600, 7200) for name in "ab"]


def test_a_hint_is_followed_by_a_sync_once_the_source_was_quiet() -> None:
    loop = Loop("a", "b")
    loop.until(10)
    loop.watch.hint("a")
    loop.until(11)
    loop.watch.hint("a")
    assert loop.until(60) == [(0, "a"), (0, "b"), (13, "a")]


def test_a_source_that_is_never_quiet_is_synced_all_the_same() -> None:
    loop = Loop("a")
    assert [round(t) for t, _ in loop.until(200, hint_every_s=1)] == [0, 61, 122, 183]


def test_a_failed_sync_is_tried_again_and_told(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop("a")
    loop.failing = True
    loop.until(1)
    loop.failing = False
    assert loop.until(200) == [(0, "a"), (60, "a")]
    assert [record.__dict__["action"] for record in caplog.records] == ["sync_failed"]


def test_a_hint_during_a_sync_is_not_lost() -> None:
    loop = Loop("a")
    loop.watch = Watch({"a": None}, lambda name: (loop.sync(name), loop.watch.hint(name))[0], clock=loop.clock)
    assert loop.until(5) == [(0, "a"), (2, "a"), (4, "a")]


def test_it_tells_how_long_it_may_rest() -> None:
    loop = Loop("a")
    assert loop.watch.turn() == 3600
    loop.watch.hint("a")
    assert loop.watch.turn() == 2


def test_stopping_ends_the_loop_and_no_further_sync_begins() -> None:
    synced: list[str] = []
    loop = Watch({"a": None, "b": None}, lambda name: (synced.append(name), loop.stop())[0])
    loop.run()
    assert synced == ["a"]


def test_a_stop_requested_before_the_loop_starts_is_not_lost() -> None:
    synced: list[str] = []
    loop = Watch({"a": None}, synced.append)
    loop.stop()
    loop.run()
    assert synced == []


def test_a_resting_loop_is_woken_by_a_hint_and_by_a_stop() -> None:
    twice = threading.Barrier(2, timeout=WAIT_S)
    loop = Watch({"a": None}, lambda name: (twice.wait(), None)[1], settle_s=0.01)
    thread = threading.Thread(target=loop.run)
    thread.start()
    twice.wait()
    loop.hint("a")
    twice.wait()
    loop.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("change", ["write", "new", "rename", "remove", "below"])
def test_a_change_in_a_watched_folder_becomes_a_hint(docs: Path, change: str) -> None:
    (docs / "a.txt").write_text("alt")
    (docs / "sub").mkdir()
    hinted = threading.Event()
    events = FolderEvents(docs, hinted.set)
    try:
        {
            "write": lambda: (docs / "a.txt").write_text("neu"),
            "new": lambda: (docs / "b.txt").write_text("neu"),
            "rename": lambda: (docs / "a.txt").rename(docs / "c.txt"),
            "remove": (docs / "a.txt").unlink,
            "below": lambda: (docs / "sub" / "b.txt").write_text("neu"),
        }[change]()
        assert hinted.wait(WAIT_S)
    finally:
        events.close()


@pytest.mark.parametrize("event", [FileOpenedEvent, FileClosedNoWriteEvent])
def test_reading_gives_no_hint(event: type[FileSystemEvent]) -> None:
    hinted: list[int] = []
    _Handler(lambda: hinted.append(1)).dispatch(event("a.txt"))
    assert hinted == []


def test_a_folder_that_is_not_there_cannot_be_watched(docs: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be watched"):
        FolderEvents(docs / "missing", lambda: None)
