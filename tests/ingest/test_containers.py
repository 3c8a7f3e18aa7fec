from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.documents import DocumentId, DocumentRef, Part, RawDocument
from rag.ingest import parts
from tests.ingest.room import ANNA, Room, folder, packed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def mail(docs: Path) -> Path:
    file = docs / "mail.eml"
    file.write_bytes(packed("Guten Tag", {"offer.txt": "Angebot", "in.zip": {"text": "", "parts": {"x.txt": "Tief"}}}))
    return file


def ids(room: Room) -> set[str]:
    return set(room.texts())


def test_parts_are_documents_of_their_own_with_the_path_in_their_id_and_uri(room: Room, docs: Path, mail: Path) -> None:
    report = room.sync(folder(docs))
    assert report.added == 1, "parts are not counted as files"
    assert ids(room) == {
        "docs:mail.eml",
        "docs:mail.eml!/offer.txt",
        "docs:mail.eml!/in.zip",
        "docs:mail.eml!/in.zip!/x.txt",
    }
    deep = room.ledger.entry("docs:mail.eml!/in.zip!/x.txt")
    assert deep and deep.uri == mail.as_uri() + "!/in.zip!/x.txt"
    assert room.found("Tief") == {"docs:mail.eml!/in.zip!/x.txt"}


def test_parts_that_appear_change_and_vanish_follow_their_mail(room: Room, docs: Path, mail: Path) -> None:
    room.sync(folder(docs))
    offer = room.ledger.entry("docs:mail.eml!/offer.txt")
    mail.write_bytes(packed("Guten Tag", {"offer.txt": "Angebot nochmals", "new.txt": "Nachtrag"}))
    room.sync(folder(docs))
    assert ids(room) == {"docs:mail.eml", "docs:mail.eml!/offer.txt", "docs:mail.eml!/new.txt"}
    changed = room.ledger.entry("docs:mail.eml!/offer.txt")
    assert offer and changed and offer.key == changed.key
    assert room.found("Nachtrag") == {"docs:mail.eml!/new.txt"}
    assert room.found("Tief") == set()
    assert room.level()


def test_parts_move_with_their_mail_and_are_not_embedded_again(room: Room, docs: Path, mail: Path) -> None:
    room.sync(folder(docs))
    room.embedder.embedded.clear()
    (docs / "Wichtig!").mkdir()
    moved = mail.rename(docs / "Wichtig!" / "post.eml")
    room.sync(folder(docs))
    assert not room.embedder.embedded
    assert "docs:Wichtig%21/post.eml!/in.zip!/x.txt" in ids(room)
    assert not any("mail.eml" in name for name in ids(room))
    uris = {entry.uri for entry in room.ledger.entries()}
    assert {uri.split("!/")[0] for uri in uris} == {moved.as_uri().replace("!", "%21")}
    assert moved.as_uri().replace("!", "%21") + "!/in.zip!/x.txt" in uris
    assert room.found("Tief") == {"docs:Wichtig%21/post.eml!/in.zip!/x.txt"}


def test_parts_are_closed_with_their_mail(room: Room, docs: Path, mail: Path) -> None:
    room.sync(folder(docs))
    room.sync(folder(docs, readers=["user:berta"]))
    assert room.search("Guten Angebot Tief") == []
    assert all(not entry.acl.admits(ANNA) for entry in room.ledger.entries())
    room.sync(folder(docs))
    assert room.found("Tief") == {"docs:mail.eml!/in.zip!/x.txt"}
    assert room.level()


def test_parts_go_with_their_mail(room: Room, docs: Path, mail: Path) -> None:
    room.sync(folder(docs))
    mail.unlink()
    assert room.sync(folder(docs)).removed == 1
    assert ids(room) == set()
    assert room.level()


