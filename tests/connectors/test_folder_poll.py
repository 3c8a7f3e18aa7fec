from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from connectors.folder_poll import FolderPoll

WAIT_S = 60.0


class Waits:
    """Lets so many waits pass, then ends."""

    def __init__(self, passes: int) -> None:
        self.passes, self.asked, self.ended = passes, [], threading.Event()

    def __call__(self, seconds: float) -> bool:
        self.asked.append(seconds)
        if len(self.asked) > self.passes:
            self.ended.set()
            return True
        return False


def polled(changed: Callable[[str], None], passes: int) -> list[float]:
    waits = Waits(passes)
    poll = FolderPoll(changed, 300, wait=waits)
    assert waits.ended.wait(WAIT_S)
    poll.close()
    return waits.asked


def test_the_whole_source_is_hinted_after_each_wait() -> None:
    hints: list[str] = []
    assert polled(hints.append, 3) == [300] * 4
    assert hints == ["", "", ""]


def test_a_look_that_fails_is_told_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[int] = []

    def fail(scope: str) -> None:
        looks.append(1)
        raise RuntimeError("no")

    polled(fail, 2)
    assert len(looks) == 2
    assert [record.__dict__["action"] for record in caplog.records] == ["poll_failed"] * 2


def test_closing_ends_the_wait_at_once_and_the_thread() -> None:
    before = threading.active_count()
    poll = FolderPoll(lambda scope: None, 3600)
    poll.close()
    assert threading.active_count() == before


def test_no_look_begins_after_closing() -> None:
    hints: list[str] = []
    released, waiting = threading.Event(), threading.Event()

    def wait(seconds: float) -> bool:
        waiting.set()
        return not released.wait(WAIT_S)

    poll = FolderPoll(hints.append, 1, wait=wait)
    assert waiting.wait(WAIT_S)
    closing = threading.Thread(target=poll.close)
    poll._closed.set()
    closing.start()
    released.set()
    closing.join(WAIT_S)
    assert hints == []


def test_closing_leaves_a_look_that_hangs_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.folder_poll._LEAVE_S", 0.01)
    hanging, released, closed = threading.Event(), threading.Event(), threading.Event()

    def hang(scope: str) -> None:
        hanging.set()
        released.wait()

    poll = FolderPoll(hang, 0.001)
    assert hanging.wait(WAIT_S)
    closing = threading.Thread(target=lambda: (poll.close(), closed.set()), daemon=True)
    closing.start()
    in_time = closed.wait(WAIT_S)
    released.set()
    assert in_time


def test_a_look_may_close_the_poll_it_belongs_to() -> None:
    closed = threading.Event()
    polls: list[FolderPoll] = []
    ready = threading.Event()

    def close(scope: str) -> None:
        ready.wait(WAIT_S)
        polls[0].close()
        closed.set()

    polls.append(FolderPoll(close, 0.001))
    ready.set()
    assert closed.wait(WAIT_S)
