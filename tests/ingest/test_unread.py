"""Files that are listed but cannot be read: denied, being written, gone meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag.documents import DocumentRef, Listing, RawDocument, Shut
from rag.errors import ChangingDocument, UnreadableDocument
from tests.ingest.room import Counted, JsonReader, Room, folder


class Denying(Counted):
    """A share that lists everything and gives nothing out."""

    problem: Exception = UnreadableDocument("no permission to read the file")

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        raise self.problem


class DenyingAll(Denying):
    def version(self, listing: Listing) -> str:
        raise self.problem


@pytest.mark.parametrize("kind", [Denying, DenyingAll])
def test_a_file_that_may_no_longer_be_read_is_no_longer_served(room: Room, docs: Path, kind: type[Denying]) -> None:
    (docs / "a.txt").write_text("vertraulich eins")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("vertraulich zwei")
    report = room.sync(kind(folder(docs)))
    assert report.failed == [{"document": "docs:a.txt", "reason": "no permission to read the file"}]
    assert room.found("vertraulich") == set()
    entry = room.ledger.entry("docs:a.txt")
    assert entry and entry.state == "failed"
    assert room.level()


@pytest.mark.parametrize("kind", [Denying, DenyingAll])
def test_a_file_that_can_be_read_again_is_taken_at_the_next_run(room: Room, docs: Path, kind: type[Denying]) -> None:
    (docs / "a.txt").write_text("kommt wieder")
    room.sync(kind(folder(docs)))
    room.sync(folder(docs))
    assert room.found("wieder") == {"docs:a.txt"}


class Changing(Denying):
    problem = ChangingDocument("the file changed while it was read")


def test_a_file_written_while_it_is_read_keeps_its_old_version_until_the_next_run(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("alte Fassung")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("neue Fassung")
    report = room.sync(Changing(folder(docs)))
    assert [entry["document"] for entry in report.failed] == ["docs:a.txt"]
    assert room.found("alte") == {"docs:a.txt"}
    room.sync(folder(docs))
    assert room.found("neue") == {"docs:a.txt"}


def test_a_file_found_changed_behind_an_equal_stamp_is_read_again_next_time(tmp_path: Path, docs: Path) -> None:
    (docs / "a.txt").write_text("Inhalt")
    with Room(tmp_path / "home") as room:
        room.sync(folder(docs))
    with Room(tmp_path / "home", JsonReader("json-2")) as room:
        room.sync(Changing(folder(docs)))
        source = Counted(folder(docs))
        room.sync(source)
        assert source.versions == ["docs:a.txt"]


class Vanishing(Counted):
    """Each file is gone when it is looked at, as while an editor swaps it."""

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        found = list(self.folder.listings(ranges))
        for listing in found:
            assert isinstance(listing, Listing)
            (self.folder.root / listing.id.split(":", 1)[1]).unlink()
        return iter(found)


def test_a_file_gone_between_listing_and_look_is_left_to_the_next_listing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("eben noch da")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("eben noch da, neu")
    report = room.sync(Vanishing(folder(docs)))
    assert (report.removed, report.failed) == (0, [])
    assert room.found("eben") == {"docs:a.txt"}
    assert room.sync(folder(docs)).removed == 1
