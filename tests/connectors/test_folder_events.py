from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from connectors.folder_events import FolderEvents
from connectors.folder_watch import Watching, watch_folder
from connectors.mounts import MOUNTINFO
from rag.errors import SourceUnavailable
from rag.ingest.settling import Settling

WAIT_S = 60.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
REPOSITORY = Path(__file__).parents[2]


class Told:
    """What was told of a folder. Events come in order: once the last is told, so are all before it."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self._marks = 0
        self._news = threading.Condition()

    def __call__(self, scope: str) -> None:
        with self._news:
            self.scopes.append(scope)
            self._news.notify_all()

    def until(self, scope: str, times: int = 1, *, wait_s: float = WAIT_S) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self.scopes.count(scope) >= times, wait_s)

    def after(self, root: Path, change: Callable[[], object]) -> list[str]:
        """What is told of a change, in order."""
        self._marks += 1
        self.scopes.clear()
        change()
        (root / f"mark{self._marks}").mkdir()
        assert self.until(f"mark{self._marks}/")
        return self.scopes[:-1]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "hr" / "2024").mkdir(parents=True)
    (folder / "a.txt").write_text("alt")
    (folder / "hr" / "b.txt").write_text("alt")
    return folder


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def events(docs: Path, told: Told) -> Iterator[FolderEvents]:
    events = FolderEvents(docs, told)
    yield events
    events.close()


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "write": (lambda docs: (docs / "a.txt").write_text("neu"), {"a.txt"}),
    "truncate": (lambda docs: os.truncate(docs / "a.txt", 1), {"a.txt"}),
    "new": (lambda docs: (docs / "hr" / "c.txt").write_text("neu"), {"hr/c.txt"}),
    "rename": (lambda docs: (docs / "a.txt").rename(docs / "hr" / "c.txt"), {"a.txt", "hr/c.txt"}),
    "replace": (lambda docs: (docs / "a.txt").replace(docs / "hr" / "b.txt"), {"a.txt", "hr/b.txt"}),
    "remove": (lambda docs: (docs / "a.txt").unlink(), {"a.txt"}),
    "move out": (lambda docs: (docs / "a.txt").rename(docs.parent / "a.txt"), {"a.txt"}),
    "move in": (lambda docs: (docs.parent / "in.txt").rename(docs / "in.txt"), {"in.txt"}),
    "rights": (lambda docs: (docs / "a.txt").chmod(0o600), {"a.txt"}),
    "new folder": (lambda docs: (docs / "it").mkdir(), {"it/"}),
    "rename folder": (lambda docs: (docs / "hr").rename(docs / "it"), {"hr/", "it/"}),
    "remove folder": (lambda docs: (docs / "hr" / "2024").rmdir(), {"hr/2024/"}),
    "move folder out": (lambda docs: (docs / "hr").rename(docs.parent / "hr"), {"hr/"}),
    "move folder in": (lambda docs: (docs.parent / "in").rename(docs / "in"), {"in/"}),
    "rights of folder": (lambda docs: (docs / "hr").chmod(0o700), {"hr/"}),
    "rights of root": (lambda docs: docs.chmod(0o700), {""}),
    "read": (lambda docs: (docs / "a.txt").read_text() + "".join(map(str, docs.rglob("*"))), set()),
    "lock": (lambda docs: (docs / "~$a.docx").touch(), set()),
    "hidden": (lambda docs: ((docs / ".git").mkdir(), (docs / ".git" / "c").touch()), set()),
    "show": (lambda docs: ((docs / ".x").touch(), (docs / ".x").rename(docs / "x")), {"x"}),
    "hide": (lambda docs: (docs / "a.txt").rename(docs / "a.txt~"), {"a.txt"}),
    "link": (lambda docs: (docs / "link").symlink_to(docs / "hr"), {"link"}),
    "odd names": (
        lambda docs: (Path(docs, os.fsdecode(b"\xff!")).mkdir(), Path(docs, "100%\n").touch()),
        {"%FF%21/", "100%25%0A"},
    ),
}


@LINUX
@pytest.mark.parametrize(("change", "scopes"), CHANGES.values(), ids=CHANGES)
def test_each_change_is_told_with_its_place(
    docs: Path, events: FolderEvents, told: Told, change: Callable[[Path], object], scopes: set[str]
) -> None:
    (docs.parent / "in.txt").write_text("neu")
    (docs.parent / "in").mkdir()
    (docs.parent / "in" / "b.txt").write_text("neu")
    assert set(told.after(docs, lambda: change(docs))) == scopes


@LINUX
def test_what_changes_in_a_folder_that_is_new_moved_or_shown_is_told_too(
    docs: Path, events: FolderEvents, told: Told
) -> None:
    (docs / ".x").mkdir()
    for folder, make in {
        "new/below": lambda: (docs / "new" / "below").mkdir(parents=True),
        "it/2024": lambda: (docs / "hr").rename(docs / "it"),
        "x": lambda: (docs / ".x").rename(docs / "x"),
    }.items():
        told.after(docs, make)
        found = told.after(docs, lambda: (docs / folder / "c.txt").write_text("neu"))  # noqa: B023 (called at once)
        assert set(found) == {f"{folder}/c.txt"}


@LINUX
def test_a_root_that_is_a_link_is_watched_where_it_leads(docs: Path, tmp_path: Path, told: Told) -> None:
    (tmp_path / "link").symlink_to("docs")
    events = FolderEvents(tmp_path / "link", told)
    try:
        assert set(told.after(docs, lambda: (docs / "hr" / "b.txt").write_text("neu"))) == {"hr/b.txt"}
    finally:
        events.close()


def vim(folder: Path, name: str) -> None:
    """With ``backup``, ``writebackup`` and the swap file: old → backup, new written, in another order by setting."""
    (folder / f".{name}.swp").write_bytes(b"b0VIM 9.0")
    (folder / "4913").touch()
    (folder / "4913").unlink()
    (folder / name).rename(folder / f"{name}~")
    (folder / name).write_text("neu")
    (folder / name).chmod(0o644)
    (folder / f"{name}~").unlink()
    (folder / f".{name}.swp").unlink()


def word(folder: Path, name: str) -> None:
    (folder / f"~${name}").write_text("anna")
    (folder / "~WRD0001.tmp").write_text("neu")
    (folder / name).rename(folder / "~WRL0002.tmp")
    (folder / "~WRD0001.tmp").rename(folder / name)
    (folder / "~WRL0002.tmp").unlink()
    (folder / f"~${name}").unlink()


def libre_office(folder: Path, name: str) -> None:
    (folder / f".~lock.{name}#").write_text(",anna,host,;")
    (folder / "lu4711abc.tmp").write_text("neu")
    (folder / "lu4711abc.tmp").replace(folder / name)
    (folder / f".~lock.{name}#").unlink()


def rsync(folder: Path, name: str) -> None:
    hidden = folder / f".{name}.Xa81bC"
    hidden.write_text("ne")
    with hidden.open("a") as file:
        file.write("u")
    os.utime(hidden, (1, 1))
    hidden.chmod(0o644)
    hidden.rename(folder / name)


def in_place(folder: Path, name: str) -> None:
    with (folder / name).open("w") as file:
        for _ in range(5):
            file.write("neu")
            file.flush()


@LINUX
@pytest.mark.parametrize("save", [vim, word, libre_office, rsync, in_place])
def test_however_a_document_is_saved_it_is_due_once_when_it_is_quiet(
    docs: Path, events: FolderEvents, told: Told, save: Callable[[Path, str], None]
) -> None:
    settling = Settling(settle_s=2)
    for moment, scope in enumerate(told.after(docs, lambda: save(docs / "hr", "b.txt"))):
        settling.note(scope, moment / 100)
    due = []
    while (moment := settling.next_due(0)) is not None:
        due += settling.due(moment)
    assert [scope for scope in due if scope != "hr/4913"] == ["hr/b.txt"]
    assert (docs / "hr" / "b.txt").read_text().startswith("neu")


@LINUX
@pytest.mark.skipif(shutil.which("vim") is None, reason="vim is not installed")
def test_what_vim_itself_writes_is_due_once(docs: Path, events: FolderEvents, told: Told) -> None:
    edit = ["vim", "-u", "NONE", "-N", "-es", "-c", "set backup wb", "-c", "normal Aneu", "-c", "wq", "hr/b.txt"]
    settling = Settling(settle_s=2)
    for scope in told.after(docs, lambda: subprocess.run(edit, cwd=docs, check=True, stdin=subprocess.DEVNULL)):
        settling.note(scope, 0)
    assert set(settling.due(2)) - {"hr/4913"} == {"hr/b.txt"}


@pytest.mark.parametrize("there", ["nothing", "a file"])
def test_what_is_no_folder_cannot_be_watched(tmp_path: Path, there: str) -> None:
    if there == "a file":
        (tmp_path / "docs").touch()
    with pytest.raises(SourceUnavailable, match="cannot be watched: it is not there, or is no folder"):
        FolderEvents(tmp_path / "docs", lambda scope: None)


@LINUX
def test_closing_leaves_no_thread_and_no_descriptor_behind(docs: Path) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = held()
    for root in (docs, docs / "missing"):
        watch_folder(root, lambda scope: None, poll_s=3600).close()
    assert held() == before


@LINUX
def test_a_caller_that_fails_is_told_of_the_next_change(docs: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = Told()

    def fail(scope: str) -> None:
        told(scope)
        raise RuntimeError("no")

    events = FolderEvents(docs, fail)
    try:
        assert set(told.after(docs, (docs / "a.txt").touch)) == {"a.txt"}
    finally:
        events.close()
    assert {record.__dict__["action"] for record in caplog.records} == {"event_failed"}


WATCH = """
import json, logging, os, sys, threading
from pathlib import Path
from connectors import folder_watch

