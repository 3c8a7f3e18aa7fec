"""A ledger of an older version becomes one of this version, whole, whenever the process ends."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rag.access import Confidentiality
from rag.store.ledger import Ledger
from rag.store.schema import VERSION
from tests.ingest.room import DIMENSION, HashedWords, Room, folder, packed
from tests.store.makers import acl
from tests.store.old import as_version_1

KILLED = """
import os, signal, sqlite3, sys
from rag.store.ledger import Ledger
class Killed(sqlite3.Connection):
    left = 0
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.set_trace_callback(self.step)
    def step(self, statement):
        Killed.left -= 1
        if not Killed.left:
            os.kill(os.getpid(), signal.SIGKILL)
real = sqlite3.connect
for step, path in enumerate(sys.argv[1:], 1):
    child = os.fork()
    if not child:
        Killed.left = step
        sqlite3.connect = lambda *args, **options: real(*args, **options | {"factory": Killed})
        Ledger(__import__("pathlib").Path(path)).close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
TABLES = ("sources", "acl_classes", "documents", "chunks", "owed")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of version 1 with documents, parts, chunks, vectors, a failure and something owed."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("erste Fassung")
    (docs / "kopie").mkdir()
    (docs / "kopie" / "a.txt").write_text("erste Fassung")
    (docs / "mail.eml").write_bytes(packed("alte Post", {"anlage.txt": "Anlage eins"}))
    (docs / "kaputt.txt").write_bytes(b"BROKEN")
    with Room(tmp_path / "home") as room:
        room.sync(folder(docs))
        room.ledger.register_source("docs", docs)
        room.ledger.reprotect(room.ledger.entries()[0].id, acl("user:anna"), Confidentiality.INTERNAL)
    as_version_1(tmp_path / "home" / "ledger.sqlite")
    return tmp_path / "home"


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_everything_is_there_and_searchable_after_a_migration(home: Path) -> None:
    before = counts(home / "ledger.sqlite")
    assert before == {"sources": 1, "acl_classes": 2, "documents": 5, "chunks": 4, "owed": 1}
    Ledger(home / "ledger.sqlite").close()
    assert version_of(home / "ledger.sqlite") == VERSION
    assert counts(home / "ledger.sqlite") == before
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db:
        assert db.execute("SELECT DISTINCT embedder FROM vectors").fetchall() == [("",)]
        assert db.execute("SELECT count(*) FROM vectors").fetchone() == (3,), "the twins share one"
    ledger = Ledger(home / "ledger.sqlite")
    ledger.adopt(HashedWords.fingerprint, made_by="{}", own=True)
    ledger.close()
    with Room(home) as room:
        assert room.found("erste Fassung") == {"docs:a.txt", "docs:kopie/a.txt"}
        assert room.found("Anlage eins") == {"docs:mail.eml!/anlage.txt"}
        assert room.level()
        assert (room.ledger.embedded(HashedWords.fingerprint), room.ledger.dimension()) == (3, DIMENSION)
        assert not room.ledger.unembedded(HashedWords.fingerprint)


def test_a_migration_killed_before_any_statement_leaves_the_old_or_the_new(home: Path, tmp_path: Path) -> None:
    steps = 60
    homes = [tmp_path / f"killed-{step}" for step in range(steps)]
    for copy in homes:
        copy.mkdir()
        shutil.copy(home / "ledger.sqlite", copy / "ledger.sqlite")
    before = counts(home / "ledger.sqlite")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *(str(copy / "ledger.sqlite") for copy in homes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    ended = [int(line) for line in done.stdout.split()]
    assert ended.count(-9) > 25 and ended[-1] == 0, "every statement, and at last none"
    found = []
    for copy in homes:
        found.append(version_of(copy / "ledger.sqlite"))
        Ledger(copy / "ledger.sqlite").close()
        assert version_of(copy / "ledger.sqlite") == VERSION
        assert counts(copy / "ledger.sqlite") == before
    assert found == sorted(found) and found[0] == 1 and found[-1] == VERSION


def test_the_older_ledger_is_kept_beside_the_new_one_for_a_week(home: Path) -> None:
    kept = home / f"ledger.sqlite.before-{VERSION}"
    before = counts(home / "ledger.sqlite")
    Ledger(home / "ledger.sqlite").close()
    assert version_of(kept) == 1
    assert counts(kept) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    Ledger(home / "ledger.sqlite").close()
    assert kept.exists()
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(kept, (week_ago, week_ago))
    Ledger(home / "ledger.sqlite").close()
    assert not kept.exists()


def test_vectors_whose_embedder_nobody_knows_are_not_taken_for_another_ones(home: Path) -> None:
    ledger = Ledger(home / "ledger.sqlite")
    ledger.adopt("another@1", made_by="{}", own=False)
    assert ledger.embedded("another@1") == ledger.embedded("") == 0
    assert len(ledger.unembedded("another@1")) == 3, "each text is to be embedded once"
    ledger.close()


def test_a_document_that_states_its_date_has_it_after_a_migration(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "alt.txt").write_text("Reiseordnung\n\nStand: 01.03.2022")
    (docs / "neu.txt").write_text("Kantine")
    with Room(tmp_path / "home") as room:
        room.sync(folder(docs))
    path = tmp_path / "home" / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE documents SET modified_at = '2026-05-04T12:00:00+00:00'")
        db.execute("PRAGMA user_version = 5")
        db.commit()
    with closing(Ledger(path)) as ledger:
        dates = {entry.id: entry.modified_at.date().isoformat() for entry in ledger.entries()}
    assert dates == {"docs:alt.txt": "2022-03-01", "docs:neu.txt": "2026-05-04"}
