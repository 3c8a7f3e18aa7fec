"""Questions while documents are written: never an error, never a mix, never what was removed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from rag.ingest.sync import sync
from tests.faults.recovery import whole
from tests.faults.scenario import NEVER_HELD
from tests.faults.seeds import chosen
from tests.ingest.room import Room, folder

LIMIT_S = 60.0


class Asking:
    """Asks until it is stopped; `wrong` is everything that must not be."""

    def __init__(self, room: Room) -> None:
        self._room, self._stopped = room, threading.Event()
        self.gone: frozenset[str] = frozenset()  # words that were removed before a question was asked
        self.wrong: list[str] = []
        self.asked = self.found = 0
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "hangs"

    @property
    def enough(self) -> bool:
        """Whether so much was asked and found that it tells something."""
        return self.asked > 5 and self.found > 0

    def _ask(self) -> None:
        while not self._stopped.is_set():
            gone = self.gone
            try:
                passages = self._room.search("Akte Absatz")
            except BaseException as error:
                self.wrong.append(repr(error))
                return
            self.asked += 1
            self.found += len(passages)
            versions: dict[str, set[str]] = {}
            for passage in passages:
                words = passage.chunk.text.split()
                versions.setdefault(passage.chunk.document_id, set()).add(passage.chunk.version)
                self.wrong += [f"{words[:3]} of {passage.title} was removed" for word in words if word in gone]
                if len({word for word in words if word.startswith("fassung")}) != 1:
                    self.wrong.append(f"a mixed passage: {words}")
            self.wrong += [f"{name} in {len(found)} versions" for name, found in versions.items() if len(found) > 1]


def ask_while_writing(room: Room, docs: Path, seconds: float) -> Asking:
    chance, turn, there, gone = chosen("questions"), 0, {}, set()
    end = time.monotonic() + seconds
    with Asking(room) as asking:
        while time.monotonic() < end or (not asking.enough and time.monotonic() < end + LIMIT_S):
            turn += 1
            for name in chance.sample(range(12), 4):
                word, path = f"fassung{turn}x{name}", docs / f"{name}.txt"
                gone |= {there.pop(name)} if name in there else set()
                if chance.random() < 0.3:
                    path.unlink(missing_ok=True)
                    continue
                there[name] = word
                path.write_text("\n\n".join(f"Absatz {n} der Akte {word} " + "und " * 150 for n in range(3)))
            sync(folder(docs), room.pipeline, hold=NEVER_HELD, workers=2)
            asking.gone = frozenset(gone)
    print(f"{turn} syncs, {asking.asked} questions, {asking.found} passages")
    assert asking.enough
    assert asking.wrong == []
    whole(room)
    return asking


def test_questions_are_answered_rightly_while_documents_are_written(room: Room, docs: Path) -> None:
    ask_while_writing(room, docs, 2)


@pytest.mark.soak
def test_questions_are_answered_rightly_for_ten_seconds(room: Room, docs: Path) -> None:
    ask_while_writing(room, docs, 10)


def test_two_sources_synced_at_once_are_both_level(room: Room, tmp_path: Path) -> None:
    wrong: list[BaseException] = []

    def keep(name: str) -> None:
        root = tmp_path / name
        root.mkdir()
        try:
            for turn in range(6):
                for number in range(4):
                    (root / f"{number}.txt").write_text(f"Akte {number} in {name}, Fassung {turn}")
                (root / f"weg{turn - 1}.txt").unlink(missing_ok=True)
                (root / f"weg{turn}.txt").write_text("derselbe Text in beiden")
                readers = ("everyone", f"user:u{turn % 2}")
                sync(folder(root, name=name, readers=readers), room.pipeline, hold=NEVER_HELD, workers=2)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=keep, args=(name,)) for name in ("eins", "zwei")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "hangs"
    assert wrong == []
    assert len(room.texts()) == 10
    assert all("Fassung 5" in str(text) or "derselbe" in str(text) for text in room.texts().values())
    whole(room)
