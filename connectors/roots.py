"""What stands at a source's root: a share that dropped leaves an empty folder behind that is another folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")


def identities(root: Path) -> dict[str, str]:
    """Path below the root, "" for the root itself, else ending in ``/`` → device, inode and file-system id of what
    is mounted there now.

    Raises:
        OSError: the root is not there.
    """
    found = {"": _identity(root)}
    base = os.fsencode(os.path.realpath(root))
    for point in _mount_points():
        if point.startswith(base.rstrip(b"/") + b"/"):
            below = os.path.relpath(point, base)
            try:
                found[os.fsdecode(below) + "/"] = _identity(Path(os.fsdecode(point)))
            except OSError:  # mounted, but it does not answer: not the identity it had
                found[os.fsdecode(below) + "/"] = "?"
    return found


def _identity(path: Path) -> str:
    status, system = path.stat(), os.statvfs(path)
    return f"{status.st_dev}:{status.st_ino}:{system.f_fsid}"


def _mount_points() -> Iterator[bytes]:
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        yield _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), line.split(b" ")[4])
