"""The indexes are rebuildable: whatever became of their files, the answers are those of the ledger, nothing is embedded
again, and no damaged file brings the process down."""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - the bomb that must not go off
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rag.access import Acl, Confidentiality, Token
from rag.documents import Chunk, ChunkId
from rag.errors import IndexDamaged
from tests.ingest.house import House
from tests.ingest.room import folder

COUNT = 1150  # past the thousand from which on Chroma writes its graph to files of its own
PROBES = (3, 500, 1100)


def text(number: int) -> str:
    return f"Vermerk {number} über den Vorgang {number * 7} und Akte {number * 13}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home of many small documents, not to be changed."""
    base = tmp_path_factory.mktemp("made")
    (base / "docs").mkdir()
    for number in range(COUNT):
        (base / "docs" / f"{number}.txt").write_text(text(number))
    with House(base / "home") as house:
        house.sync(folder(base / "docs"))  # type: ignore[arg-type]
        house.pipeline.words.commit()
    return base / "home"


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


def check(house: House) -> None:
    """Right answers by either index, everything level, nothing embedded but the reference texts."""
    for number in PROBES:
        assert house.dense(text(number), k=1) == [f"docs:{number}.txt"]
        assert house.answers(text(number))[0] == (f"docs:{number}.txt", text(number))
    assert not [passage for passage in house.embedder.embedded if "Vermerk" in passage]


def mended(house: House) -> None:
    """Wait for what goes on in the background, then look row by row."""
    house.upkeep.run(succeed=False)
    check(house)
    assert house.level()
    assert not list(house.ledger.path.parent.glob("*.damaged"))


