"""A document that takes long to read, a recording of an hour, holds up nothing else of its source, nor the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.access import EVERYONE, Principal
from rag.documents import Parsed
from rag.errors import EmptyDocument, ReadingStopped
from rag.ingest import flow
from rag.ingest.perceiving import Perceiving
from rag.ingest.report import Report
from rag.ingest.sync import sync
from tests.ingest.room import Counted, JsonReader, Room, folder

BEN = Principal(user="ben")
SOON_S = 30.0


class Patient(JsonReader):
    """Reads a file that says LONG for as long as the test wants, or until it may stop."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.go_on = threading.Event(), threading.Event()
        self._stopped: Callable[[], bool] = lambda: False

    def until(self, stopped: Callable[[], bool]) -> Patient:
        self._stopped = stopped
        return self

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        if body.startswith(b"LONG"):
            self.reading.set()
            while not self.go_on.wait(0.02):
                if self._stopped():
                    raise ReadingStopped("the run ends")
        return super().parse(body, media_type=media_type, name=name, ocr=ocr)


@pytest.fixture
def reader() -> Patient:
    return Patient()


@pytest.fixture
def room(tmp_path: Path, reader: Patient) -> Iterator[Room]:
    with Room(tmp_path / "home", reader) as opened:
        yield opened


class Syncing:
    """A sync in a thread of its own."""

    def __init__(self, run: Callable[[Callable[[], bool]], Report]) -> None:
        self._stop = threading.Event()
        self.reports: list[Report] = []
        self._thread = threading.Thread(target=lambda: self.reports.append(run(self._stop.is_set)))

    def __enter__(self) -> Syncing:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def stopped(self) -> Report:
        self._stop.set()
        self._thread.join(SOON_S)
        assert not self._thread.is_alive()
        return self.reports[0]


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON_S
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_what_is_revoked_while_one_document_is_read_is_not_found_by_others(
    room: Room, docs: Path, reader: Patient
) -> None:
    (docs / "a.txt").write_text("Gehalt")
    room.sync(folder(docs, readers=("user:ben", "user:anna")))
    (docs / "lang.txt").write_text("LONG recording")
    source = Counted(folder(docs, readers=("user:ben", "user:anna")))
    with Syncing(lambda stopped: sync(source, room.pipeline, rights_s=0, stopped=stopped)):
        assert reader.reading.wait(SOON_S)
        assert room.found("Gehalt", BEN)
        source.folder = folder(docs, readers=("user:anna",))
        assert soon(lambda: not room.found("Gehalt", BEN))
        assert room.found("Gehalt") == {"docs:a.txt"}


def test_what_was_read_before_it_is_found_and_told_meanwhile(
    room: Room, docs: Path, reader: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_WINDOW_S", 0.1)
    (docs / "a.txt").write_text("Gehalt")
    (docs / "b.txt").write_text("LONG recording")
    told: list[str] = []
    with Syncing(
        lambda stopped: sync(
            folder(docs, readers=(EVERYONE,)),
            room.pipeline,
            progress=lambda step: told.append(step.document),
            stopped=stopped,
        )
    ) as syncing:
        assert reader.reading.wait(SOON_S)
        assert soon(lambda: "docs:a.txt" in told) and room.found("Gehalt") == {"docs:a.txt"}
        assert not syncing.reports


def test_a_run_that_is_told_to_end_gives_it_up_and_the_next_one_reads_it(
    room: Room, docs: Path, reader: Patient
) -> None:
    for name in ("a", "b", "c", "d"):
        (docs / f"{name}.txt").write_text(f"{'LONG' if name == 'b' else 'short'} {name}")
    source = folder(docs)
    with Syncing(lambda stopped: sync(source, room.pipeline, stopped=stopped, ending_s=0.1)) as syncing:
        assert reader.reading.wait(SOON_S)
        report = syncing.stopped()
    assert (report.added, report.failed) == (1, [])
    assert "d.txt" not in reader.parsed, "what had not begun is not begun"
    reader.go_on.set()
    assert room.sync(source).added == 3
    assert room.level()


def test_a_picture_is_not_waited_for_once_the_run_ends() -> None:
    asked, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    class Blank(JsonReader):
        def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True, stopped: object = None) -> Parsed:
            raise EmptyDocument("no text in it")

    class Slow:
        name, language, fingerprint = "seer", "de", "vision=seer"

        def describe(self, picture: bytes) -> tuple[str, bool]:
            asked.set()
            go_on.wait()
            return "Ein Gabelstapler", False

    reader = Perceiving(documents=Blank(), describer=Slow()).until(stop.is_set)  # type: ignore[arg-type]
    threading.Thread(target=lambda: asked.wait() and stop.set()).start()
    with pytest.raises(ReadingStopped):
        reader.parse(b"picture", media_type="image/png", name="hof.png")
    go_on.set()
    stop.clear()
    assert reader.parse(b"picture", media_type="image/png", name="hof.png").text == "Ein Gabelstapler"
