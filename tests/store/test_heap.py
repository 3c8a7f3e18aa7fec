"""What a process once held in memory does not get to the disk with rows that were never set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELD = """
import sys
from pathlib import Path
import numpy as np
from rag.store.heap import overwrite_freed
from rag.store.vectors import VectorIndex
from tests.store.makers import chunk, facets
if sys.argv[2] == "on" and not overwrite_freed():
    sys.exit(7)
secret = np.random.default_rng(5).standard_normal((400, 48)).astype(np.float32)
secret /= np.linalg.norm(secret, axis=1, keepdims=True)
clean = np.roll(secret, 7, axis=1)[::-1][:3].copy()
home, found = Path(sys.argv[1]), 0
for number in range(8):
    for name, rows in (("old", secret), ("new", clean)):
        index = VectorIndex(home / f"{name}{number}", fingerprint="x@1", dimension=48)
        index.put([chunk(f"c{n}") for n in range(len(rows))], rows, [facets()] * len(rows))
        index.nearest(rows[:1])
        index.close()
    for path in (home / f"new{number}").rglob("*.bin"):
        content = path.read_bytes()
        found += sum(content.count(row[8:14].tobytes()) for row in secret)
print(found)
"""


def written(directory: Path, switch: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", HELD, str(directory), switch],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    if done.returncode == 7:
        pytest.skip("the C library is not glibc")
    assert not done.returncode, done.stderr
    return int(done.stdout)


def test_freed_memory_is_not_written_down_once_it_is_overwritten(tmp_path: Path) -> None:
    assert written(tmp_path / "off", "off") > 0, "the leak is there: Chroma writes rows it never set"
    assert written(tmp_path / "on", "on") == 0
