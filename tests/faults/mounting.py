"""A share that is a mount, dropped and mounted again by the kernel: run in a user and mount namespace of its own.

``unshare -rm python -m tests.faults.mounting DIRECTORY``; prints ``ok``, or ``cannot mount`` where that is forbidden.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rag.ingest.sync import sync
from tests.ingest.room import Room, folder

COUNT = 3


def mount(place: Path) -> None:
    """A new, empty file system."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=True)


def filled(place: Path) -> None:
    for number in range(COUNT):
        (place / f"{number}.txt").write_text(f"Akte {number} auf {place.name}")


def held(room: Room, docs: Path, count: int, *scopes: str) -> None:
    """Nothing is removed, and it is said."""
    report = sync(folder(docs), room.pipeline, scopes=scopes or ("",))
    assert (report.removed, report.held) == (0, count), report
    assert len(room.texts()) == 2 * COUNT


def main(base: Path) -> None:
    """The share itself, then a mount below it."""
    docs, below = base / "docs", base / "docs" / "unter"
    docs.mkdir()
    mount(docs)
    below.mkdir()
    filled(docs)
    mount(below)
    filled(below)
    with Room(base / "home") as room:
        sync(folder(docs), room.pipeline)
        subprocess.run(["mount", "--bind", str(below), str(base / "spare")], check=True)
        subprocess.run(["umount", str(below)], check=True)
        held(room, docs, COUNT)
        held(room, docs, 1, "unter/1.txt")
        held(room, docs, COUNT, "unter")
        mount(below)
        held(room, docs, COUNT)
        subprocess.run(["umount", str(below)], check=True)
        subprocess.run(["mount", "--bind", str(base / "spare"), str(below)], check=True)
        held(room, docs, 0)
        subprocess.run(["mount", "--rbind", str(docs), str(base / "whole")], check=True)
        subprocess.run(["umount", "-R", str(docs)], check=True)
        held(room, docs, 2 * COUNT)
        held(room, docs, COUNT, "unter/")
        mount(docs)
        held(room, docs, 2 * COUNT)
        subprocess.run(["umount", str(docs)], check=True)
        subprocess.run(["mount", "--rbind", str(base / "whole"), str(docs)], check=True)
        held(room, docs, 0)
        (docs / "0.txt").unlink()
        assert sync(folder(docs), room.pipeline).removed == 1
        subprocess.run(["umount", "-R", str(docs)], check=True)
        assert sync(folder(docs), room.pipeline, confirm_removals=True).removed == 2 * COUNT - 1


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for name in ("spare", "whole", "probe"):
        (place / name).mkdir(parents=True)
    try:
        mount(place / "probe")
    except (OSError, subprocess.CalledProcessError):
        print("cannot mount")
    else:
        main(place)
        print("ok")
