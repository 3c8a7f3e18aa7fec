"""`Pipeline.write` is killed before each step; after the next start there is the old or the new, never a mix."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.ingest.one import Pipeline
from rag.store.rows import Facets
from tests.ingest.crash import NEW, OLD, drafts
from tests.ingest.room import HashedWords, Room

OLD_TEXTS = {
    "docs:mail.eml": "alte Fassung",
    "docs:mail.eml!/bleibt.txt": "Anlage eins",
    "docs:mail.eml!/bricht.txt": "war heil",
    "docs:mail.eml!/geht.txt": "Anlage alt",
}
NEW_TEXTS = {
    "docs:mail.eml": "neue Fassung",
    "docs:mail.eml!/bleibt.txt": "Anlage zwei",
    "docs:mail.eml!/bricht.txt": "war heil",
    "docs:mail.eml!/kommt.txt": "Anlage neu",
}


def crashed(folder: Path, scenario: str, before: bytes | None, *, steps: int) -> Iterator[tuple[str, Path]]:
    start = folder / "start"
    with Room(start) as room:
        if before is not None:
            room.pipeline.write(drafts(room, before))
    homes = [folder / f"home-{step}" for step in range(1, steps + 1)]
    for home in homes:
        shutil.copytree(start, home)
    told = subprocess.run(
        [sys.executable, "-m", "tests.ingest.crash", scenario, *map(str, homes)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    yield from zip(told.stdout.split(), homes, strict=True)


def check(room: Room, *allowed: dict[str, str]) -> None:
    texts = room.texts()
    assert texts in allowed
    shown = {str(p.chunk.document_id): p.chunk.text for p in room.search("Fassung Anlage heil alt neu eins zwei")}
    assert shown == texts
    assert room.level()
    failed = {entry.id for entry in room.ledger.entries(failed_only=True)}
    assert failed == ({"docs:mail.eml!/bricht.txt"} if texts == NEW_TEXTS else set())


def test_a_replacement_killed_before_any_step_is_old_or_new(tmp_path: Path) -> None:
    stopped_at = []
    for step, home in crashed(tmp_path, "replace", OLD, steps=12):
        with Room(home) as room:
            check(room, NEW_TEXTS if step in ("done", "Ledger.settle") else OLD_TEXTS, NEW_TEXTS)
        stopped_at.append(step)
    assert stopped_at[:5] == [
        "Ledger.announce",
        "VectorIndex.put",
        "WordIndex.put",
        "WordIndex.commit",
        "Ledger.record",
    ]
    assert stopped_at[5:] == [
        *("Ledger.record_failure", "Ledger.remove"),
        *("VectorIndex.delete", "WordIndex.delete", "WordIndex.commit", "Ledger.settle"),
        "done",
    ]


def test_the_same_version_written_again_and_killed_is_not_lost(tmp_path: Path) -> None:
    for _, home in crashed(tmp_path, "again", OLD, steps=6):
        with Room(home) as room:
            check(room, OLD_TEXTS)


def test_a_first_version_killed_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    for _, home in crashed(tmp_path, "first", None, steps=7):
        with Room(home) as room:
            heil = NEW_TEXTS | {"docs:mail.eml!/bricht.txt": None}
            texts = room.texts()
            assert texts in ({}, heil)
            assert {str(p.chunk.document_id) for p in room.search("Fassung Anlage neu zwei")} == {
                name for name, text in texts.items() if text
            }
            assert room.level()


class NoWords:
    """A word index whose disk is full."""

    def __init__(self, words: object) -> None:
        self._words = words

    def __getattr__(self, name: str) -> object:
        return getattr(self._words, name)

    def __len__(self) -> int:
        return len(self._words)  # type: ignore[arg-type]

    def commit(self) -> None:
        raise StoreError("full")


def test_a_write_that_fails_leaves_the_old_version_and_the_next_one_succeeds(room: Room) -> None:
    room.pipeline.write(drafts(room, OLD))
    broken = Pipeline(
        ledger=room.ledger,
        vectors=room.vectors,
        words=NoWords(room.words),  # type: ignore[arg-type]
        parser=room.reader,
        embedder=HashedWords(),
        media_type_of=room.pipeline.media_type_of,
    )
    with pytest.raises(StoreError):
        broken.write(drafts(room, NEW))
    assert room.texts() == OLD_TEXTS
    room.pipeline.write(drafts(room, NEW))
    check(room, NEW_TEXTS)


def test_what_an_index_has_too_much_or_too_little_is_mended_at_the_next_start(tmp_path: Path) -> None:
    with Room(tmp_path) as room:
        room.pipeline.write(drafts(room, OLD))
        room.vectors.delete(sorted(room.ledger.chunk_ids())[:2])
    shutil.rmtree(tmp_path / "words")
    with Room(tmp_path) as room:
        assert room.mended == {"vectors": 2, "words": 4}
        assert not room.embedder.embedded
        check(room, OLD_TEXTS)
        (spare,) = drafts(room, b"nie verzeichnet")[:1]
        room.vectors.put(
            spare.chunks, room.embedder.embed_passages(["x"]), [Facets(acl_class=1, source="s", language="")]
        )
    with Room(tmp_path) as room:
        assert room.mended == {"vectors": 1}
        check(room, OLD_TEXTS)
    with Room(tmp_path) as room:
        assert room.mended == {}
