"""`rag backup` while the service runs, `rag restore` to another place: the same answers afterwards, or words."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag.ask.calibration import SHIPPED
from rag.client import Client
from rag.errors import StoreError
from rag.store.audit import AuditLog
from rag.store.backup import CALIBRATION, _counted, _summed, restore
from rag.store.schema import VERSION
from tests.doors.conftest import QUESTION, Line, owner, papers
from tests.store.old import as_version_1
from tests.store.test_full_disk import may_mount


@pytest.fixture(scope="module")
def owned_line(line: Line) -> Iterator[Line]:
    with owner(line):
        line.run("ingest", papers(line.folder / "papers"))
        line.json("ask", QUESTION)
        (line.home / CALIBRATION).write_text(SHIPPED.plain.as_json())
        yield line


@pytest.fixture(scope="module")
def kept(owned_line: Line) -> Path:
    """A backup of the three documents, one of which failed."""
    target = owned_line.folder / "kept"
    found = owned_line.json("backup", target)
    assert (found["documents"], found["schema"], found["archivar"] != "") == (3, VERSION, True)
    return target


def passages(line: Line, home: Path, query: str = "Urlaub im Kalenderjahr") -> object:
    return line.json("search", query, "--home", home)["passages"]


def test_the_same_query_gives_the_same_passages_elsewhere(owned_line: Line, kept: Path, tmp_path: Path) -> None:
    moved = tmp_path / "anders" / "gesichert"
    shutil.copytree(kept, moved)
    done = owned_line.json("restore", moved, "--home", tmp_path / "new")
    assert (done["documents"], done["failed"], done["chunks"]) == (3, 1, 2)
    assert passages(owned_line, tmp_path / "new") == passages(owned_line, owned_line.home)
    assert (tmp_path / "new" / CALIBRATION).read_text() == SHIPPED.plain.as_json()
    (failed,) = owned_line.json("documents", "--failed", "--home", tmp_path / "new")["documents"]
    assert failed["document_id"] == "papers:kaputt.pdf"
    log = AuditLog(tmp_path / "new" / "audit")
    assert log.verify() is None
    log.close()


def test_a_backup_is_its_owners_alone_and_holds_no_index(kept: Path) -> None:
    files = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    (day,) = (kept / "audit").glob("*-*-*.jsonl")
    names = {"manifest.json", "ledger.sqlite", "audit/key", f"audit/{day.name}", "rag.toml", CALIBRATION}
    assert files == names
    assert all(path.stat().st_mode & 0o077 == 0 for path in (kept, *kept.rglob("*")))


@pytest.mark.parametrize("count", [20, pytest.param(50, marks=pytest.mark.soak)])
def test_backups_taken_while_documents_come_and_go_are_each_consistent(fresh: Line, tmp_path: Path, count: int) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    stopped = threading.Event()

    def work() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            (docs / f"{number % 12}.txt").write_text(f"Vermerk {number} im Vorgang {number * 7}")
            (docs / f"{(number + 5) % 12}.txt").unlink(missing_ok=True)
            list(Client(fresh.home, pid=None).call("ingest", {"paths": [str(docs)]}))

    with owner(fresh):
        worker = threading.Thread(target=work)
        worker.start()
        try:
            for number in range(count):
                target = tmp_path / f"backup-{number}"
                list(Client(fresh.home, pid=None).call("backup", {"directory": str(target)}))
        finally:
            stopped.set()
            worker.join()
    for number in range(count):
        (tmp_path / f"home-{number}").mkdir()
        restore(tmp_path / f"backup-{number}", tmp_path / f"home-{number}", force=False).close()
        with closing(sqlite3.connect(tmp_path / f"home-{number}" / "ledger.sqlite")) as db:
            assert not db.execute("PRAGMA foreign_key_check").fetchall()
            assert db.execute(
                "SELECT count(*) FROM chunks c WHERE NOT EXISTS"
                " (SELECT 1 FROM vectors v WHERE v.content_hash = c.content_hash)"
            ).fetchone() == (0,)
            assert db.execute(
                "SELECT count(*) FROM documents d WHERE version IS NOT NULL AND NOT EXISTS"
                " (SELECT 1 FROM chunks c WHERE c.document = d.key AND c.version = d.version)"
            ).fetchone() == (0,)
    last = tmp_path / f"backup-{count - 1}"
    restored = fresh.json("restore", last, "--home", tmp_path / "new")
    assert restored["chunks"] == json.loads((last / "manifest.json").read_text())["chunks"]
    texts = {passage["text"] for passage in passages(fresh, tmp_path / "new", "Vermerk")}  # type: ignore[attr-defined]
    assert len(texts) == min(10, restored["chunks"])


def test_a_folder_that_is_not_empty_or_in_the_home_is_refused(owned_line: Line, kept: Path) -> None:
    for target, says in ((kept, "is not empty"), (owned_line.home / "b", "lies in the home")):
        done = owned_line.run("backup", target)
        assert done.returncode == 2 and says in done.stderr
    assert not (owned_line.home / "b").exists()


def test_a_home_that_is_not_empty_is_refused_and_with_force_set_aside(
    owned_line: Line, kept: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    owned_line.run("restore", kept, "--home", home)
    (home / "mine.txt").write_text("old")
    done = owned_line.run("restore", kept, "--home", home)
    assert done.returncode == 2 and "--force" in done.stderr
    assert (home / "mine.txt").read_text() == "old"
    owned_line.json("restore", kept, "--home", home, "--force")
    assert (home / "before-restore-1" / "mine.txt").read_text() == "old"
    assert (home / "before-restore-1" / "ledger.sqlite").exists()
    assert passages(owned_line, home) == passages(owned_line, owned_line.home)


def test_a_home_in_use_is_not_restored_over(owned_line: Line, kept: Path) -> None:
    done = owned_line.run("restore", kept, "--home", owned_line.home, "--force")
    assert done.returncode == 75 and str(os.getpid()) in done.stderr


@pytest.mark.parametrize("name", ["ledger.sqlite", "audit/*.jsonl", "audit/key", "rag.toml", "manifest.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_backup_is_refused_in_words_and_nothing_is_touched(
    owned_line: Line, kept: Path, tmp_path: Path, name: str, how: str
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(kept, bad)
    (name,) = (str(path.relative_to(bad)) for path in bad.glob(name))
    content = bytearray((bad / name).read_bytes())
    if how == "gone":
        (bad / name).unlink()
    elif how == "cut":
        (bad / name).write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        (bad / name).write_bytes(content)
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(StoreError, match=r"is damaged|is no backup|newer"):
        restore(bad, home, force=False)
    assert not list(home.iterdir())


def test_a_newer_backup_is_refused_in_words(owned_line: Line, kept: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(kept, newer)
    manifest = json.loads((newer / "manifest.json").read_text()) | {"schema": VERSION + 1, "archivar": "9.9"}
    (newer / "manifest.json").write_text(json.dumps(manifest))
    done = owned_line.run("restore", newer, "--home", tmp_path / "home")
    assert done.returncode == 1 and "newer Archivar (9.9" in done.stderr
    assert not (tmp_path / "home" / "ledger.sqlite").exists()


def test_a_backup_of_version_1_is_restored_as_one_of_today(owned_line: Line, kept: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(kept, old)
    as_version_1(old / "ledger.sqlite")
    with closing(sqlite3.connect(old / "ledger.sqlite")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        counts = _counted(db)
    manifest = json.loads((old / "manifest.json").read_text()) | {"schema": 1, **counts}
    manifest["files"]["ledger.sqlite"] = _summed(old / "ledger.sqlite")
    (old / "manifest.json").write_text(json.dumps(manifest))
    owned_line.json("restore", old, "--home", tmp_path / "home")
    assert passages(owned_line, tmp_path / "home") == passages(owned_line, owned_line.home)


def test_a_killed_restore_is_begun_again(owned_line: Line, kept: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "restoring").mkdir()
    (home / "restoring" / "ledger.sqlite").write_text("half")
    (home / "restoring" / "set aside").touch()  # the home was empty, and the log has taken its place
    (home / "audit").mkdir()
    (home / "audit" / "key").write_text("half")
    owned_line.json("restore", kept, "--home", home)
    assert not (home / "restoring").exists()
    assert passages(owned_line, home) == passages(owned_line, owned_line.home)


FULL = """
import subprocess, sys
from pathlib import Path
small, home = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + sys.argv[3], "none", str(small)], check=True)
from rag.errors import StoreFull
from rag.store import backup
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
if sys.argv[4:]:
    backup._SPARE_BYTES = 0
    backup._refuse_too_little = lambda needed, where: None
ledger, audit = Ledger(home / "ledger.sqlite"), AuditLog(home / "audit")
try:
    backup.back_up(ledger, audit, None, small / "b")
except StoreFull as error:
    print(error)
print(sorted(path.name for path in small.iterdir()))
"""


@pytest.mark.skipif(not may_mount(), reason="no small disk can be mounted here (user namespaces are not allowed)")
@pytest.mark.parametrize(("unchecked", "says"), [("", "There is too little space"), ("x", "the disk is full")])
def test_too_little_space_is_told_and_leaves_nothing_behind(
    kept: Path, tmp_path: Path, unchecked: str, says: str
) -> None:
    home, small = tmp_path / "home", tmp_path / "small"
    small.mkdir()
    shutil.copytree(kept, home)
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", FULL, str(small), str(home), "64k", *unchecked],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    said, left = done.stdout.splitlines()
    assert says in said, done.stderr
    assert left == "[]"
