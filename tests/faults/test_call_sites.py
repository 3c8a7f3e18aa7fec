"""Each call of the file system and of the stores fails once: nothing hangs, nothing is lost in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.ingest.report import Report
from rag.ingest.sync import sync
from tests.faults.faulty import ERRNOS, STORE_SITES, Fault, file_system, os_error, store_error, stores
from tests.faults.recovery import whole
from tests.faults.scenario import NEVER_HELD
from tests.faults.seeds import chosen
from tests.ingest.room import Room, folder, packed

DEADLINE_S = 60.0
STAYS = {"bleibt.txt", "tief/bleibt.txt"}


def in_time(work: Callable[[], Report]) -> Report | RagError:
    """What it returned or said, within the deadline."""
    ended: list[Report | BaseException] = []

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "hangs"
    (found,) = ended
    if isinstance(found, BaseException) and not isinstance(found, RagError):
        raise AssertionError(f"not said in words: {found!r}") from found
    return found  # type: ignore[return-value]


def change(docs: Path, turn: int) -> None:
    """The folder's next state: adds, edits, a move there and back, a container that grows, a file that breaks."""
    for name in ("eins.txt", "tief/zwei.txt", "tief/ganz/drei.txt"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(f"Fassung {turn} von {name}")
    for name in STAYS:
        (docs / name).write_text(f"bleibt {name}")
    (docs / "post.eml").write_bytes(packed(f"Mail {turn}", {f"teil{n}.txt": f"Teil {n}" for n in range(turn % 3)}))
    (docs / "manchmal.txt").write_text("BROKEN" if turn % 2 else f"heil {turn}")
    (docs / f"neu{turn}.txt").write_text(f"Neues {turn}")
    (docs / f"neu{turn - 2}.txt").unlink(missing_ok=True)
    places = [docs / "hier.txt", docs / "tief" / "dort.txt"]
    if not any(place.exists() for place in places):
        places[0].write_text("wandert immer")
    here, there = places if places[0].exists() else places[::-1]
    here.rename(there)


def equal(room: Room, docs: Path) -> None:
    """The index equals the folder."""
    found = {name: text for name, text in room.texts().items() if "!/" not in name and "manchmal" not in name}
    files = {f"docs:{path.relative_to(docs)}": path for path in docs.rglob("*") if path.is_file()}
    wanted = {name: path.read_text() for name, path in files.items() if "manchmal" not in name}
    wanted["docs:post.eml"] = found["docs:post.eml"] or ""
    assert found == wanted
    assert room.texts().keys() >= files.keys()
    whole(room)


def one_fault(
    room: Room, docs: Path, turn: int, patched: Callable[[Fault], AbstractContextManager[None]], fault: Fault
) -> bool:
    """The folder changes, the n-th call fails, then none does; returns whether there was an n-th call."""
    change(docs, turn)
    source = folder(docs, readers=("everyone",) if turn % 2 else ("everyone", "user:berta"))
    scopes = (
        ("",) if turn % 3 else ("tief/", "eins.txt", "hier.txt", "post.eml", f"neu{turn}.txt", f"neu{turn - 2}.txt")
    )
    began = time.monotonic()

    def work() -> Report:
        with patched(fault):
            return sync(source, room.pipeline, scopes=scopes, hold=NEVER_HELD, workers=2)

    ended = in_time(work)
    known = {str(entry.id) for entry in room.ledger.entries()}
    assert known >= {f"docs:{name}" for name in STAYS}, f"{fault.site}: something is gone that is there"
    said = isinstance(ended, RagError) or bool(ended.failed) or bool(ended.later)
    report = sync(source, room.pipeline, hold=NEVER_HELD)
    untold = report.added + report.replaced + report.removed + report.moved
    assert said or not untold or scopes != ("",), f"{fault.site}: lost in silence"
    equal(room, docs)
    print(f"{fault.site or 'no such call'} ({time.monotonic() - began:.2f} s)", flush=True)
    return bool(fault.site)


FILES = [(f"errno {number}", os_error(number), False) for number in ERRNOS]
STORES = [(f"{'late ' if late else ''}{kind}", store_error(kind), late) for kind in (0, 1) for late in (False, True)]


@pytest.fixture
def level(room: Room, docs: Path) -> Iterator[Room]:
    change(docs, 1)
    sync(folder(docs), room.pipeline)
    yield room


def every_call(
    room: Room,
    docs: Path,
    patched: Callable[[Fault], AbstractContextManager[None]],
    kinds: list,
    step: int,  # type: ignore[type-arg]
) -> int:
    """Every `step`-th call of each kind of fault; returns how many failed."""
    chance, turn, failed = chosen("call sites"), 1, 0
    for name, error, late in kinds:
        nth = chance.randint(1, step)
        while True:
            turn += 1
            print(f"{name}, call {nth}: ", end="")
            if not one_fault(room, docs, turn, patched, Fault(nth, error, late=late)):
                break
            failed += 1
            nth += chance.randint(1, 2 * step - 1) if step > 1 else 1
    return failed


def test_a_call_of_the_file_system_that_fails_loses_nothing(level: Room, docs: Path) -> None:
    assert every_call(level, docs, file_system, FILES, 20) > 8


def test_a_call_of_a_store_that_fails_loses_nothing(level: Room, docs: Path) -> None:
    chance, turn = chosen("call sites of the stores"), 1
    for site in STORE_SITES:
        for name, error, late in STORES:
            turn, nth = turn + 1, chance.choice((1, 2, 3, 5, 8, 13)) if site.startswith("execute") else 1
            print(f"{name}, {site} {nth}: ", end="")
            one_fault(level, docs, turn, lambda fault: stores(level, fault), Fault(nth, error, late=late, only=site))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_call_of_the_file_system_fails_once(level: Room, docs: Path) -> None:
    assert every_call(level, docs, file_system, FILES, 1) > 200


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_call_of_a_store_fails_once(level: Room, docs: Path) -> None:
    assert every_call(level, docs, lambda fault: stores(level, fault), STORES, 1) > 400
