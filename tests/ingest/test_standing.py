"""What holds without reading anything: names that change places, files that may not be read for a while, roots that
are another's, and what the ledger says of a source meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.folder import Folder
from rag.documents import DocumentRef, Listing, Parsed, Shut
from rag.errors import SourceUnavailable
from rag.filters import Filters
from rag.identity import person
from rag.ingest.draft import Draft
from rag.ingest.flow import Flow
from rag.ingest.survey import survey
from rag.ingest.sync import sync
from rag.store.rows import SourceState
from tests.ingest.room import Counted, JsonReader, Room, folder, packed


def test_names_that_change_along_a_chain_embed_nothing(room: Room, docs: Path) -> None:
    for name in "abc":
        (docs / f"{name}.txt").write_text(f"Inhalt {name}")
    (docs / "post.eml").write_bytes(packed("Brief", {"anlage.txt": "Anlage"}))
    room.sync(folder(docs))
    keys = {entry.id: entry.key for entry in room.ledger.entries()}
    room.embedder.embedded.clear()
    room.reader.parsed.clear()
    for old, new in (("c", "d"), ("b", "c"), ("a", "b")):
        (docs / f"{old}.txt").rename(docs / f"{new}.txt")
    (docs / "post.eml").rename(docs / "brief.eml")
    report = room.sync(folder(docs))
    assert (report.moved, report.added, report.removed) == (4, 0, 0)
    assert room.texts() == {
        "docs:brief.eml": "Brief",
        "docs:brief.eml!/anlage.txt": "Anlage",
        **{f"docs:{new}.txt": f"Inhalt {old}" for old, new in (("a", "b"), ("b", "c"), ("c", "d"))},
    }
    after = {entry.id: entry.key for entry in room.ledger.entries()}
    assert after["docs:d.txt"] == keys["docs:c.txt"]
    assert after["docs:brief.eml!/anlage.txt"] == keys["docs:post.eml!/anlage.txt"]
    assert not room.embedder.embedded and not room.reader.parsed
    assert room.level()


class Closed(Counted):
    """A folder below the root that may not be looked into."""

    def listings(self, ranges: object = ("",)) -> object:  # type: ignore[override]
        for entry in self.folder.listings():
            if isinstance(entry, Listing) and entry.id.startswith("docs:sub/"):
                yield Shut("docs:sub/", "no permission to look into the folder sub")
                return
            yield entry


def test_documents_of_a_folder_that_is_closed_are_not_shown_and_come_back_unread(room: Room, docs: Path) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "mail.eml").write_bytes(packed("intern", {"anlage.txt": "intern auch"}))
    (docs / "a.txt").write_text("offen")
    room.sync(folder(docs))
    report = room.sync(Closed(folder(docs)))
    assert room.found("intern") == set()
    assert [entry["document"] for entry in report.failed] == ["docs:sub/", "docs:sub/mail.eml"]
    assert (report.withdrawn, report.removed) == (1, 0)
    assert room.ledger.document(room.ledger.entry("docs:sub/mail.eml").key) is None  # type: ignore[union-attr]
    room.embedder.embedded.clear()
    room.reader.parsed.clear()
    room.sync(folder(docs))
    assert room.found("intern") == {"docs:sub/mail.eml", "docs:sub/mail.eml!/anlage.txt"}
    assert not room.embedder.embedded and not room.reader.parsed
    assert room.level()


def test_what_changed_while_it_was_closed_is_not_shown_as_it_was(room: Room, docs: Path) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "a.txt").write_text("früher")
    room.sync(folder(docs))
    room.sync(Closed(folder(docs)))
    (docs / "sub" / "a.txt").write_text("später")
    room.sync(folder(docs))
    assert room.texts() == {"docs:sub/a.txt": "später"}
    assert room.found("früher") == set()


class Mounted(Counted):
    """A folder of which the test says what is mounted there."""

    mounts: dict[str, str]

    def __init__(self, source: Folder, **mounts: str) -> None:
        super().__init__(source)
        self.mounts = {path.removeprefix("root"): which for path, which in mounts.items()}

    def roots(self) -> dict[str, str]:
        return dict(self.mounts)


def test_a_single_removal_is_held_where_another_disk_is_mounted(room: Room, docs: Path) -> None:
    for name in ("a", "b"):
        (docs / f"{name}.txt").write_text(name)
    sync(Mounted(folder(docs), root="1"), room.pipeline)
    (docs / "b.txt").unlink()
    for _ in range(2):
        report = sync(Mounted(folder(docs), root="2"), room.pipeline)
        assert (report.held, report.removed) == (1, 0)
        assert report.why_held == {"docs": "another disk or share is mounted there than last time"}
    assert room.ledger.source_state("docs").held == 1
    confirmed = sync(Mounted(folder(docs), root="2"), room.pipeline, confirm_removals=True)
    assert (confirmed.held, confirmed.removed) == (0, 1)
    assert room.ledger.source_state("docs").held == 0
    (docs / "a.txt").unlink()
    assert sync(Mounted(folder(docs), root="2"), room.pipeline).removed == 1


def test_another_disk_with_everything_on_it_is_taken_as_the_source_from_then_on(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("a")
    (docs / "b.txt").write_text("b")
    sync(Mounted(folder(docs), root="1"), room.pipeline)
    sync(Mounted(folder(docs), root="2"), room.pipeline)
    (docs / "b.txt").unlink()
    assert sync(Mounted(folder(docs), root="2"), room.pipeline).removed == 1


def test_a_mount_below_the_root_that_drops_holds_only_what_was_below_it(room: Room, docs: Path) -> None:
    (docs / "share").mkdir()
    (docs / "share" / "a.txt").write_text("a")
    (docs / "b.txt").write_text("b")
    source = Mounted(folder(docs))
    source.mounts = {"": "1", "share/": "7"}
    sync(source, room.pipeline)
    (docs / "share" / "a.txt").unlink()
    (docs / "b.txt").unlink()
    source.mounts = {"": "1"}
    report = sync(source, room.pipeline)
    assert (report.removed, report.held) == (1, 1)
    assert room.texts() == {"docs:share/a.txt": "a"}


def test_a_source_that_changes_while_it_is_listed_concludes_nothing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("a")
    sync(Mounted(folder(docs), root="1"), room.pipeline)
    (docs / "a.txt").unlink()
    source = Mounted(folder(docs), root="1")
    answers = iter([{"": "1"}, {"": "2"}])
    source.roots = lambda: next(answers)  # type: ignore[method-assign]
    with pytest.raises(SourceUnavailable, match="mounted or unmounted while it was listed"):
        sync(source, room.pipeline)
    assert room.texts() == {"docs:a.txt": "a"}


def test_the_age_of_an_offline_source_is_told_with_each_passage(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Urlaub")
    room.sync(folder(docs))
    reached = room.ledger.source_state("docs").reached_at
    assert [passage.as_of for passage in room.search("Urlaub")] == [None]
    room.ledger.source_offline("docs", "gone")
    first = room.ledger.source_state("docs")
    room.ledger.source_offline("docs", "still gone")
    assert [passage.as_of for passage in room.search("Urlaub")] == [reached]
    assert room.ledger.source_state("docs") == replace(first, problem="still gone"), "offline since the first time"
    room.sync(folder(docs))
    assert [passage.as_of for passage in room.search("Urlaub")] == [None]


def test_vectors_that_no_document_needs_are_forgotten_and_shared_ones_stay(room: Room, docs: Path) -> None:
    for place in ("x", "y"):
        (docs / place).mkdir()
        (docs / place / "same.txt").write_text("derselbe Text")
    room.sync(folder(docs))
    count = "SELECT count(*) FROM vectors"
    assert room.ledger._all(count)[0][0] == 1
    (docs / "x" / "same.txt").unlink()
    room.sync(folder(docs))
    assert room.ledger._all(count)[0][0] == 1
    (docs / "y" / "same.txt").write_text("ein anderer")
    room.sync(folder(docs))
    assert room.ledger._all(count)[0][0] == 1
    (docs / "y" / "same.txt").unlink()
    room.sync(folder(docs))
    assert room.ledger._all(count)[0][0] == 0


def test_a_very_long_document_is_indexed_up_to_the_limit_and_says_so(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("\n\n".join(f"Absatz {number} " + "wort " * 100 for number in range(40)))
    short = replace(room.pipeline, max_chunks=7)
    sync(folder(docs), short)
    (entry,) = room.ledger.entries()
    assert entry.chunks == 7
    assert entry.notes == ("only the first 7 of 40 chunks are indexed (ingest.max_chunks)",)
    assert room.sync(folder(docs)).replaced == 1, "another limit is another recipe"
    assert room.ledger.entries()[0].chunks == 40


class Dated(JsonReader):
    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        found = super().parse(body, media_type=media_type, name=name, ocr=ocr)
        return replace(
            found,
            author="A. Beck",
            created_at=datetime(2019, 5, 1, tzinfo=UTC) if name != "c.txt" else None,
            modified_at=datetime(2020, 6, 2, tzinfo=UTC) if name == "a.txt" else None,
        )


def test_a_documents_own_dates_and_author_are_taken_and_else_its_files_date(tmp_path: Path, docs: Path) -> None:
    for name in ("a.txt", "b.eml", "c.txt"):
        (docs / name).write_text(name)
    with Room(tmp_path / "home", Dated()) as room:
        room.sync(folder(docs))
        a, b, c = room.ledger.entries()
        assert (a.author, a.created_at, a.modified_at.year) == ("A. Beck", datetime(2019, 5, 1, tzinfo=UTC), 2020)
        assert b.modified_at == datetime(2019, 5, 1, tzinfo=UTC), "a mail has one date"
        assert c.modified_at == datetime.fromtimestamp((docs / "c.txt").stat().st_mtime, UTC)


def test_the_date_a_document_states_of_itself_comes_before_all_others(tmp_path: Path, docs: Path) -> None:
    (docs / "a.txt").write_text("Reiseordnung. Stand: 01.03.2022")
    (docs / "b.txt").write_text("Reiseordnung" + " wort" * 500 + " Stand: 01.03.2022")
    with Room(tmp_path / "home", Dated()) as room:
        room.sync(folder(docs))
        a, b = room.ledger.entries()
        assert a.modified_at == datetime(2022, 3, 1, tzinfo=UTC)
        assert b.modified_at.year == 2019, "what stands deep in a text is of something else"
        recent = room.ledger.grant(person("anna", {}), Filters(since=date(2022, 1, 1)))
        assert not recent.empty
        assert room.ledger.grant(person("anna", {}), Filters(since=date(2022, 3, 2))).empty


def test_each_source_says_whether_its_scans_are_read_and_another_word_reads_them_anew(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("a")
    for ocr in (True, False, False):
        source = folder(docs, ocr=ocr)
        report = room.sync(source)
        assert room.reader.scans_read == {"a.txt": ocr}
    assert report.unchanged == 1


def test_a_text_met_again_before_it_is_recorded_is_embedded_once(room: Room, docs: Path) -> None:
    for number in range(450):
        (docs / f"{number:03}").mkdir()
        (docs / f"{number:03}" / "same.txt").write_text("überall derselbe Text")
    room.sync(folder(docs))
    assert len(room.embedder.embedded) == 1
    assert len(room.found("derselbe")) == 450


def test_a_source_that_is_forgotten_leaves_no_state_to_the_next_of_its_name(room: Room, docs: Path) -> None:
    room.sync(folder(docs))
    assert room.ledger.source_state("docs").reached_at
    room.ledger.forget_source("docs")
    assert room.ledger.source_state("docs") == SourceState()


def test_what_was_read_long_enough_ago_is_recorded_before_the_window_is_full(room: Room, docs: Path) -> None:
    for number in range(6):
        (docs / f"{number}.txt").write_text(f"Nummer {number}")
    seen = survey(folder(docs), room.ledger, recipe=room.pipeline.recipe)
    hours = iter(range(0, 10_000, 6))
    found: list[int] = []

    def read(ref: DocumentRef) -> list[Draft]:
        found.append(len(room.found("Nummer")))
        return room.pipeline.draft(folder(docs).fetch(seen.listings[ref.id], ref), stamp="s")

    flow = Flow(
        room.pipeline,
        workers=1,
        written=lambda ref, outcome: None,
        ended=lambda ref: None,
        clock=lambda: float(next(hours)),
    )
    flow.run(seen.plan.add, read, size_of=lambda ref: 1, stopped=lambda: False)
    assert found[0] == 0 and found[-1] > 0
    assert len(room.found("Nummer")) == 6
