from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from rag.errors import SourceDenied, SourceUnavailable
from rag.ingest.watch import Removals, Watch

WAIT_S = 60.0
ALL = ("",)


def never(path: str) -> bool:
    return False


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """A watch whose clock and syncs are in hand."""

    def __init__(self, *names: str, polled: bool = False) -> None:
        self.clock = Clock()
        self.synced: list[tuple[float, str, tuple[str, ...]]] = []
        self.failure: Exception | None = None
        self.removes, self.lasts_s = 0, 0.0
        self.within: Callable[[Callable[[str], bool]], object] = never
        self.watch = Watch(names, self.sync, settle_s=2, full_sync_s=3600, polled=lambda name: polled, clock=self.clock)

    def sync(self, name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
        self.synced.append((self.clock.now, name, scopes))
        self.clock.now += self.lasts_s
        self.within(restless)
        if self.failure is not None:
            raise self.failure
        return self.removes

    def until(self, moment: float, *, hint_every_s: float | None = None) -> list[tuple[float, str, tuple[str, ...]]]:
        """Let the time pass in half seconds; what was synced meanwhile."""
        before = len(self.synced)
        while self.clock.now < moment:
            self.watch.turn()
            self.clock.now += 0.5
            if hint_every_s and self.clock.now % hint_every_s == 0:
                self.watch.hint("a", "log")
        return self.synced[before:]


def started(*names: str, polled: bool = False) -> Loop:
    loop = Loop(*names, polled=polled)
    loop.watch.turn()
    loop.synced.clear()
    return loop


def test_every_source_is_compared_as_a_whole_at_the_start_and_once_an_hour() -> None:
    assert Loop("a", "b").until(7300) == [(t, name, ALL) for t in (0, 3600, 7200) for name in "ab"]


def test_what_was_hinted_at_is_synced_once_it_was_quiet_and_nothing_else() -> None:
    loop = started("a", "b")
    loop.until(10)
    loop.watch.hint("a", "hr/leave.pdf")
    loop.until(11)
    loop.watch.hint("a", "hr/leave.pdf")
    loop.watch.hint("a", "it/")
    assert loop.until(60) == [(13, "a", ("hr/leave.pdf", "it/"))]


def test_a_hint_without_a_place_means_the_whole_source_and_puts_off_the_next_full_sync() -> None:
    loop = started("a")
    loop.until(10)
    loop.watch.hint("a", "hr/leave.pdf")
    loop.watch.hint("a")
    assert loop.until(3613) == [(12, "a", ALL), (3612, "a", ALL)]


def test_a_file_that_is_never_quiet_is_synced_all_the_same() -> None:
    loop = started("a")
    assert [round(moment) for moment, _, _ in loop.until(200, hint_every_s=1)] == [61, 122, 183]


def test_a_file_that_is_being_written_is_left_and_synced_when_it_is_quiet() -> None:
    loop = started("a")
    seen = []
    loop.within = lambda restless: seen.append((restless("hr/new"), restless("hr/old")))
    loop.watch.hint("a", "hr/")
    loop.until(1.5)
    loop.watch.hint("a", "hr/new")
    assert loop.until(60) == [(2, "a", ("hr/",)), (3.5, "a", ("hr/new",))]
    assert seen == [(True, False), (False, False)]


def test_a_failed_sync_is_tried_again_after_a_minute_with_its_places() -> None:
    loop = started("a")
    loop.failure = SourceUnavailable("not there now")
    loop.watch.hint("a", "x")
    loop.until(10)
    loop.failure = None
    loop.watch.hint("a", "y")
    loop.until(61)
    loop.watch.hint("a", "z")
    loop.until(200)
    assert loop.synced == [(2, "a", ("x",)), (12, "a", ("y",)), (62, "a", ("x",)), (63, "a", ("z",))]


def test_further_failures_do_not_put_off_what_is_to_be_tried_again() -> None:
    loop = started("a")
    loop.failure = SourceUnavailable("not there now")
    for moment, scope in enumerate(("x", "y", "z")):
        loop.until(30 * moment)
        loop.watch.hint("a", scope)
    loop.until(64)
    assert loop.synced == [(2, "a", ("x",)), (32, "a", ("y",)), (62, "a", ("x", "y", "z"))]


def test_a_failed_full_sync_is_tried_again_after_a_minute_not_after_an_hour() -> None:
    loop = Loop("a")
    loop.failure = SourceUnavailable("not there now")
    loop.until(1)
    loop.failure = None
    assert loop.until(3700) == [(60, "a", ALL), (3660, "a", ALL)]


def test_a_full_sync_takes_what_failed_before_along() -> None:
    loop = started("a")
    loop.failure = SourceUnavailable("not there now")
    loop.watch.hint("a", "x")
    loop.until(10)
    loop.failure = None
    loop.watch.hint("a")
    assert loop.until(300) == [(12, "a", ALL)]


def test_the_same_failure_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loop = Loop("a")
    loop.failure = SourceUnavailable("The share is not there.")
    loop.until(300)
    loop.failure = SourceDenied("The share may not be listed.")
    loop.until(600)
    loop.failure = None
    loop.until(900)
    loop.failure = SourceDenied("The share may not be listed.")
    loop.watch.hint("a")
    loop.until(1000)
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("WARNING", "A sync failed and is tried again every minute: The share is not there.", None),
        ("WARNING", "A sync failed and is tried again every minute: The share may not be listed.", None),
        ("INFO", "A source can be synced again", None),
        ("WARNING", "A sync failed and is tried again every minute: The share may not be listed.", None),
    ]


