"""A share that drops, in more than a hundred ways, removes nothing; when it is back all is as before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rag.errors import SourceError
from rag.ingest.report import Report
from rag.ingest.sync import sync
from tests.faults import drops
from tests.faults.drops import DROPS, MOUNTED, SUB, Share
from tests.ingest.room import Room, folder

SIZES = (1, 12, 60, pytest.param(4, marks=pytest.mark.soak), pytest.param(200, marks=pytest.mark.soak))
SCOPES = {"whole": ("",), "parts": (f"{SUB}/", "00.txt", "01.txt"), "one": ("00.txt",)}


@pytest.fixture(scope="module", params=SIZES)
def share(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, Path, int]]:
    """A room level with a share of that many documents in each of the root, a folder and a mount."""
    base = tmp_path_factory.mktemp("share")
    docs = base / "docs"
    for place in (docs, docs / SUB, docs / MOUNTED):
        place.mkdir(exist_ok=True)
        for number in range(request.param):
            (place / f"{number:02}.txt").write_text(f"Akte {number} in {place.name}")
    patch = pytest.MonkeyPatch()
    drops.share_mounts(patch, [docs / MOUNTED])
    with Room(base / "home") as room:
        room.sync(folder(docs))
        yield room, docs, request.param
    patch.undo()


def texts(docs: Path) -> dict[str, str]:
    return {f"docs:{path.relative_to(docs)}": path.read_text() for path in docs.rglob("*.txt")}


def reached(room: Room, source: Share, scopes: tuple[str, ...], *, confirm: bool = False) -> Report | None:
    """The report, or None where the source could not be reached."""
    try:
        return sync(source, room.pipeline, scopes=scopes, confirm_removals=confirm)
    except SourceError:
        return None


@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("drop", DROPS, ids=lambda drop: drop.__name__)
def test_nothing_is_removed_and_all_is_as_before_when_it_is_back(
    share: tuple[Room, Path, int],
    drop: Callable[[Share], AbstractContextManager[None]],
    scopes: tuple[str, ...],
) -> None:
    room, docs, size = share
    if drop is drops.silently_listed_by_half and (size < 12 or scopes != ("",)):
        pytest.skip("cannot be told from somebody tidying up")
    keys = {entry.id: entry.key for entry in room.ledger.entries()}
    (docs / "00.txt").write_text(f"{(docs / '00.txt').read_text()} und mehr")
    (docs / SUB / "neu.txt").write_text("neue Akte")
    source = Share(docs)
    try:
        with drop(source):
            for _ in range(2):
                report = reached(room, source, scopes)
                assert report is None or report.removed == 0
                assert {entry.id: entry.key for entry in room.ledger.entries()}.items() >= keys.items() or moved(
                    room, keys
                )
    finally:
        drops.back(docs)
    reached(room, Share(docs), scopes)
    assert room.sync(folder(docs)).held == 0
    assert room.ledger.source_state("docs").held == 0
    assert room.texts() == texts(docs)
    assert {entry.id: entry.key for entry in room.ledger.entries()}.items() >= keys.items()
    assert room.level()
    (docs / SUB / "neu.txt").unlink()
    assert room.sync(folder(docs)).removed == 1


def moved(room: Room, keys: dict[str, str]) -> bool:
    """In another folder with some of the files, some stand elsewhere; none is lost."""
    return {entry.key for entry in room.ledger.entries()} >= set(keys.values())


def filled(docs: Path, count: int) -> None:
    for number in range(count):
        (docs / f"{number:04}.txt").write_text(f"Akte {number}")


@pytest.mark.parametrize("size", [1, 9, 30])
def test_a_person_can_confirm_that_an_emptied_share_is_meant(room: Room, docs: Path, size: int) -> None:
    filled(docs, size)
    room.sync(folder(docs))
    drops.unmount(docs)
    report = room.sync(folder(docs))
    assert (report.held, report.removed, len(room.texts())) == (size, 0, size)
    assert room.ledger.source_state("docs").held == size
    report = room.sync(folder(docs), confirm=True)
    assert (report.held, report.removed, room.texts()) == (0, size, {})
    assert room.ledger.source_state("docs").held == 0
    filled(docs, 2)
    room.sync(folder(docs))
    (docs / "0001.txt").unlink()
    assert room.sync(folder(docs)).removed == 1, "the folder that was confirmed is the source now"


@pytest.mark.parametrize(("before", "gone"), [(9, 9), (1, 1), (250, 12)])
def test_files_that_somebody_tidied_up_are_removed(room: Room, docs: Path, before: int, gone: int) -> None:
    filled(docs, before)
    room.sync(folder(docs))
    for path in sorted(docs.iterdir())[:gone]:
        path.unlink()
    report = room.sync(folder(docs))
    assert (report.held, report.removed, len(room.texts())) == (0, gone, before - gone)


@pytest.mark.soak
def test_forty_of_two_thousand_are_removed_and_sixty_are_not(room: Room, docs: Path) -> None:
    filled(docs, 2000)
    room.sync(folder(docs))
    for stop, removed in ((40, 40), (100, 0)):
        for number in range(stop):
            (docs / f"{number:04}.txt").unlink(missing_ok=True)
        assert room.sync(folder(docs)).removed == removed
    assert len(room.texts()) == 1960


def test_a_real_mount_that_drops_removes_nothing(tmp_path: Path) -> None:
    try:
        told = subprocess.run(
            ["unshare", "-rm", sys.executable, "-m", "tests.faults.mounting", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "unshare failed" in told.stderr or told.stdout.strip() == "cannot mount":
        pytest.skip("namespaces are not permitted here")
    assert told.stdout.strip() == "ok", told.stderr
