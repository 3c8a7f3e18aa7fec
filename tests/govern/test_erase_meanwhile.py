"""An erasure while a sync is under way: what was read before it is not recorded after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.documents import DocumentId, DocumentRef, Listing, RawDocument
from rag.errors import UnreadableDocument
from rag.ingest.kept_out import KeptOut
from rag.ingest.report import Report
from rag.ingest.sync import sync
from tests.govern.dwelling import Dwelling, traces
from tests.ingest.room import folder, packed


@pytest.fixture
def dwelling(tmp_path: Path) -> Iterator[Dwelling]:
    with Dwelling(tmp_path) as made:
        yield made


class Meanwhile(KeptOut):
    """The dwelling's folder, in which something is done while one of its files is read: the others wait until then."""

    def __init__(self, dwelling: Dwelling, name: str, do: Callable[[], object]) -> None:
        super().__init__(folder(dwelling.docs), dwelling.room.ledger)
        self._at, self._do, self.unreadable = name, do, ""

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        raw = super().fetch(listing, ref)
        if listing.id == self._at:
            self._do()
        if listing.id == self.unreadable:
            raise UnreadableDocument("damaged on the disk")
        return raw


def sync_and_erase(dwelling: Dwelling, *names: str, unreadable: str = "") -> tuple[Report, dict[str, Any]]:
    """A sync in which these are erased once everything but the last file has been read."""
    made: dict[str, Any] = {}
    source = Meanwhile(dwelling, "docs:z.txt", lambda: made.update(dwelling.erase(*names)))
    source.unreadable = unreadable
    report = sync(source, dwelling.room.pipeline, confirm_removals=True)
    return report, made


def test_a_new_version_that_waits_to_be_recorded_goes_too(dwelling: Dwelling) -> None:
    old, new = dwelling.canary(), dwelling.canary()
    dwelling.put("a.txt", old)
    dwelling.put("z.txt", dwelling.canary())
    dwelling.sync()
    dwelling.put("a.txt", new)
    dwelling.put("z.txt", dwelling.canary())
    report, made = sync_and_erase(dwelling, "docs:a.txt")
    assert made["erased"]
    assert not dwelling.finds(old) and not dwelling.finds(new)
    assert dwelling.room.ledger.entry(DocumentId("docs:a.txt")) is None
    assert report.replaced == 1, "the report counts what was recorded"
    dwelling.sync()
    assert not traces(dwelling.home, [old, new])
    assert dwelling.room.level()


def test_a_copy_that_waits_to_be_recorded_is_not_recorded(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("a.txt", canary)
    dwelling.sync()
    dwelling.put("kopie.txt", canary)
    dwelling.put("z.txt", dwelling.canary())
    report, made = sync_and_erase(dwelling, "docs:a.txt")
    assert made["erased"] and not dwelling.finds(canary) and report.added == 1
    assert dwelling.sync().failed == []
    assert not traces(dwelling.home, [canary])


def test_parts_go_with_a_container_that_waits_and_one_part_leaves_the_rest(dwelling: Dwelling) -> None:
    dwelling.put("a.eml", dwelling.canary(), part="anlage.txt")
    dwelling.put("b.eml", dwelling.canary(), part="anlage.txt")
    dwelling.put("z.txt", dwelling.canary())
    dwelling.sync()
    whole, part, stays = dwelling.canary(), dwelling.canary(), dwelling.canary()
    (dwelling.docs / "a.eml").write_bytes(packed("Post", {"anlage.txt": "x", "neu.txt": whole.text}))
    (dwelling.docs / "b.eml").write_bytes(packed("Post", {"anlage.txt": part.text, "neu.txt": stays.text}))
    dwelling.put("z.txt", dwelling.canary())
    _, made = sync_and_erase(dwelling, "docs:a.eml", "docs:b.eml!/anlage.txt")
    assert made["erased"]
    assert not dwelling.finds(whole) and not dwelling.finds(part)
    assert dwelling.finds(stays) == {"docs:b.eml!/neu.txt"}
    dwelling.sync()
    assert not traces(dwelling.home, [whole, part])


def test_not_even_the_name_of_one_that_could_not_be_read_comes_back(dwelling: Dwelling) -> None:
    dwelling.put("Mustermann.txt", dwelling.canary())
    dwelling.put("z.txt", dwelling.canary())
    dwelling.sync()
    dwelling.put("Mustermann.txt", dwelling.canary())
    dwelling.put("z.txt", dwelling.canary())
    _, made = sync_and_erase(dwelling, "docs:Mustermann.txt", unreadable="docs:Mustermann.txt")
    assert made["erased"]
    assert dwelling.room.ledger.entry(DocumentId("docs:Mustermann.txt")) is None
