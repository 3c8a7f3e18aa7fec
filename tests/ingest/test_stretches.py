"""A stretch known to be level is not compared row by row; no change of a row, and none of a file, hides behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.ingest import comparison
from rag.ingest.survey import survey
from rag.store.seen import Known, Seen
from tests.ingest.room import Room, folder


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_LONGEST", 4)


@pytest.fixture
def level(room: Room, docs: Path) -> Room:
    """Twenty files in three folders, synced until the ledger knows that all of it is level."""
    for number in range(20):
        place = docs / ("abc"[number % 3]) / f"{number:02}.txt"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"Nummer {number}")
    room.sync(folder(docs))
    room.sync(folder(docs))
    return room


def rows_compared(room: Room, docs: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many rows of the ledger a sync looks at."""
    looked: list[Known] = []
    real = Seen.between

    def between(self: Seen, source: str, first: str, beyond: str) -> list[Known]:
        found = real(self, source, first, beyond)
        looked.extend(found)
        return found

    monkeypatch.setattr(Seen, "between", between)
    room.sync(folder(docs))
    monkeypatch.setattr(Seen, "between", real)
    return len(looked)


def test_what_was_level_is_not_compared_row_by_row_again(
    level: Room, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(level.ledger.stretches("docs")) == 5
    assert rows_compared(level, docs, monkeypatch) == 0
    (docs / "b" / "04.txt").write_text("geändert und länger")
    assert rows_compared(level, docs, monkeypatch) == 4
    assert level.texts()["docs:b/04.txt"] == "geändert und länger"
    rows_compared(level, docs, monkeypatch)
    assert rows_compared(level, docs, monkeypatch) == 0


def test_looking_alone_remembers_nothing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("a")
    room.sync(folder(docs))
    survey(folder(docs), room.ledger, recipe=room.pipeline.recipe)
    assert room.ledger.stretches("docs") == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE documents SET seen_stamp = 'x' WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET seen_version = '' WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET seen_recipe = 'x' WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET confidentiality = 3 WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET acl_class = 9 WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET id = 'docs:b/041.txt' WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET source = 'andere' WHERE id = 'docs:b/04.txt'",
        "DELETE FROM documents WHERE id = 'docs:b/04.txt'",
        "UPDATE documents SET parent = (SELECT key FROM documents WHERE id = 'docs:a/00.txt')"
        " WHERE id = 'docs:b/04.txt'",
        "INSERT INTO documents SELECT 'k', 'docs:b/045.txt', source, parent, acl_class, confidentiality, seen_version,"
        " seen_stamp, seen_recipe, reason, version, hidden_version, title, uri, media_type, modified_at, created_at,"
        " author, language, text, sections, notes, recorded_at FROM documents WHERE id = 'docs:b/04.txt'",
    ],
)
def test_any_change_of_a_row_forgets_its_stretch_and_no_other(level: Room, docs: Path, change: str) -> None:
    level.ledger._db.execute("PRAGMA foreign_keys = OFF")
    before = level.ledger.stretches("docs")
    level.ledger._db.execute(change)
    after = level.ledger.stretches("docs")
    assert set(after) < set(before)
    (gone,) = set(before) - set(after)
    assert gone.first <= "docs:b/04.txt" < gone.beyond


def test_a_document_moved_in_the_ledger_forgets_the_stretches_at_both_ends(level: Room) -> None:
    before = level.ledger.stretches("docs")
    level.ledger._db.execute("UPDATE documents SET id = 'docs:c/99.txt' WHERE id = 'docs:a/00.txt'")
    assert level.ledger.stretches("docs") == before[1:-1]


@pytest.mark.parametrize("recipe_or_readers", ["recipe", "readers"])
def test_another_recipe_or_other_readers_are_seen_through_every_stretch(
    level: Room, docs: Path, recipe_or_readers: str
) -> None:
    if recipe_or_readers == "recipe":
        seen = survey(folder(docs), level.ledger, recipe="another")
        assert len(seen.plan.replace) == 20
    else:
        seen = survey(folder(docs, readers=["user:anna"]), level.ledger, recipe=level.pipeline.recipe)
        assert len(seen.plan.reprotect) == 20


@pytest.mark.parametrize("what", ["removed", "added", "first", "last"])
def test_a_file_that_comes_or_goes_at_any_place_of_a_stretch_is_seen(level: Room, docs: Path, what: str) -> None:
    new = {"added": "b/045.txt", "first": "0.txt", "last": "z.txt"}
    if what == "removed":
        (docs / "b" / "04.txt").unlink()
        assert level.sync(folder(docs)).removed == 1
    else:
        (docs / new[what]).write_text("neu")
        assert level.sync(folder(docs)).added == 1
    assert level.sync(folder(docs)).unchanged == len(level.texts())
