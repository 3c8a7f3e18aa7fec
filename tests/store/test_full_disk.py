"""A disk that fills up while the stores write: refused in words, and everything acknowledged before is still there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import subprocess, sys
from pathlib import Path
home, filler = Path(sys.argv[1]), Path(sys.argv[1]) / "filler"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "none", str(home)], check=True)
from rag.access import LOOPBACK, Principal
from rag.errors import StoreError, StoreFull
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from rag.store.owner import Ownership
from tests.store.makers import version

ledger, audit = Ledger(home / "ledger.sqlite"), AuditLog(home / "audit")
ledger.record([version("first", "eins")])
ask = dict(question="q", principal=Principal(user="u"), channel=LOOPBACK, passages=())
audit.open(**ask)
with filler.open("wb", buffering=0) as file:
    try:
        while file.write(b"x" * 4096):
            pass
    except OSError:
        pass
recorded = ["first"]
for number in range(200):
    try:
        ledger.record([version(f"k{number}", f"{number} " * 3000)])
        recorded.append(f"k{number}")
    except StoreFull as error:
        print("ledger:", error)
        break
answers = 1
for _ in range(200):
    try:
        audit.open(**ask)
        answers += 1
    except StoreError as error:
        print("audit:", error)
        break
with Ownership(home):
    print("owned")
ledger.close(); audit.close()
filler.unlink()
ledger, audit = Ledger(home / "ledger.sqlite"), AuditLog(home / "audit")
print("same documents:", sorted(entry.key for entry in ledger.entries()) == sorted(recorded))
print("whole:", ledger._all("PRAGMA integrity_check")[0][0])
ledger.record([version("last", "geht wieder")])
audit.open(**ask)
print("audit records:", len(list(audit.records())) - answers, audit.verify())
"""


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no small disk can be mounted here (user namespaces are not allowed)")
def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        timeout=120,
    )
    assert done.stdout.splitlines() == [
        "ledger: The disk is full. Nothing was lost; free some space and run the command again.",
        "audit: The audit log cannot be written (No space left on device); without a record no question is answered.",
        "owned",
        "same documents: True",
        "whole: ok",
        "audit records: 1 None",
    ], done.stderr


ONE_INDEX = """
import subprocess, sys
from pathlib import Path
home, index = Path(sys.argv[1]), sys.argv[2]
(home / "home" / index).mkdir(parents=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", str(home / "home" / index)], check=True)
from rag.errors import StoreFull
from tests.ingest.room import Room, folder
docs = home / "docs"
docs.mkdir()
(docs / "a.txt").write_text("erste Fassung")
with Room(home / "home") as room:
    room.sync(folder(docs))
    with (home / "home" / index / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    for number in range(20):
        (docs / f"{number}.txt").write_text(" ".join(f"Nummer {number} {word}" for word in range(3000)))
    try:
        room.sync(folder(docs))
    except StoreFull as error:
        print("full:", error)
    print("found:", room.found("erste"))
    (home / "home" / index / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=60m", str(home / "home" / index)], check=True)
    room.sync(folder(docs))
    print("goes on:", len(room.texts()), room.level())
"""


@pytest.mark.skipif(not may_mount(), reason="no small disk can be mounted here (user namespaces are not allowed)")
@pytest.mark.parametrize("index", ["chroma", "words"])
def test_a_full_disk_under_one_index_is_told_as_such(tmp_path: Path, index: str) -> None:
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", ONE_INDEX, str(tmp_path), index],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        timeout=120,
    )
    assert done.stdout.splitlines() == [
        "full: The disk is full. Nothing was lost; free some space and run the command again.",
        "found: {'docs:a.txt'}",
        "goes on: 21 True",
    ], done.stderr


INDEXES = """
import subprocess, sys
from pathlib import Path
home, filler = Path(sys.argv[1]), Path(sys.argv[1]) / "filler"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "none", str(home)], check=True)
from rag.errors import StoreFull
from tests.ingest.room import Room, folder
docs = home / "docs"
docs.mkdir()
(docs / "a.txt").write_text("erste Fassung")
with Room(home / "home") as room:
    room.sync(folder(docs))
    for number in range(40):
        (docs / f"{number}.txt").write_text(f"Nummer {number} " * 3000)
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65536):
                pass
        except OSError:
            pass
    try:
        room.sync(folder(docs))
    except StoreFull as error:
        print("full:", error)
    print("found:", room.found("erste"))
filler.unlink()
with Room(home / "home") as room:
    room.sync(folder(docs))
    print("found:", room.found("erste"), len(room.texts()), room.level())
"""


@pytest.mark.skipif(not may_mount(), reason="no small disk can be mounted here (user namespaces are not allowed)")
def test_an_ingest_on_a_full_disk_stops_in_words_and_goes_on_when_there_is_space(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", INDEXES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        timeout=120,
    )
    assert done.stdout.splitlines() == [
        "full: The disk is full. Nothing was lost; free some space and run the command again.",
        "found: {'docs:a.txt'}",
        "found: {'docs:a.txt'} 41 True",
    ], done.stderr
