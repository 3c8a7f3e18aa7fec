"""A source that is removed while it is being brought level, or watched, does not come back."""

from __future__ import annotations

from pathlib import Path

from rag.documents import DocumentRef, Listing, RawDocument
from tests.ingest.room import Counted, Room, folder
from tests.ingest.test_keeping import keeping


def remove(room: Room, name: str) -> None:
    """What `rag sources remove` does."""
    with room.pipeline.writing:
        documents = [known.id for known in room.ledger.scan(name)]
        with room.ledger.transaction():
            room.ledger.forget_source(name)
            for document in documents:
                room.ledger.remove(document)
        room.pipeline.sweep()


class Removed(Counted):
    """A folder that somebody removes as a source while one of its files is read."""

    def __init__(self, room: Room, docs: Path, at: str) -> None:
        super().__init__(folder(docs))
        self._room, self._at = room, at

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        raw = super().fetch(listing, ref)
        if listing.id == self._at:
            remove(self._room, self.name)
        return raw


def test_what_was_read_of_it_is_not_recorded_and_the_rest_is_not_read(room: Room, docs: Path) -> None:
    for name in "abcdef":
        (docs / f"{name}.txt").write_text(f"Vertrag {name}")
    room.ledger.register_source("docs", docs)
    source = Removed(room, docs, "docs:b.txt")
    report = keeping(room, workers=1).sync(source)
    assert not room.ledger.entries() and not room.found("Vertrag")
    assert report.added == 0 and "docs:f.txt" not in source.fetched
    assert room.level()


def test_a_watch_does_not_bring_it_back(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Vertrag")
    room.ledger.register_source("docs", docs)
    source = Counted(folder(docs))
    loop = keeping(room, full_sync_s=0.0).watch([source])  # every turn compares the whole
    loop.turn()
    assert room.found("Vertrag") == {"docs:a.txt"}
    remove(room, "docs")
    loop.turn()
    assert not room.ledger.entries() and room.ledger.source_state("docs").reached_at is None
    room.ledger.register_source("docs", docs)  # the same folder again
    loop.turn()
    assert room.found("Vertrag") == {"docs:a.txt"}
