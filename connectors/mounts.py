"""What kind of file system a folder lies on: from some, nobody tells of what other machines change."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_SHARED = frozenset(
    "9p afs autofs beegfs ceph cifs coda drvfs fakeowner fuse gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 "
    "orangefs osxfs panfs prl_fs pvfs2 smb3 smbfs vboxsf virtiofs vmhgfs".split()
)  # not fuseblk: NTFS and exFAT disks of this machine


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    number: int
    parent: int
    point: bytes
    kind: str
    options: frozenset[str] = frozenset()

    @property
    def is_shared(self) -> bool:
        """Whether others may change what is on it without this machine's kernel seeing it."""
        return self.kind in _SHARED or self.kind.startswith("fuse.")


def mount_of(path: bytes, mounts: Sequence[Mount]) -> Mount | None:
    """The mount a path without links in it lies on."""
    return _holding(path, mounts)


def all_mounts(mountinfo: Path = MOUNTINFO) -> list[Mount]:
    """Everything mounted now; empty where the platform does not tell."""
    return _mounts(mountinfo)


def network_file_system(path: str | os.PathLike[str], *, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type ("nfs4", "cifs", "fuse.sshfs", "9p", …) of the file system a path lies on if changes made by other
    machines raise no events here; None: it is local, or the platform does not tell."""
    mounts = _mounts(mountinfo)
    mount = _holding(os.path.realpath(os.fsencode(path)), mounts)
    return mount.kind if mount is not None and mount.is_shared else None


def mounts_below(path: str | os.PathLike[str], *, mountinfo: Path = MOUNTINFO) -> tuple[Mount, ...]:
    """What is mounted on the folder or anywhere below it, in order of mounting number."""
    mounts, base = _mounts(mountinfo), os.path.realpath(os.fsencode(path))
    found = (mount for mount in mounts if _within(mount.point, base) and _holding(mount.point, mounts) == mount)
    return tuple(sorted(found, key=lambda mount: mount.number))


def _mounts(mountinfo: Path) -> list[Mount]:
    try:
        lines = mountinfo.read_bytes().splitlines()
    except OSError:  # not Linux
        return []
    return [_mount(line) for line in lines]


def _mount(line: bytes) -> Mount:
    """``36 35 98:0 /its/root /point rw,noatime shared:1 - nfs4 server:/share rw``; see proc_pid_mountinfo(5)."""
    fields, _, system = line.partition(b" - ")
    number, parent, _, _, point, own, *_ = fields.split(b" ")
    kind, _, shared, *_ = (*(os.fsdecode(_plain(word)) for word in system.split(b" ")), "", "")
    options = frozenset(f"{os.fsdecode(own)},{shared}".split(","))
    return Mount(int(number), int(parent), _plain(point), kind, options)


def _plain(text: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), text)


def _holding(path: bytes, mounts: Sequence[Mount]) -> Mount | None:
    """The mount a path is on, found as the kernel does: from the root down, at each step into what is mounted there.
    The longest mount point alone would also find mounts that others were mounted over."""
    numbers = {mount.number for mount in mounts if mount.parent != mount.number}
    here, above = None, [mount for mount in mounts if mount.parent not in numbers]
    while near := [mount for mount in above if _within(path, mount.point)]:
        here = min(near, key=lambda mount: len(mount.point))
        above = [mount for mount in mounts if mount.parent == here.number and mount is not here]
    return here


def _within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")