folder_watch._PATIENCE_S = 0.0

def say(kind, text):
    os.write(1, json.dumps([kind, text]).encode() + b"\\n")

class Say(logging.Handler):
    def emit(self, record):
        say(record.levelname, record.getMessage())

logging.getLogger("connectors").addHandler(Say())
if len(sys.argv) > 3:
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[3]))
def changed(scope):
    if not scope.startswith("hr/"):
        say("scope", scope)

watching = folder_watch.watch_folder(Path(sys.argv[1]), changed, poll_s=float(sys.argv[2]), look_s=0.05)
say("mode", watching.mode)
for line in sys.stdin:
    say("threads", str(threading.active_count()))
    say("mode", watching.mode)
watching.close()
"""


class Process:
    """A process of its own that watches a folder."""

    def __init__(
        self, root: Path, *, poll_s: float = 3600, before: tuple[str, ...] = (), user: int | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [*before, sys.executable, "-c", WATCH, str(root), str(poll_s), *([str(user)] if user else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        self.said: list[list[str]] = []
        self.until("mode")

    def until(self, kind: str, text: str | None = None) -> str:
        """Read on until it says this."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(json.loads(line))
            if self.said[-1][0] == kind and text in (None, self.said[-1][1]):
                return self.said[-1][1]
        assert self._process.stderr is not None
        pytest.fail(f"{self.said[-5:]} {self._process.stderr.read()}")

    def mode(self) -> str:
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return self.until("mode")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stopped(self) -> None:
        while Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.001)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.send(signal.SIGCONT)
        _, problem = self._process.communicate(timeout=WAIT_S)
        assert "Traceback" not in problem and "Warning" not in problem, problem