def test_after_a_clean_end_nothing_is_looked_through(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("looked through")

    for name in ("rag.ingest.upkeep.level_vectors", "rag.ingest.upkeep.level_words", "rag.store.opening.unsound"):
        monkeypatch.setattr(name, never)
    for _ in range(2):
        with House(home) as house:
            check(house)


def test_other_rows_in_equal_number_are_seen_after_an_unclean_end(home: Path) -> None:
    house = House(home)
    first, *_ = sorted(house.ledger.chunk_ids())
    (row,) = house.ledger.indexed([first], embedder=house.embedder.fingerprint)
    house.spaces.coming.vectors.delete([first])
    house.spaces.coming.vectors.put([_renamed(row[0])], house.embedder.embed_passages(["x"]), [row[1]])
    house.words.delete([first])
    house.words.put([_renamed(row[0])], [row[1]])
    house.words.commit()
    house.leave()
    with House(home) as house:
        mended(house)


def test_stale_rights_in_an_index_are_seen_after_an_unclean_end(home: Path) -> None:
    house = House(home)
    (closed,) = [entry for entry in house.ledger.entries() if entry.id == "docs:3.txt"]
    house.ledger.reprotect(closed.id, Acl(readers=frozenset({Token("user:berta")})), Confidentiality.STRICT)
    house.ledger.settle(house.ledger.owed())
    house.leave()
    with House(home) as house:
        house.upkeep.run(succeed=False)
        assert house.level()
        assert "docs:3.txt" not in house.dense(text(3), k=5)


def _renamed(chunk: Chunk) -> Chunk:
    return replace(chunk, id=ChunkId("f" * 32))


def files(home: Path) -> list[Path]:
    return sorted(
        path
        for name in ("chroma", "words")
        for path in (home / name).rglob("*")
        if path.is_file() and path.stat().st_size
    )


def mutate(path: Path, draw: random.Random) -> str:
    """Flip a bit, overwrite some bytes or a page, cut, empty or delete a file."""
    content = bytearray(path.read_bytes())
    how = draw.choice(["flip", "flip", "bytes", "page", "cut", "empty", "gone"])
    place = draw.randrange(len(content))
    if how == "gone":
        path.unlink()
        return how
    if how == "flip":
        content[place] ^= 1 << draw.randrange(8)
    elif how == "bytes":
        for _ in range(8):
            content[draw.randrange(len(content))] = draw.randrange(256)
    elif how == "page":
        content[place : place + 4096] = bytes(len(content[place : place + 4096]))
    else:
        del content[0 if how == "empty" else place :]
    path.write_bytes(content)
    return f"{how} at {place}"


def mutations() -> Iterator[object]:
    seed = int(os.environ.get("RAG_SEED", random.SystemRandom().randrange(1 << 32)))
    for number in range(40):
        yield pytest.param(seed + number, id=f"seed {seed + number}")
    for number in range(40, 200):
        yield pytest.param(seed + number, id=f"seed {seed + number}", marks=pytest.mark.soak)


@pytest.mark.parametrize("seed", list(mutations()))
def test_a_damaged_file_is_noticed_and_the_answers_stay_right(home: Path, seed: int) -> None:
    draw = random.Random(seed)
    target = draw.choice(files(home))
    clean = draw.random() < 0.8
    before = target.stat()
    how = mutate(target, draw)
    if target.exists() and draw.random() < 0.5:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk does that forgets a bit
    if not clean:
        with closing(sqlite3.connect(home / "ledger.sqlite")) as db, db:
            db.execute("DELETE FROM meta WHERE name LIKE 'seal %'")
    said = f"{target.relative_to(home)}: {how}, {'clean' if clean else 'unclean'} end"
    with House(home) as house:
        try:
            check(house)
            mended(house)
        except AssertionError as error:
            raise AssertionError(said) from error
    with House(home) as house:
        check(house)


def test_a_word_index_that_opens_and_fails_only_while_it_is_compared_is_made_anew(home: Path) -> None:
    meta = home / "words" / "meta.json"  # the one file without a sum of its own
    meta.write_text(re.sub(r'("max_doc":) *\d+', r"\1 60", meta.read_text()))
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db, db:
        db.execute("DELETE FROM meta WHERE name LIKE 'seal %'")
    with House(home) as house:
        check(house)
        mended(house)


def test_an_index_that_stays_damaged_is_not_made_anew_for_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with House(home) as house:

        def broken(*_: object) -> None:
            raise IndexDamaged("The word index could not be read.", directory=house.words.directory)

        monkeypatch.setattr(house.words, "facets", broken)
        with pytest.raises(IndexDamaged):
            house.upkeep.look_through()
        monkeypatch.undo()
        mended(house)


def test_a_file_that_brings_chroma_down_is_opened_in_another_process_first(home: Path) -> None:
    (links,) = home.glob("chroma/*/link_lists.bin")
    links.write_bytes(bytes(links.stat().st_size))  # seen to end in a segmentation fault
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db, db:
        db.execute("DELETE FROM meta WHERE name LIKE 'seal %'")
    with House(home) as house:
        mended(house)


def test_an_index_that_fails_in_use_is_made_anew_while_questions_are_answered(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with House(home) as house:

        def broken(*_: object, **__: object) -> list[object]:
            raise IndexDamaged("The vector index could not be read.")

        index = house.spaces.coming.vectors
        monkeypatch.setattr(index, "search", broken)
        monkeypatch.setattr(house.words, "search", broken)
        assert house.dense(text(3), k=1) == ["docs:3.txt"]
        assert house.answers(text(500))[0][0] == "docs:500.txt"
        monkeypatch.undo()
        mended(house)


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.target}",)

    def __init__(self, target: Path) -> None:
        self.target = target


@pytest.mark.parametrize("clean", [True, False])
def test_a_pickle_planted_in_the_index_is_never_run(home: Path, tmp_path: Path, clean: bool) -> None:
    (own,) = home.glob("chroma/*/index_metadata.pickle")
    for place in (own, home / "chroma" / "index_metadata.pickle", home / "words" / "index_metadata.pickle"):
        place.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    if not clean:
        with closing(sqlite3.connect(home / "ledger.sqlite")) as db, db:
            db.execute("DELETE FROM meta WHERE name LIKE 'seal %'")
    with House(home) as house:
        mended(house)
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(AssertionError):
        pickle.loads(pickle.dumps(Bomb(tmp_path / "exploded")))
        assert not (tmp_path / "exploded").exists(), "the bomb is a bomb"


def test_the_index_of_a_home_can_be_made_anew_at_any_time(home: Path) -> None:
    with House(home) as house:
        for space in house.spaces.all():
            space.vectors.renew()
        house.words.renew()
        assert house.dense(text(3), k=1) == ["docs:3.txt"], "by the ledger, meanwhile"
        mended(house)
