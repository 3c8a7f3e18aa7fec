"""A sync of a part: what lies outside is neither looked at nor touched; what lies inside is as after a full sync."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ranges
from rag.ingest.sync import sync
from tests.ingest.room import Counted, Room, folder

paths = st.lists(
    st.lists(st.sampled_from(["a", "a!", "a.b", "a b", "ab", "ä"]), min_size=1, max_size=3).map("/".join), max_size=12
)
scopes = st.lists(
    paths.filter(bool).map(lambda found: found[0]) | paths.filter(bool).map(lambda f: f[0] + "/"), max_size=4
)


def _within(path: str, scope: str) -> bool:
    return path == scope or path.startswith(scope if scope.endswith("/") or not scope else f"{scope}/")


@given(scopes | st.just([""]), paths)
def test_ranges_hold_what_the_scopes_hold_in_order_and_once(wanted: list[str], files: list[str]) -> None:
    found = ranges(wanted)
    assert list(found) == sorted(set(found))
    for path in files:
        inside = [r for r in found if path == r or (path.startswith(r) and (not r or r.endswith("/")))]
        assert len(inside) == (1 if any(_within(path, scope) for scope in wanted) else 0)


def test_a_sync_of_one_folder_leaves_the_others_alone(room: Room, docs: Path) -> None:
    for name in ("eins/a.txt", "zwei/b.txt", "c.txt"):
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text(f"alt {name}")
    room.sync(folder(docs))
    for name in ("eins/a.txt", "zwei/b.txt"):
        (docs / name).write_text(f"neu jetzt {name}")
    (docs / "c.txt").unlink()
    source = Counted(folder(docs))
    report = sync(source, room.pipeline, scopes=("eins/",))
    assert (report.replaced, report.removed, source.fetched) == (1, 0, ["docs:eins/a.txt"])
    assert room.found("neu") == {"docs:eins/a.txt"}
    assert room.found("alt") == {"docs:zwei/b.txt", "docs:c.txt"}


def test_a_sync_of_one_file_sees_it_come_change_and_go(room: Room, docs: Path) -> None:
    (docs / "andere.txt").write_text("andere")
    for text in ("erste Fassung", "zweite Fassung"):
        (docs / "a.txt").write_text(text)
        sync(folder(docs), room.pipeline, scopes=("a.txt",))
        assert room.texts() == {"docs:a.txt": text}
    (docs / "a.txt").unlink()
    assert sync(folder(docs), room.pipeline, scopes=("a.txt",)).removed == 1
    assert room.texts() == {}


def test_a_file_that_became_a_folder_and_back_is_followed(room: Room, docs: Path) -> None:
    (docs / "a").write_text("Datei")
    room.sync(folder(docs))
    (docs / "a").unlink()
    (docs / "a").mkdir()
    (docs / "a" / "b.txt").write_text("Ordner")
    sync(folder(docs), room.pipeline, scopes=("a",))
    assert room.texts() == {"docs:a/b.txt": "Ordner"}
    (docs / "a" / "b.txt").unlink()
    (docs / "a").rmdir()
    (docs / "a").write_text("Datei")
    sync(folder(docs), room.pipeline, scopes=("a",))
    assert room.texts() == {"docs:a": "Datei"}


def test_a_move_is_seen_when_both_ends_are_in_the_scopes(room: Room, docs: Path) -> None:
    (docs / "alt").mkdir()
    (docs / "alt" / "a.txt").write_text("wandert")
    room.sync(folder(docs))
    key = room.ledger.entries()[0].key
    room.embedder.embedded.clear()
    (docs / "alt").rename(docs / "neu")
    report = sync(folder(docs), room.pipeline, scopes=("alt/", "neu/"))
    assert (report.moved, report.removed, room.embedder.embedded) == (1, 0, [])
    assert [(entry.id, entry.key) for entry in room.ledger.entries()] == [("docs:neu/a.txt", key)]


@pytest.mark.parametrize("scope", [".git/", ".git/a.txt", "~$a.docx", "privat/a.txt", "privat/", "x.tmp", "a/.b/c.txt"])
def test_what_a_full_sync_passes_over_is_passed_over_by_a_sync_of_it_alone(room: Room, docs: Path, scope: str) -> None:
    place = docs / scope if not scope.endswith("/") else docs / scope / "a.txt"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("geht niemanden an")
    source = folder(docs, exclude=("privat/**",))
    sync(source, room.pipeline, scopes=(scope,))
    assert room.texts() == {}


@pytest.mark.parametrize("scope", ["link/secret.txt", "link/", "link", "datei.txt"])
def test_a_scope_never_leads_out_through_a_link(room: Room, docs: Path, tmp_path: Path, scope: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("geheim")
    (docs / "link").symlink_to(outside)
    (docs / "datei.txt").symlink_to(outside / "secret.txt")
    sync(folder(docs), room.pipeline, scopes=(scope,))
    assert room.texts() == {}


def test_a_file_that_is_being_written_is_left_for_later_and_its_old_version_stays(room: Room, docs: Path) -> None:
    (docs / "a.txt").write_text("alte Fassung")
    room.sync(folder(docs))
    (docs / "a.txt").write_text("halbe Fas")
    (docs / "b.txt").write_text("halb")
    (docs / "c.txt").write_text("ganz")
    report = sync(folder(docs), room.pipeline, settled=lambda listing: listing.id == "docs:c.txt")
    assert (report.added, report.later, report.removed) == (1, 2, 0)
    assert room.texts() == {"docs:a.txt": "alte Fassung", "docs:c.txt": "ganz"}
    assert room.sync(folder(docs)).added == 1
