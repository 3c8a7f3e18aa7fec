from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag.errors import SourceUnavailable
from rag.ingest.survey import Hold, survey
from rag.ingest.sync import sync
from tests.ingest.room import Counted, JsonReader, Room, folder, packed


def test_the_first_sync_makes_every_file_searchable(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Urlaub beträgt 24 Werktage")
    (docs / "sub").mkdir()
    (docs / "sub" / "b.txt").write_text("Kündigung binnen vier Wochen")
    report = room.sync(folder(docs))
    assert (report.added, report.unchanged, report.failed) == (2, 0, [])
    assert room.found("Kündigung") == {"docs:sub/b.txt"}
    assert room.level()


def test_a_changed_file_is_replaced_and_its_old_text_is_not_found(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("alte Fassung")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("neuere Fassung hier")
    report = room.sync(folder(docs))
    assert (report.added, report.replaced, report.unchanged) == (0, 1, 0)
    assert room.found("alte") == set()
    assert room.found("neuere") == {"docs:a.txt"}


def test_a_moved_file_keeps_its_key_and_is_neither_read_nor_embedded_again(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Inhalt der wandert")
    room.sync(folder(docs))
    before = room.ledger.entry("docs:a.txt")
    room.embedder.embedded.clear()
    room.reader.parsed.clear()
    (docs / "a.txt").rename(docs / "b.txt")
    report = room.sync(folder(docs))
    after = room.ledger.entry("docs:b.txt")
    assert before and after and before.key == after.key
    assert (report.moved, report.added, report.removed) == (1, 0, 0)
    assert not room.embedder.embedded and not room.reader.parsed
    assert room.found("wandert") == {"docs:b.txt"}
    assert room.ledger.entry("docs:a.txt") is None


def test_a_file_with_another_ending_is_moved_and_read_anew(room: Room, docs: Path) -> None:
    (docs / "a.dat").write_text("BROKEN")
    room.sync(folder(docs))
    room.reader.parsed.clear()
    (docs / "a.dat").rename(docs / "a.txt")
    room.sync(folder(docs))
    assert room.reader.parsed == ["a.txt"]


def test_other_readers_are_a_reprotect_and_read_nothing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Gehalt")
    room.sync(folder(docs))
    source = Counted(folder(docs, readers=["user:berta"]))
    report = room.sync(source)
    assert report.reprotected == 1
    assert not source.versions and not source.fetched
    assert room.found("Gehalt") == set()


def test_a_removed_file_is_forgotten(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("vergänglich")
    room.sync(folder(docs))
    (docs / "a.txt").unlink()
    assert room.sync(folder(docs)).removed == 1
    assert room.texts() == {}
    assert room.level()


def test_a_touched_file_is_read_once_and_not_replaced(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("unverändert")
    room.sync(folder(docs))
    os.utime(docs / "a.txt", ns=(1, 1))
    first, second = Counted(folder(docs)), Counted(folder(docs))
    report = room.sync(first)
    room.sync(second)
    assert (report.replaced, report.unchanged) == (0, 1)
    assert (first.versions, first.fetched) == (["docs:a.txt"], [])
    assert (second.versions, second.fetched) == ([], [])


def test_the_same_size_and_restored_time_do_not_hide_an_edit(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("vierzehn")
    room.sync(folder(docs))
    status = (docs / "a.txt").stat()
    (docs / "a.txt").write_text("fuenfzeh")
    os.utime(docs / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert room.sync(folder(docs)).replaced == 1


def test_a_failed_file_is_recorded_once_and_not_tried_again_until_it_changes(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("BROKEN")
    assert room.sync(folder(docs)).failed == [{"document": "docs:a.txt", "reason": "damaged"}]
    assert room.sync(folder(docs)).failed == []
    assert room.reader.parsed == ["a.txt"]
    (docs / "a.txt").write_text("wieder heil")
    room.sync(folder(docs))
    assert room.found("heil") == {"docs:a.txt"}


def test_a_failed_replacement_leaves_the_old_version_searchable(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("gute Fassung")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("BROKEN nun")
    room.sync(folder(docs))
    entry = room.ledger.entry("docs:a.txt")
    assert entry and (entry.state, entry.reason) == ("outdated", "damaged")
    assert room.found("gute") == {"docs:a.txt"}


def test_one_bad_document_does_not_keep_the_others_out(room: Room, docs: Path) -> None:
    for name, text in (("a", "eins"), ("b", "BROKEN"), ("c", "EMPTY"), ("d", "vier")):
        (docs / f"{name}.txt").write_text(text)
    report = room.sync(folder(docs))
    assert (report.added, len(report.failed)) == (2, 2)
    assert room.found("vier") == {"docs:d.txt"}


def test_the_same_content_twice_is_embedded_once(room: Room, docs: Path) -> None:
    for place in ("x", "y"):
        (docs / place).mkdir()
        (docs / place / "same.txt").write_text("derselbe Text an zwei Orten")
    room.sync(folder(docs))
    assert len(room.embedder.embedded) == 1
    assert room.found("derselbe") == {"docs:x/same.txt", "docs:y/same.txt"}


def test_a_replaced_document_embeds_only_its_new_chunks(room: Room, docs: Path) -> None:
    paragraphs = [f"Absatz {n}: " + f"wort{n} " * 70 for n in range(6)]
    (docs / "a.txt").write_text("\n\n".join(paragraphs))
    room.sync(folder(docs))
    before = len(room.embedder.embedded)
    room.embedder.embedded.clear()
    (docs / "a.txt").write_text("\n\n".join([*paragraphs, "Nachtrag: " + "neu " * 110]))
    room.sync(folder(docs))
    assert before >= 6
    assert 0 < len(room.embedder.embedded) < before
    assert all("Nachtrag" in text or "neu" in text for text in room.embedder.embedded)


def test_a_missing_root_removes_nothing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("bleibt")
    room.sync(folder(docs))
    docs.rename(docs.with_name("elsewhere"))
    with pytest.raises(SourceUnavailable, match="Nothing was changed"):
        room.sync(folder(docs))
    assert room.found("bleibt") == {"docs:a.txt"}


@pytest.mark.parametrize(
    ("before", "after", "held"), [(60, 9, 51), (12, 2, 10), (200, 189, 11), (9, 0, 0), (60, 52, 0)]
)
def test_removals_are_held_when_they_look_like_a_dropped_share(
    room: Room, docs: Path, before: int, after: int, held: int
) -> None:
    for number in range(before):
        (docs / f"{number:03}.txt").write_text(f"Nummer {number}")
    room.sync(folder(docs))
    for number in range(after, before):
        (docs / f"{number:03}.txt").unlink()
    report = room.sync(folder(docs))
    assert (report.held, report.removed) == (held, 0 if held else before - after)
    assert len(room.texts()) == (before if held else after)
    if held:
        confirmed = room.sync(folder(docs), confirm=True)
        assert (confirmed.held, confirmed.removed) == (0, held)
        assert len(room.texts()) == after


@pytest.mark.parametrize(
    ("gone", "before", "held"), [(51, 5000, True), (50, 5000, False), (10, 199, True), (9, 9, False)]
)
def test_more_than_fifty_removals_are_held_however_large_the_source(gone: int, before: int, held: bool) -> None:
    assert Hold().holds(gone, of=before) == held


def test_stopping_half_way_keeps_what_is_finished_and_the_next_run_goes_on(room: Room, docs: Path) -> None:
    for number in range(20):
        (docs / f"{number:02}.txt").write_text(f"Nummer {number}")
    first = room.sync(folder(docs), stopped=lambda: len(room.reader.parsed) >= 3)
    assert 3 <= first.added <= 6, "what was being read when it was stopped is finished"
    assert len(room.found("Nummer")) == first.added
    assert room.sync(folder(docs)).added == 20 - first.added
    assert len(room.found("Nummer")) == 20
    assert room.level()


def test_looking_changes_nothing(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("eins")
    (docs / "b.txt").write_text("zwei")
    room.sync(folder(docs))
    (docs / "a.txt").unlink()
    (docs / "b.txt").write_text("zwei neu")
    (docs / "c.txt").write_text("drei")
    before = list(room.ledger._db.iterdump())
    seen = survey(folder(docs, readers=["user:anna"]), room.ledger, recipe=room.pipeline.recipe)
    assert [ref.id for ref in seen.plan.add] == ["docs:c.txt"]
    assert [ref.id for ref in seen.plan.replace] == ["docs:b.txt"]
    assert seen.plan.remove == ("docs:a.txt",)
    assert list(room.ledger._db.iterdump()) == before


def test_another_recipe_reads_every_document_anew(tmp_path: Path, docs: Path) -> None:
    (docs / "a.txt").write_text("eins")
    with Room(tmp_path / "home") as room:
        room.sync(folder(docs))
    with Room(tmp_path / "home", JsonReader("json-2")) as room:
        report = room.sync(folder(docs))
        assert (report.replaced, room.reader.parsed) == (1, ["a.txt"])
        assert not room.embedder.embedded, "the text is the same: its vector is known"
        assert room.level()


def test_text_that_no_encoding_holds_is_stored_with_a_mark_in_its_place(room: Room, docs: Path) -> None:
    (docs / "mail.eml").write_bytes(packed("vorn \ud800 hinten", {"Anlage\udc80.txt": "Teil"}))
    assert room.sync(folder(docs)).failed == []
    assert room.texts() == {"docs:mail.eml": "vorn \ufffd hinten", "docs:mail.eml!/Anlage_.txt": "Teil"}
    assert room.found("hinten") == {"docs:mail.eml"}


def test_files_that_swap_names_swap_their_texts(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("Inhalt Apfel")
    (docs / "b.txt").write_text("Inhalt Birne")
    room.sync(folder(docs))
    (docs / "a.txt").rename(docs / "c.txt")
    (docs / "b.txt").rename(docs / "a.txt")
    (docs / "c.txt").rename(docs / "b.txt")
    room.sync(folder(docs))
    assert room.texts() == {"docs:a.txt": "Inhalt Birne", "docs:b.txt": "Inhalt Apfel"}
    assert room.level()


def test_progress_counts_the_documents_to_be_read(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("eins")
    (docs / "b.txt").write_text("zwei")
    (docs / "c.txt").write_text("BROKEN")
    told: list[tuple[object, ...]] = []
    sync(folder(docs), room.pipeline, progress=told.append)
    assert told == [
        ("", 0, 3, 0, 0),
        ("docs:a.txt", 1, 3, 1, 0),
        ("docs:b.txt", 2, 3, 2, 0),
        ("docs:c.txt", 3, 3, 2, 1),
    ]
