"""Names as bad as a file system can hold go in, are found, are followed and go out."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from connectors.names import readable
from rag.ingest.sync import sync
from tests.faults.recovery import whole
from tests.faults.scenario import NEVER_HELD
from tests.ingest.room import Room, folder

MAKE_TREE = Path(__file__).parents[2] / ".." / "shared" / "testdata" / "hostile" / "make_tree.py"
NAMES = {
    "newline": b"Zeilen\numbruch.txt",
    "invalid UTF-8": b"latin1_\xe4\xf6.txt",
    "half a letter": b"\xed\xa0\x80.txt",
    "composed": "ümläut.txt".encode(),
    "decomposed": "u\u0308mla\u0308ut.txt".encode(),
    "255 bytes": b"a" * 251 + b".txt",
    "255 bytes of letters": "ä".encode() * 125 + b"x.txt",
    "percent": b"100%.txt",
    "percent and figures": b"a%2Fb%00c%C3.txt",
    "what ends a folder": b"mail.eml!",
    "upper case": b"README.txt",
    "lower case": b"readme.txt",
    "turned round": "name\u202etxt.exe.txt".encode(),
    "colon": b"C:\\temp\\x:y.txt",
    "blank ends": b" spaces .txt ",
    "quotes": b"'; DROP TABLE chunks;--.txt",
    "pattern": b"[1]*?.txt",
    "beyond the plane": "\U0010ffff\ufffe.txt".encode(),
    "slashes that are none": "a\u2215b\u2044c\uff0fd.txt".encode(),
    "tab and bell": b"tab\t\x07\x7f.txt",
    "next to the root": b"//0".replace(b"/", b"%"),
}
FOLDERS = [b"", b"post.eml!/", b"a%21/", "o\u0308rdner\n/".encode(), b"\xff\xfe/", b"a../", (b"tief" * 25 + b"/") * 60]


def write(docs: Path, path: bytes, text: str) -> None:
    """However deep: step by step, as a path may be longer than one call takes."""
    *folders, name = path.split(b"/")
    here = os.open(docs, os.O_RDONLY)
    for step in folders:
        with suppress(FileExistsError):
            os.mkdir(step, dir_fd=here)
        below = os.open(step, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=here), "w") as file:
        file.write(text)
    os.close(here)


def tree() -> Iterator[bytes]:
    for below in FOLDERS:
        for name in NAMES.values():
            yield below + name


def test_every_name_goes_in_is_followed_and_goes_out(room: Room, docs: Path) -> None:
    texts: dict[str, str] = {}
    for number, path in enumerate(tree()):
        write(docs, path, f"Akte{number}nr erste Fassung")
        texts[f"docs:{readable(path)}"] = f"Akte{number}nr erste Fassung"
    assert len(texts) == len(NAMES) * len(FOLDERS), "every name is another document"
    report = room.sync(folder(docs))
    assert (report.added, report.failed) == (len(texts), [])
    assert room.texts() == texts
    for number, name in enumerate(texts):
        assert room.found(f"Akte{number}nr") == {name}
    assert room.sync(folder(docs)).unchanged == len(texts)
    room.embedder.embedded.clear()
    (docs / "umzug").mkdir()
    (docs / "post.eml!").rename(docs / "umzug" / "x!")
    assert sync(folder(docs), room.pipeline, scopes=("post.eml%21", "umzug")).moved == len(NAMES)
    assert not room.embedder.embedded
    assert room.sync(folder(docs)).unchanged == len(texts)
    whole(room)


@pytest.mark.parametrize("kind", NAMES)
def test_each_name_can_be_synced_alone(room: Room, docs: Path, kind: str) -> None:
    for other in NAMES.values():
        write(docs, other, "andere Akte")
    room.sync(folder(docs))
    for below in FOLDERS[:4]:
        path = below + NAMES[kind]
        scope = readable(path)
        for text in ("eine Akte", "eine neue Akte"):
            write(docs, path, text)
            sync(folder(docs), room.pipeline, scopes=(scope,))
            assert room.texts()[f"docs:{scope}"] == text
        (docs / os.fsdecode(path)).unlink()
        report = sync(folder(docs), room.pipeline, scopes=(scope, scope))
        assert report.removed == 1 and f"docs:{scope}" not in room.texts()
    assert set(room.texts().values()) == {"andere Akte"} and len(room.texts()) == len(NAMES) - 1
    whole(room)


@pytest.mark.skipif(not MAKE_TREE.exists(), reason="the tree of hazards is not in this checkout")
@pytest.mark.parametrize("many", [100, pytest.param(5000, marks=pytest.mark.soak)])
def test_of_a_tree_of_hazards_the_good_files_are_indexed(room: Room, docs: Path, many: int) -> None:
    subprocess.run([sys.executable, str(MAKE_TREE), str(docs)], check=True, capture_output=True, timeout=120)
    for path in sorted((docs / "viele").iterdir())[many:]:
        path.unlink()
    good = {f"docs:{readable(path)}": text for path, text in regular(os.fsencode(docs))}
    report = sync(folder(docs), room.pipeline, hold=NEVER_HELD, workers=2)
    reasons = {entry["document"]: entry["reason"] for entry in report.failed}
    assert reasons.pop("docs:sparse_5GB.txt").startswith("over the limit of")
    if os.geteuid():
        assert set(reasons) == {"docs:noperm.txt", "docs:noperm_dir/"}
        assert all("permission" in reason for reason in reasons.values())
    found = {name: text for name, text in room.texts().items() if text is not None}
    assert found == good
    assert len(good) > many + 15
    assert room.found("sechzig") == {"docs:" + "".join(f"tief{n:02}/" for n in range(60)) + "ganz_unten.txt"}
    whole(room)
    again = sync(folder(docs), room.pipeline, hold=NEVER_HELD)
    assert (again.added, again.replaced, again.removed) == (0, 0, 0)
    shutil.rmtree(docs / "namen")
    sync(folder(docs), room.pipeline, hold=NEVER_HELD, scopes=("namen",))
    assert room.found("Quittungsnummer") == set()


def regular(root: bytes) -> Iterator[tuple[bytes, str]]:
    """Every file that ought to be read, with its text."""
    for here, _, names in os.walk(root):
        for path in (Path(os.fsdecode(os.path.join(here, name))) for name in names):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size < 1 << 20 and os.access(path, os.R_OK):
                yield os.path.relpath(os.fsencode(path), root), path.read_text(encoding="utf-8")