def test_a_part_that_cannot_be_read_is_recorded_and_the_others_go_on(room: Room, docs: Path) -> None:
    (docs / "mail.eml").write_bytes(packed("Guten Tag", {"bad.bin": "BROKEN", "good.txt": "lesbar"}))
    report = room.sync(folder(docs))
    assert report.failed == [{"document": "docs:mail.eml!/bad.bin", "reason": "damaged"}]
    assert room.found("lesbar") == {"docs:mail.eml!/good.txt"}


def test_parts_of_one_name_and_names_that_are_paths_stay_apart(room: Room, docs: Path) -> None:
    (docs / "mail.eml").write_bytes(
        packed("x", {"a/b.txt": "eins", "a\\b.txt": "zwei", "a\nb.txt": "drei", "": "vier"})
    )
    room.sync(folder(docs))
    assert ids(room) == {"docs:mail.eml"} | {
        f"docs:mail.eml!/{name}" for name in ("a_b.txt", "2-a_b.txt", "3-a_b.txt", "unnamed")
    }
    assert all(entry.uri.split("!/")[-1] in entry.id for entry in room.ledger.entries() if entry.parent)


def test_a_folder_that_is_called_like_a_part_is_no_part(room: Room, docs: Path, mail: Path) -> None:
    (docs / "mail.eml!").mkdir()
    (docs / "mail.eml!" / "offer.txt").write_text("kein Teil")
    room.sync(folder(docs))
    assert room.found("kein Teil") == {"docs:mail.eml%21/offer.txt"}
    mail.unlink()
    room.sync(folder(docs))
    assert ids(room) == {"docs:mail.eml%21/offer.txt"}


def test_what_lies_too_deep_is_left_out_and_noted_where_it_lies(room: Room, docs: Path) -> None:
    inner: dict[str, object] = {"text": "Ebene vier", "parts": {}}
    for level in ("drei", "zwei", "eins"):
        inner = {"text": f"Ebene {level}", "parts": {"in.zip": inner}}
    (docs / "mail.eml").write_bytes(packed("Ebene null", {"in.zip": inner}))
    report = room.sync(folder(docs))
    assert report.failed == []
    assert room.found("Ebene drei")
    assert not room.found("Ebene vier")
    deepest = room.ledger.entry("docs:mail.eml!/in.zip!/in.zip!/in.zip")
    assert deepest and deepest.notes == ("1 documents inside left out: more than 3 levels deep",)


def test_a_file_of_archives_of_archives_is_read_up_to_so_many_documents_and_says_so(
    room: Room, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST", 7)
    inner: dict[str, object] = {f"{number}.txt": f"Blatt {number}" for number in range(4)}
    (docs / "a.zip").write_bytes(packed("Liste", {f"{name}.zip": {"text": name, "parts": inner} for name in "abc"}))
    (docs / "b.zip").write_bytes(packed("Liste", inner))
    assert room.sync(folder(docs)).failed == []
    entries = {entry.id: entry.notes for entry in room.ledger.entries()}
    assert sum(name.startswith("docs:a.zip!/") for name in entries) == 7
    assert sum(name.startswith("docs:b.zip!/") for name in entries) == 4, "each file has its own allowance"
    assert entries[DocumentId("docs:a.zip!/a.zip")] == ()
    assert entries[DocumentId("docs:a.zip!/b.zip")] == ("4 documents inside left out: more than 7 in one file",)


def test_ten_thousand_parts_of_one_name_are_named_at_once() -> None:
    ref = DocumentRef(id=DocumentId("docs:a.zip"), version="v")
    raw = RawDocument(ref=ref, title="a.zip", uri="file:///a.zip", media_type="", modified_at=NOW, body=b"")
    same = [Part(name=name, media_type="", body=b"") for _ in range(5000) for name in ("a.txt", "2-a.txt")]
    began = time.process_time()
    named = [made.title for made in parts.parts_of(raw, same, keys={})]
    assert time.process_time() - began < 5
    assert len(set(named)) == len(same)
    assert named[:4] == ["a.txt", "2-a.txt", "3-a.txt", "2-2-a.txt"]
