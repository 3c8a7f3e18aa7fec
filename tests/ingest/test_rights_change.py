"""Rights that change at the source reach the ledger first, and cost no reading."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.folder import Folder
from connectors.folder_above import WatchingAbove
from connectors.folder_events import FolderEvents
from rag.access import Principal
from rag.documents import DocumentId, Listing
from rag.ingest.sync import sync
from rag.ports import Step
from tests.connectors.kernel import MASK, NO_ID, OTHER, OWN_GROUP, OWNER, USER, Numbered, acl_bytes
from tests.ingest.room import ANNA, Counted, Room, folder, packed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

WAIT_S = 60.0
OWN = Principal(user="u20001")
HR = Principal(user="berta", groups=frozenset({"g30001"}))


@pytest.fixture
def docs() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    (made / "hr").mkdir()
    (made / "a.txt").write_text("Gehalt offen")
    (made / "hr" / "b.txt").write_text("Gehalt geheim")
    (made / "hr" / "post.eml").write_bytes(packed("Gehalt in post", {"anlage.txt": "Gehalt in anlage"}))
    for path in (made / "a.txt", made / "hr" / "b.txt", made / "hr" / "post.eml"):
        os.chown(path, 20001, 30001)
        path.chmod(0o644)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with Room(tmp_path / "home") as opened:
        yield opened


def source(docs: Path) -> Counted:
    return Counted(folder(docs, readers=(), from_filesystem=True, accounts=Numbered()))


PEOPLE = (("own", OWN), ("hr", HR), ("named", Principal(user="u20003")))

ALL = {"docs:a.txt", "docs:hr/b.txt", "docs:hr/post.eml", "docs:hr/post.eml!/anlage.txt"}
B = DocumentId("docs:hr/b.txt")


def chmod(docs: Path) -> None:
    (docs / "hr" / "b.txt").chmod(0o640)


def chown(docs: Path) -> None:
    (docs / "hr" / "b.txt").chmod(0o600)
    os.chown(docs / "hr" / "b.txt", 20002, 30001)


def setfacl(docs: Path) -> None:
    entries = [(OWNER, 6, NO_ID), (USER, 4, 20003), (OWN_GROUP, 0, NO_ID), (MASK, 4, NO_ID), (OTHER, 0, NO_ID)]
    os.setxattr(docs / "hr" / "b.txt", "system.posix_acl_access", acl_bytes(entries))


@pytest.mark.parametrize(
    ("change", "readers"),
    [(chmod, {"own", "hr"}), (chown, set()), (setfacl, {"own", "named"})],
    ids=["chmod", "chown", "setfacl"],
)
def test_it_is_a_change_of_rights_only_and_reads_nothing(
    room: Room, docs: Path, change: Callable[[Path], None], readers: set[str]
) -> None:
    room.sync(source(docs))
    assert room.found("Gehalt", ANNA) == ALL
    room.embedder.embedded.clear()
    room.reader.parsed.clear()
    change(docs)
    looked = source(docs)
    report = room.sync(looked)
    assert report.reprotected == 1
    assert (looked.versions, looked.fetched, room.reader.parsed, room.embedder.embedded) == ([], [], [], [])
    assert room.found("Gehalt", ANNA) == ALL - {B}
    assert {name for name, who in PEOPLE if B in room.found("Gehalt", who)} == readers
    assert room.level()
    again = source(docs)
    assert (room.sync(again).reprotected, again.versions) == (0, [])


def test_a_folder_that_is_closed_closes_all_below_it_parts_included(room: Room, docs: Path) -> None:
    room.sync(source(docs))
    (docs / "hr").chmod(0o700)
    looked = source(docs)
    assert room.sync(looked).reprotected == 2
    assert (looked.versions, looked.fetched) == ([], [])
    assert room.found("Gehalt", ANNA) == {"docs:a.txt"}


def test_a_folder_above_the_root_that_is_closed_closes_everything(room: Room, docs: Path) -> None:
    below = docs / "hr"
    room.sync(source(below))
    assert room.found("Gehalt", ANNA)
    docs.chmod(0o700)
    room.sync(source(below))
    assert room.found("Gehalt", ANNA) == set()
    assert room.found("Gehalt", Principal(user="u0"))


def test_what_is_revoked_holds_before_any_file_is_read(room: Room, docs: Path) -> None:
    room.sync(source(docs))
    chmod(docs)
    (docs / "a.txt").write_text("Gehalt anders")
    looked = source(docs)
    seen: list[set[str]] = []
    version = looked.version

    def watched(listing: Listing) -> str:
        seen.append(room.found("Gehalt", ANNA))
        return version(listing)

    looked.version = watched  # type: ignore[method-assign]
    room.sync(looked)
    assert seen and all(B not in found for found in seen)


def test_what_is_revoked_while_others_are_read_holds_before_they_are_through(room: Room, docs: Path) -> None:
    room.sync(source(docs))
    for number in range(3):
        (docs / f"{number}.txt").write_text(f"Gehalt {number}")
    seen: list[bool] = []

    def told(step: Step) -> None:
        if step.document:
            seen.append(B in room.found("Gehalt", ANNA))
        else:
            chmod(docs)  # nothing of this sync's own listing knows it

    sync(source(docs), room.pipeline, progress=told, rights_s=0)
    assert seen == [False, False, False]
    assert room.sync(source(docs)).reprotected == 0
    assert room.level()


def test_new_readers_of_a_file_with_new_content_never_find_the_old_one(room: Room, docs: Path) -> None:
    chmod(docs)
    room.sync(source(docs))
    assert B not in room.found("Gehalt", ANNA)
    (docs / "hr" / "b.txt").write_text("Gehalt für alle")
    (docs / "hr" / "b.txt").chmod(0o644)
    looked, seen = source(docs), []
    fetch = looked.fetch

    def watched(*args: object) -> object:
        seen.append(room.found("Gehalt geheim", ANNA))
        return fetch(*args)  # type: ignore[arg-type]

    looked.fetch = watched  # type: ignore[method-assign, assignment]
    room.sync(looked)
    assert seen == [set()]
    assert room.found("Gehalt für alle", ANNA) == {B}
    assert room.sync(source(docs)).reprotected == 0


@pytest.mark.parametrize("later", [False, True], ids=["with the content", "afterwards"])
def test_new_readers_of_a_file_that_cannot_be_read_never_find_its_old_content(
    room: Room, docs: Path, later: bool
) -> None:
    chmod(docs)
    room.sync(source(docs))
    (docs / "hr" / "b.txt").write_bytes(b"BROKEN")
    if later:
        room.sync(source(docs))
        assert B in room.found("Gehalt", HR), "who could read it before keeps it"
    (docs / "hr" / "b.txt").chmod(0o644)
    room.sync(source(docs))
    assert B not in room.found("Gehalt", ANNA)
    assert (room.sync(source(docs)).reprotected, room.level()) == (0, True)
    (docs / "hr" / "b.txt").write_text("Gehalt lesbar")
    room.sync(source(docs))
    assert B in room.found("Gehalt", ANNA)


def test_a_file_that_cannot_be_read_keeps_its_old_content_for_fewer(room: Room, docs: Path) -> None:
    room.sync(source(docs))
    (docs / "hr" / "b.txt").write_bytes(b"BROKEN")
    chmod(docs)
    room.sync(source(docs))
    assert B in room.found("Gehalt", HR)
    assert B not in room.found("Gehalt", ANNA)


def test_a_file_is_recorded_with_the_rights_it_has_when_it_is_read(room: Room, docs: Path) -> None:
    looked = source(docs)
    fetch = looked.fetch

    def late(listing: Listing, ref: object) -> object:
        (docs / "hr" / "b.txt").chmod(0o600)
        return fetch(listing, ref)  # type: ignore[arg-type]

    looked.fetch = late  # type: ignore[method-assign, assignment]
    room.sync(looked)
    assert B not in room.found("Gehalt", ANNA)
    assert B in room.found("Gehalt", OWN)


def test_a_hidden_file_comes_back_with_the_rights_it_has_by_then(room: Room, docs: Path) -> None:
    chmod(docs)
    room.sync(source(docs))
    room.ledger.hide([B], "no permission to read the file")
    (docs / "hr" / "b.txt").chmod(0o644)
    looked = source(docs)
    room.sync(looked)
    assert looked.fetched == [], "its content is what was hidden"
    assert B in room.found("Gehalt", ANNA)
    assert room.level()
    assert room.sync(source(docs)).reprotected == 0


def test_a_moved_file_has_the_rights_of_its_new_place(room: Room, docs: Path) -> None:
    (docs / "hr").chmod(0o700)
    room.sync(source(docs))
    (docs / "hr" / "b.txt").rename(docs / "b.txt")
    room.sync(source(docs))
    assert room.found("Gehalt", ANNA) == {"docs:a.txt", "docs:b.txt"}
    (docs / "a.txt").rename(docs / "hr" / "a.txt")
    room.sync(source(docs))
    assert room.found("Gehalt", ANNA) == {"docs:b.txt"}


def test_files_of_many_owners_are_compared_by_their_signature_too(room: Room, docs: Path) -> None:
    for number in range(30):
        (docs / f"{number}.txt").write_text("x")
        os.chown(docs / f"{number}.txt", 20001 + number % 5, 30001)
        (docs / f"{number}.txt").chmod(0o600)
    for _ in range(3):
        room.sync(source(docs))
    assert [stretch.signature is not None for stretch in room.ledger.stretches("docs")] == [True]
    os.chown(docs / "7.txt", 20001, 30001)
    assert room.sync(source(docs)).reprotected == 1


@pytest.mark.parametrize(
    ("change", "scope"),
    [(chmod, "hr/b.txt"), (chown, "hr/b.txt"), (setfacl, "hr/b.txt"), (lambda docs: (docs / "hr").chmod(0o700), "hr/")],
    ids=["chmod", "chown", "setfacl", "folder"],
)
def test_the_system_tells_of_changed_rights(docs: Path, change: Callable[[Path], None], scope: str) -> None:
    told: set[str] = set()
    heard = threading.Event()

    def changed(what: str) -> None:
        told.add(what)
        if what == scope:
            heard.set()

    events = FolderEvents(docs, changed)
    try:
        change(docs)
        assert heard.wait(WAIT_S), told
    finally:
        events.close()


def test_a_folder_above_the_root_whose_rights_change_is_noticed(docs: Path) -> None:
    heard: set[str] = set()
    told = threading.Event()

    def changed(scope: str) -> None:
        heard.add(scope)
        told.set()

    looked = source(docs / "hr").folder
    watching = WatchingAbove(looked.watch(lambda scope: None, poll_s=60), looked.rights, changed, look_s=0.05)
    try:
        assert watching.mode == "events"
        assert not told.wait(0.3), "nothing changed"
        docs.chmod(0o700)
        assert told.wait(WAIT_S)
        assert heard == {""}
    finally:
        watching.close()


def test_a_revoked_right_is_invisible_to_the_first_question_after_the_ledger_knows(room: Room, docs: Path) -> None:
    room.sync(source(docs))
    assert B in room.found("Gehalt", ANNA)
    chmod(docs)
    acl = next(entry.acl for entry in source(docs).listings(["hr/b.txt"]) if isinstance(entry, Listing))
    entry = room.ledger.entry(B)
    assert entry is not None
    room.ledger.reprotect(B, acl, entry.confidentiality)
    assert B not in room.found("Gehalt", ANNA)


def test_a_folder_knows_its_rights_as_they_are_now(docs: Path) -> None:
    looked: Folder = source(docs).folder
    before = looked.why(B).acl
    chmod(docs)
    assert before != looked.why(B).acl
    assert looked.why(DocumentId("docs:hr/post.eml!/anlage.txt")).acl == looked.why(DocumentId("docs:hr/post.eml")).acl
    assert looked.why(DocumentId("docs:gone.txt")).acl is None