def test_an_unexpected_failure_is_told_with_where_it_happened_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop("a")
    loop.failure = ZeroDivisionError("oh")
    assert [moment for moment, _, _ in loop.until(130)] == [0, 60, 120]
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [("ERROR", True)]


def test_a_hint_during_a_sync_is_not_lost() -> None:
    loop = started("a")
    loop.within = lambda restless: loop.watch.hint("a", "again")
    loop.watch.hint("a", "first")
    assert [moment for moment, _, _ in loop.until(7)] == [2, 4, 6]


def test_it_tells_how_long_it_may_rest() -> None:
    loop = Loop("a")
    assert loop.watch.turn() == 3600
    loop.watch.hint("a", "x")
    assert loop.watch.turn() == 2
    loop.failure = SourceUnavailable("not there now")
    loop.clock.now = 2.0
    assert loop.watch.turn() == 60


def test_removals_are_measured_from_the_first_hint_to_the_end_of_the_sync() -> None:
    loop = started("a")
    assert loop.watch.removals == Removals()
    loop.removes, loop.lasts_s = 2, 0.5
    loop.watch.hint("a", "hr/a")
    loop.until(1)
    loop.watch.hint("a", "hr/a")
    loop.watch.hint("a", "hr/")
    loop.until(10)
    assert loop.watch.removals == Removals(count=2, p50_s=3.5, p95_s=3.5, max_s=3.5)


def test_removals_of_a_sync_that_failed_at_first_count_from_the_first_hint_too() -> None:
    loop = started("a")
    loop.removes, loop.failure = 1, SourceUnavailable("not there now")
    loop.watch.hint("a", "x")
    loop.until(10)
    loop.until(60)
    loop.failure = None
    loop.watch.hint("a", "x")
    loop.until(70)
    assert loop.synced[1:] == [(62, "a", ("x",))]
    assert loop.watch.removals.max_s == 62


def test_a_full_sync_that_takes_a_failed_one_along_counts_from_its_first_hint() -> None:
    loop = started("a")
    loop.removes, loop.failure = 1, SourceUnavailable("not there now")
    loop.watch.hint("a", "x")
    loop.until(10)
    loop.failure = None
    loop.watch.hint("a")
    loop.until(20)
    assert loop.watch.removals.max_s == 12


def test_what_a_full_sync_finds_without_a_hint_is_not_measured() -> None:
    loop = Loop("a")
    loop.removes = 1
    loop.until(3700)
    assert loop.watch.removals == Removals()


def test_what_a_poll_finds_counts_from_the_poll_before() -> None:
    loop = Loop("a", polled=True)
    loop.removes, loop.lasts_s = 1, 1.0
    loop.until(10)
    loop.watch.hint("a")
    loop.until(300)
    loop.watch.hint("a")
    loop.until(310)
    removals = loop.watch.removals
    assert (removals.count, removals.p50_s, removals.max_s) == (2, 13, 291), "the first sync has none before it"
    loop.removes = 3
    loop.watch.hint("a", "x")
    loop.until(320)
    assert (loop.watch.removals.count, loop.watch.removals.p50_s) == (5, 3), "a place of it was hinted at"


