"""What the rights that a mounted file system shows are worth: whose they are, or why they are nobody's.

Named are those that are known to keep real rights; of any other, nothing is believed.
"""

from __future__ import annotations

from enum import StrEnum

from connectors.mounts import Mount


class Style(StrEnum):
    """How rights are written there."""

    POSIX = "posix"
    ZFS = "zfs"
    NFS4 = "nfs4"
    NT = "nt"


_OWN = frozenset(
    "bcachefs btrfs ceph erofs ext2 ext3 ext4 f2fs gfs2 jfs lustre nilfs2 ocfs2 overlay ramfs reiserfs squashfs tmpfs "
    "ubifs xfs".split()
)
_PASSED_THROUGH = frozenset("fuse.ceph-fuse fuse.fuse-overlayfs fuse.glusterfs fuse.gocryptfs fuse.mergerfs".split())
_READERS = 'Name `readers` for it in rag.toml instead of "from-filesystem".'


def style_of(mount: Mount | None) -> tuple[Style | None, str]:
    """How rights are written on a mount; None with the reason, and what to do, where they cannot be believed."""
    if mount is None:
        return None, f"which file system it lies on cannot be told on this system. {_READERS}"
    kind, options = mount.kind, mount.options
    if kind in ("cifs", "smb3"):
        return Style.NT, ""
    if kind == "nfs4" or (kind == "nfs" and any(option.startswith("vers=4") for option in options)):
        return Style.NFS4, ""
    if kind == "zfs":
        return Style.ZFS, ""
    if kind == "nfs" and "noacl" in options:
        return None, f"it is mounted with noacl, so that its lists are not seen. Mount it without noacl. {_READERS}"
    if kind in _OWN or kind == "nfs":
        return Style.POSIX, ""
    if kind in _PASSED_THROUGH:
        if "default_permissions" in options:
            return Style.POSIX, ""
        return None, f"{kind} is mounted without default_permissions: nothing checks its rights. {_READERS}"
    return None, f"its rights are made up by the mount ({kind}), one owner for all or nearly. {_READERS}"