@LINUX
def test_changes_that_the_system_dropped_are_noticed_and_all_is_compared_again(docs: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip(f"the event queue of this machine holds {most} events")
    with Process(docs) as process:
        process.send(signal.SIGSTOP)
        process.stopped()
        for number in range(most // 2 + 100):  # created and closed: two events each
            (docs / "hr" / str(number)).touch()
        (docs / "late").mkdir()
        process.send(signal.SIGCONT)
        process.until("scope", "")
        assert process.mode() == "events"
        assert [text for kind, text in process.said if kind == "WARNING"] == [
            "More changed at once below a folder than the system could tell; all of it is compared again"
        ]
        (docs / "late" / "c.txt").touch()
        process.until("scope", "late/c.txt")


def limited(number: int) -> tuple[str, ...]:
    """A command's beginning: in a user namespace that may watch so many folders."""
    limit = "/proc/sys/user/max_inotify_watches"
    before = ("unshare", "-Ur", "sh", "-c", f'echo {number} > {limit} && exec "$@"', "sh")
    probe = subprocess.run([*before, "cat", limit], capture_output=True, text=True)
    if probe.stdout.strip() != str(number):
        pytest.skip(f"this machine lets nobody lower the limit of watches in a user namespace: {probe.stderr.strip()}")
    return before


@LINUX
def test_a_folder_with_more_folders_than_may_be_watched_is_polled_and_that_is_told(docs: Path) -> None:
    with Process(docs, before=limited(2), poll_s=0.05) as process:
        assert process.mode() == "polling"
        assert ["threads", "3"] in process.said, "its own, one that looks and one that polls"
        process.until("scope", "")
    (warning,) = [text for kind, text in process.said if kind == "WARNING"]
    assert "than fs.inotify.max_user_watches allows" in warning
    assert "`sysctl fs.inotify.max_user_watches=1048576`" in warning
    assert "compared every 0.05 s instead" in warning


@LINUX
def test_a_limit_that_is_met_later_makes_it_poll_from_then_on(docs: Path) -> None:
    with Process(docs, before=limited(4)) as process:
        assert process.mode() == "events"
        for number in range(3):
            (docs / f"new{number}").mkdir()
        warning = process.until("WARNING")
        process.until("scope", "")
        assert process.mode() == "polling"
    assert "fs.inotify.max_user_watches" in warning


@LINUX
def test_a_system_that_gives_no_further_queue_of_events_makes_it_poll(docs: Path) -> None:
    instances = "/proc/sys/user/max_inotify_instances"
    limited(1)
    before = ("unshare", "-Ur", "sh", "-c", f'echo 0 > {instances} && exec "$@"', "sh")
    with Process(docs, before=before) as process:
        time.sleep(0.2)  # several looks
        assert process.mode() == "polling"
        assert not [text for kind, text in process.said if kind == "scope"], "it is not tried again"
    assert any("fs.inotify.max_user_instances=1024" in text for kind, text in process.said if kind == "WARNING")


@LINUX
def test_hidden_folders_take_no_watches(docs: Path) -> None:
    for number in range(20):
        (docs / ".git" / str(number)).mkdir(parents=True)
    with Process(docs, before=limited(4)) as process:
        (docs / "a.txt").touch()
        process.until("scope", "a.txt")
        assert process.mode() == "events"


@LINUX
def test_a_folder_that_could_not_be_looked_into_is_watched_once_it_may_be() -> None:
    """As somebody else than root, who may look into everything."""
    docs = Path(tempfile.mkdtemp())
    other = 65534 if os.geteuid() == 0 else None
    try:
        for name in ("one", "two"):
            (docs / name).mkdir()
        if other:
            for path in (docs, *docs.iterdir()):
                os.chown(path, other, other)
        for name in ("one", "two"):
            (docs / name).chmod(0)
        with Process(docs, user=other) as process:
            assert process.mode() == "events"
            (docs / "two").chmod(0o777)
            process.until("scope", "two/")
            process.until("scope", "")
            (docs / "two" / "c.txt").touch()
            process.until("scope", "two/c.txt")
            assert not [text for kind, text in process.said if kind == "WARNING"]
    finally:
        shutil.rmtree(docs)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without patience."""
    monkeypatch.setattr("connectors.folder_watch._PATIENCE_S", 0.0)


@contextmanager
def watching(root: Path, told: Told, *, poll_s: float = 3600, mountinfo: Path = MOUNTINFO) -> Iterator[Watching]:
    watching = watch_folder(root, told, poll_s=poll_s, look_s=0.01, mountinfo=mountinfo)
    try:
        yield watching
    finally:
        watching.close()


def remade(docs: Path) -> None:
    """Often with the same inode."""
    shutil.rmtree(docs)
    docs.mkdir()


def replaced(docs: Path) -> None:
    docs.rename(docs.parent / "old")
    docs.mkdir()


def link_turned(docs: Path) -> None:
    docs.rename(docs.parent / "old")
    (docs.parent / "new").mkdir()
    docs.symlink_to("new")


@LINUX
@pytest.mark.parametrize("change", [remade, replaced, link_turned])
def test_another_folder_in_the_place_of_the_root_is_compared_as_a_whole_and_watched(
    docs: Path, told: Told, at_once: None, change: Callable[[Path], None]
) -> None:
    with watching(docs, told) as watch:
        change(docs)
        assert told.until("")
        begun_anew(watch, docs, told)


def begun_anew(watch: Watching, docs: Path, told: Told) -> None:
    """Wait until what is there now is watched, and that is told: the first event may come sooner than the word."""
    deadline = time.monotonic() + WAIT_S
    for number in count():
        (docs / f"new{number}").mkdir()
        if told.until(f"new{number}/", wait_s=0.1) and (watch.mode, watch.reason) == ("events", ""):
            break
        assert time.monotonic() < deadline, (watch.mode, watch.reason)


@LINUX
def test_a_root_that_is_missing_is_waited_for(docs: Path, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(docs)
    with watching(docs, told) as watch:
        assert watch.mode == "polling"
        assert "is not there" in watch.reason
        docs.mkdir()
        assert told.until("")
        begun_anew(watch, docs, told)
        shutil.rmtree(docs)
        assert told.until("", 2)
    assert [record.levelname for record in caplog.records][:1] == ["WARNING"]


@LINUX
def test_what_cannot_be_watched_is_told_once_however_often_it_is_tried(
    docs: Path, told: Told, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(docs / "a.txt", told):
        assert told.until("", 5)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@LINUX
def test_a_root_that_goes_is_told_of_and_polled(docs: Path, told: Told) -> None:
    with watching(docs, told, poll_s=0.01) as watch:
        docs.rename(docs.parent / "away")
        assert told.until("", 5)
        assert watch.mode == "polling"


@LINUX
def test_watching_that_lost_its_bookkeeping_begins_anew(docs: Path, told: Told, at_once: None) -> None:
    """A folder that was moved out, made again and removed, twice: watchdog 7.1 ends its thread over it."""
    with watching(docs, told) as watch:
        (docs / "hr").rename(docs.parent / "hr")
        told.after(docs, (docs / "hr").mkdir)
        told.after(docs, (docs / "hr").rmdir)
        shutil.rmtree(docs.parent / "hr")
        assert told.until("")
        begun_anew(watch, docs, told)


@LINUX
def test_events_that_keep_failing_are_begun_anew_once_a_minute_not_at_each_look(docs: Path, told: Told) -> None:
    with watching(docs, told) as watch:
        events = watch._events
        assert events is not None
        events.fail(RuntimeError("no"))
        assert not told.until("", wait_s=0.2)
        assert watch._events is events


@LINUX
def test_a_limit_is_not_tried_again_because_that_takes_watches_from_others(docs: Path, told: Told) -> None:
    with watching(docs, told) as watch:
        assert watch._events is not None
        watch._events.fail(OSError(errno.ENOSPC, "inotify watch limit reached"))
        assert told.until("")
        assert watch.mode == "polling"
        assert not told.until("", 2, wait_s=0.2)


@LINUX
def test_a_share_is_not_asked_at_each_look_because_it_may_hang(
    docs: Path, told: Told, mountinfo: Path, at_once: None
) -> None:
    with watching(docs / "hr", told, mountinfo=mountinfo):
        assert not told.until("", wait_s=0.2)


@pytest.fixture
def mountinfo(docs: Path, tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:40 / {docs}/hr rw - nfs4 server:/hr rw\n")
    return file


@LINUX
def test_a_network_file_system_is_polled_and_that_is_told_once(
    docs: Path, told: Told, mountinfo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with watching(docs / "hr", told, poll_s=0.01, mountinfo=mountinfo) as watch:
        assert told.until("", 3)
        (docs / "hr" / "b.txt").unlink()
        assert told.until("", 10)
    assert set(told.scopes) == {""}
    assert watch.mode == "polling"
    assert watch.reason == (
        f"{docs}/hr lies on a network file system (nfs4), which raises no events. It is compared every 0.01 s instead."
    )
    assert [record.getMessage() for record in caplog.records] == [watch.reason]


@LINUX
def test_a_network_file_system_below_the_root_is_polled_beside_the_events(
    docs: Path, told: Told, mountinfo: Path
) -> None:
    with watching(docs, told, poll_s=0.01, mountinfo=mountinfo) as watch:
        assert watch.mode == "events"
        assert watch.reason == "Network file systems below it are polled every 0.01 s: hr/ (nfs4)."
        assert told.until("hr/", 3)
        assert "" not in told.scopes


@LINUX
def test_what_is_mounted_below_the_root_later_is_compared_and_polled(
    docs: Path, told: Told, mountinfo: Path, at_once: None
) -> None:
    later = mountinfo.read_text()
    mountinfo.write_text(later.splitlines()[0] + "\n")
    with watching(docs, told, poll_s=0.01, mountinfo=mountinfo) as watch:
        assert watch.reason == ""
        (mountinfo.parent / "later").write_text(later)
        (mountinfo.parent / "later").replace(mountinfo)
        assert told.until("")
        assert told.until("hr/")