def test_percentiles_are_of_documents_and_the_longest_is_never_forgotten() -> None:
    loop = started("a")
    for removes, lasts_s in ((1, 100.0), (949, 0.0), (60, 3.0)):
        loop.removes, loop.lasts_s = removes, lasts_s
        loop.watch.hint("a", "x")
        loop.clock.now += 2
        loop.watch.turn()
    assert loop.watch.removals == Removals(count=1010, p50_s=2, p95_s=5, max_s=102)


def test_a_sync_that_removed_nothing_is_not_measured() -> None:
    loop = started("a")
    loop.lasts_s = 50
    loop.watch.hint("a", "x")
    loop.until(10)
    assert loop.watch.removals == Removals()
    loop.removes, loop.lasts_s = 1, 0.0
    loop.watch.hint("a", "x")
    loop.until(100)
    assert loop.watch.removals == Removals(count=1, p50_s=2, p95_s=2, max_s=2)


def test_stopping_ends_the_turn_and_no_further_sync_begins() -> None:
    synced: list[str] = []

    def sync(name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
        synced.append(name)
        loop.stop()
        return 0

    loop = Watch(["a", "b"], sync)
    loop.turn()
    assert synced == ["a"]
    assert loop.stopped


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
def test_a_stop_requested_before_the_loop_starts_is_not_lost(names: list[str]) -> None:
    synced: list[str] = []
    loop = Watch(names, lambda name, scopes, restless: synced.append(name) or 0)
    loop.stop()
    loop.run()
    assert synced == []


class Running:
    """A watch that runs in a thread and meets the test at each sync, and when it comes to rest."""

    def __init__(self, *names: str) -> None:
        self.begun = {name: threading.Semaphore(0) for name in names}
        self.may_end = {name: threading.Semaphore(0) for name in names}
        self.told_the_time = threading.Semaphore(0)
        self.watch = Watch(names, self.sync, settle_s=0.01, clock=self.clock)
        self.thread = threading.Thread(target=self.watch.run, daemon=True)

    def clock(self) -> float:
        self.told_the_time.release()
        return time.monotonic()

    def sync(self, name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
        self.begun[name].release()
        assert self.may_end[name].acquire(timeout=WAIT_S)
        return 0

    def begins(self, name: str) -> bool:
        return self.begun[name].acquire(timeout=WAIT_S)

    def end_and_rest(self, name: str) -> None:
        """After the sync the loop asks for the time once more, with the lock in hand that it gives up when it rests."""
        while self.told_the_time.acquire(blocking=False):
            pass
        self.may_end[name].release()
        assert self.told_the_time.acquire(timeout=WAIT_S)

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.watch.stop()
        for semaphore in self.may_end.values():
            semaphore.release(1000)
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


def test_a_resting_loop_is_woken_by_a_hint_and_by_a_stop() -> None:
    with Running("a") as running:
        assert running.begins("a")
        running.end_and_rest("a")
        running.watch.hint("a", "x")
        assert running.begins("a")
        running.end_and_rest("a")


def test_a_source_that_hangs_holds_up_no_other() -> None:
    with Running("hanging", "fine") as running:
        assert running.begins("hanging")
        assert running.begins("fine")
        for _ in range(3):
            running.may_end["fine"].release()
            running.watch.hint("fine", "x")
            assert running.begins("fine")


def test_a_source_is_never_synced_twice_at_once() -> None:
    with Running("a") as running:
        assert running.begins("a")
        running.watch.hint("a", "x")
        assert not running.begun["a"].acquire(timeout=0.2)


def test_stopping_waits_for_the_sync_that_is_under_way() -> None:
    with Running("a") as running:
        assert running.begins("a")
        running.watch.stop()
        running.thread.join(0.1)
        assert running.thread.is_alive()


@pytest.mark.parametrize("names", [[], ["a"]])
def test_a_signal_ends_the_loop_even_with_nothing_to_watch(names: list[str]) -> None:
    loop = Watch(names, lambda name, scopes, restless: 0)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: loop.stop())
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        loop.run()
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert loop.stopped
