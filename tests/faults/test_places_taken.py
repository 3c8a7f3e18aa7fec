"""Names that other documents take, and moves that end half way."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.documents import DocumentRef, Listing, RawDocument
from rag.errors import UnreadableDocument
from rag.ingest.sync import sync
from tests.ingest.room import Counted, Room, folder


def test_a_file_moved_over_another_is_no_removal_to_be_held(room: Room, docs: Path) -> None:
    for number in range(40):
        (docs / f"{number:02}.txt").write_text(f"Nummer {number}")
    room.sync(folder(docs))
    (docs / "00.txt").rename(docs / "01.txt")
    for number in range(20, 40):
        (docs / f"{number:02}.txt").unlink()
    report = room.sync(folder(docs))
    assert (report.moved, report.held) == (1, 20)
    assert room.texts()["docs:01.txt"] == "Nummer 0"
    assert len(room.texts()) == 39
    room.sync(folder(docs), confirm=True)
    assert len(room.texts()) == 19


class Denying(Counted):
    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        raise UnreadableDocument("no permission to read the file")


def test_a_file_with_another_ending_that_cannot_be_read_is_withdrawn_and_read_when_it_can_be(
    room: Room, docs: Path
) -> None:
    (docs / "a.dat").write_text("Inhalt")
    room.sync(folder(docs))
    (docs / "a.dat").rename(docs / "a.txt")
    assert room.sync(Denying(folder(docs))).failed == [
        {"document": "docs:a.txt", "reason": "no permission to read the file"}
    ]
    assert room.texts() == {"docs:a.txt": None}
    room.sync(folder(docs))
    assert room.texts() == {"docs:a.txt": "Inhalt"}


def test_a_file_with_another_ending_is_read_anew_even_when_the_first_run_ended_before(room: Room, docs: Path) -> None:
    (docs / "a.dat").write_text("BROKEN")
    room.sync(folder(docs))
    (docs / "a.dat").rename(docs / "a.txt")
    room.sync(folder(docs), stopped=lambda: True)
    room.reader.parsed.clear()
    room.sync(folder(docs))
    room.sync(folder(docs))
    assert room.reader.parsed == ["a.txt"]


def test_a_file_in_a_folder_that_shut_is_withdrawn_by_a_sync_of_it_alone(
    room: Room, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "hr").mkdir()
    (docs / "hr" / "a.txt").write_text("vertraulich")
    room.sync(folder(docs))

    def denied(self: object, folders: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("connectors.folder.Folder._open_folder", denied)
    report = sync(folder(docs), room.pipeline, scopes=("hr/a.txt",))
    assert "no permission to look into the folder hr" in {entry["reason"] for entry in report.failed}
    assert room.found("vertraulich") == set()
    monkeypatch.undo()
    sync(folder(docs), room.pipeline, scopes=("hr/a.txt",))
    assert room.found("vertraulich") == {"docs:hr/a.txt"}


def test_a_sync_of_one_file_does_not_forget_how_many_removals_wait(room: Room, docs: Path) -> None:
    for number in range(20):
        (docs / f"{number:02}.txt").write_text(f"Nummer {number}")
    room.sync(folder(docs))
    docs.rename(docs.with_name("weg"))
    docs.mkdir()
    room.sync(folder(docs))
    for scope, held in (("00.txt", 1), ("anderswo/", 0)):
        assert sync(folder(docs), room.pipeline, scopes=(scope,)).held == held
        assert room.ledger.source_state("docs").held == 20
    docs.rmdir()
    docs.with_name("weg").rename(docs)
    room.sync(folder(docs))
    assert room.ledger.source_state("docs").held == 0


def test_a_file_is_withdrawn_once_and_named_as_long_as_it_cannot_be_read(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("kurz")
    room.sync(folder(docs, max_body_bytes=100))
    (docs / "a.txt").write_text("lang" * 50)
    reports = [room.sync(folder(docs, max_body_bytes=100)) for _ in range(3)]
    assert [(len(report.failed), report.withdrawn) for report in reports] == [(1, 1), (1, 0), (1, 0)]
