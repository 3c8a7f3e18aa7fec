"""What stands at a source's root: a share that dropped leaves an empty folder behind that is another folder."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.mounts import mounts_below


def identities(root: Path) -> dict[str, str]:
    """Path below the root, "" for the root itself, else ending in ``/`` → device, inode and file-system id of what
    is mounted there now.

    Raises:
        OSError: the root is not there.
    """
    found = {"": _identity(root)}
    base = os.path.realpath(os.fsencode(root))
    for mount in mounts_below(root):
        if mount.point != base:
            place = os.fsdecode(os.path.relpath(mount.point, base)) + "/"
            try:
                found[place] = _identity(Path(os.fsdecode(mount.point)))
            except OSError:  # mounted, but it does not answer: not the identity it had
                found[place] = "?"
    return found


def _identity(path: Path) -> str:
    status, system = path.stat(), os.statvfs(path)
    return f"{status.st_dev}:{status.st_ino}:{system.f_fsid}"
