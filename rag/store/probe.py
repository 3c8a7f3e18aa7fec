"""Whether a vector index can be used, found out in a process of its own: a damaged file can bring Chroma down with a
segmentation fault, and whoever opens it first goes down with it.

Compares every vector there is with the ledger's and asks for some rows' nearest: exit code 0 sound, 3 damaged.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from rag.errors import IndexDamaged, RagError
from rag.ports import Vectors

_DAMAGED = 3
_ALIKE = 0.999
_ASKED = 256
_BATCH = 64


def unsound(directory: Path, ledger: Path, *, fingerprint: str, dimension: int, rows: int) -> str | None:
    """Why the index cannot be used, in a few words; None where it can."""
    command = [sys.executable, "-m", "rag.store.probe", str(directory), str(ledger), fingerprint, str(dimension)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and module
            command, capture_output=True, check=False, env=environ, timeout=60 + rows / 200, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return "looking through it does not end"
    if done.returncode < 0:
        return f"reading it ends in signal {-done.returncode}"
    return (done.stdout.decode("utf-8", "replace").strip() or "it cannot be read") if done.returncode else None


def main(arguments: Sequence[str]) -> int:
    """Look; say on stdout what is wrong."""
    directory, ledger, fingerprint, dimension = arguments
    try:
        _check_pages(Path(directory) / "chroma.sqlite3")
        _check_rows(Path(directory), Path(ledger), fingerprint, int(dimension))
    except (IndexDamaged, sqlite3.DatabaseError, ValueError) as error:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return 0  # whoever opens it is told
        sys.stdout.write(str(error)[:300])
        return _DAMAGED
    except RagError:
        return 0
    return 0


def _check_pages(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != b"ok":
        raise IndexDamaged(found.decode("utf-8", "replace"))


def _check_rows(directory: Path, ledger: Path, fingerprint: str, dimension: int) -> None:
    from rag.store.vectors import VectorIndex

    index = VectorIndex(directory, fingerprint=fingerprint, dimension=dimension)
    asked: list[Vectors] = []
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as db:
        for names, held in index.rows():
            if held.shape != (len(names), dimension):
                raise IndexDamaged("rows have lost their vectors")
            wanted = dict(_vectors(db, names, fingerprint))
            known = [place for place, name in enumerate(names) if name in wanted]
            if known:
                truth = np.frombuffer(b"".join(wanted[names[place]] for place in known), "<f4").reshape(len(known), -1)
                if not (np.einsum("ij,ij->i", held[known], truth) > _ALIKE).all():
                    raise IndexDamaged("vectors are not what was written")
            asked.append(held[:: max(1, len(index) // _ASKED)])
    for rows in asked:
        for start in range(0, len(rows), _BATCH):
            if min(index.nearest(rows[start : start + _BATCH]), default=1.0) < _ALIKE:
                raise IndexDamaged("rows are no longer found by their own vectors")
    index.close()


def _vectors(db: sqlite3.Connection, names: Sequence[str], fingerprint: str) -> list[tuple[str, bytes]]:
    marks = ",".join("?" for _ in names)
    return db.execute(
        "SELECT c.id, v.vector FROM chunks c JOIN vectors v ON v.content_hash = c.content_hash AND v.embedder = ?"
        f" WHERE c.id IN ({marks})",
        (fingerprint, *names),
    ).fetchall()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
