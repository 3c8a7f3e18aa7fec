from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.mounts import MOUNTINFO, mounts_below, network_file_system

MOUNTS = r"""
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:21 / /proc rw - proc proc rw
30 21 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 /share /mnt/share rw,noatime shared:2 master:3 - nfs4 server:/share rw,vers=4.2
32 30 0:42 / /mnt/two\040words\134 rw - cifs //server/two rw
33 31 0:43 / /mnt/share/local rw - xfs /dev/sdb rw
34 30 0:44 / /mnt/ssh rw - fuse.sshfs anna@host: rw
35 30 8:17 / /mnt/usb rw - fuseblk /dev/sdb1 rw
36 30 0:45 / /mnt/nine rw - 9p hostshare rw
37 30 0:46 / /mnt/auto rw - autofs systemd-1 rw
38 30 0:47 / /mnt/autohome rw - autofs systemd-1 rw
39 38 8:2 / /mnt/autohome rw - ext4 /dev/sda2 rw
40 21 0:48 / /hidden/below rw - nfs server:/below rw
41 21 0:49 / /hidden rw - ext4 /dev/sda3 rw
42 30 0:41 /share/hr /mnt/bound rw - nfs4 server:/share rw
43 30 0:50 / /mnt/docker rw - virtiofs host rw
""".strip()


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS + "\n")
    return file


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/home/docs", None),
        ("/mnt", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/hr/2024", "nfs4"),
        ("/mnt/shared", None),
        ("/mnt/share/local/hr", None),
        ("/mnt/two words\\/hr", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/usb", None),
        ("/mnt/nine/x", "9p"),
        ("/mnt/docker/x", "virtiofs"),
        ("/mnt/auto/not/yet/mounted", "autofs"),
        ("/mnt/autohome/anna", None),
        ("/mnt/bound", "nfs4"),
    ],
)
def test_it_tells_where_no_events_come_from_other_machines(mountinfo: Path, path: str, kind: str | None) -> None:
    assert network_file_system(path, mountinfo=mountinfo) == kind


def test_a_share_that_another_file_system_was_mounted_over_does_not_count(mountinfo: Path) -> None:
    assert network_file_system("/hidden/below/x", mountinfo=mountinfo) is None


def test_a_root_that_is_its_own_parent_ends_the_search(tmp_path: Path) -> None:
    (file := tmp_path / "mountinfo").write_text("1 1 0:2 / / rw - rootfs rootfs rw\n2 1 0:9 / /mnt rw - nfs s:/ rw\n")
    assert network_file_system("/home", mountinfo=file) is None
    assert network_file_system("/mnt/hr", mountinfo=file) == "nfs"


def test_a_link_is_followed_to_the_share_it_leads_to(mountinfo: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to("/mnt/share")
    assert network_file_system(tmp_path / "docs" / "hr", mountinfo=mountinfo) == "nfs4"


def test_without_proc_every_file_system_counts_as_local(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, mountinfo=tmp_path / "missing") is None
    assert mounts_below("/", mountinfo=tmp_path / "missing") == ()


def test_it_names_what_is_mounted_on_and_below_a_folder(mountinfo: Path) -> None:
    below = mounts_below("/mnt/share", mountinfo=mountinfo)
    assert [(mount.point, mount.kind, mount.is_shared) for mount in below] == [
        (b"/mnt/share", "nfs4", True),
        (b"/mnt/share/local", "xfs", False),
    ]
    assert [mount.kind for mount in mounts_below("/hidden", mountinfo=mountinfo)] == ["ext4"]


ASK_THE_KERNEL = """
import json, os, sys
from connectors.mounts import MOUNTINFO, _holding, _mounts
found = []
for path in sys.argv[1:]:
    handle = os.open(path, os.O_PATH)
    with open(f"/proc/self/fdinfo/{handle}") as file:
        kernel = next(int(line.split()[1]) for line in file if line.startswith("mnt_id"))
    found.append([path, kernel, _holding(os.path.realpath(os.fsencode(path)), _mounts(MOUNTINFO)).number])
print(json.dumps(found))
"""


@pytest.mark.skipif(not MOUNTINFO.exists(), reason="only Linux has /proc/self/mountinfo")
def test_it_finds_the_mount_that_the_kernel_names(tmp_path: Path) -> None:
    """With bind mounts, blanks in names, a mount over a mount and one over the folder that holds another."""
    room = tmp_path / "a room"
    for folder in ("one/below", "two", "three"):
        (room / folder).mkdir(parents=True)
    (room / "link").symlink_to("two")
    steps = """
        cd "$1" && mount -t tmpfs tmpfs one/below && mount --bind one/below two && mount -t tmpfs tmpfs two &&
        mount --bind three one && mount --make-private -t tmpfs tmpfs three && shift && exec "$@"
    """
    paths = ["/", "/proc", *(str(room / name) for name in (".", "one", "two", "link", "three"))]
    ask = [sys.executable, "-c", ASK_THE_KERNEL, *paths]
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", steps, "sh", str(room), *ask],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if run.returncode and not run.stdout:
        probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True)
        if probe.returncode:
            pytest.skip(f"this machine allows no user namespaces: {probe.stderr.strip()}")
    found = json.loads(run.stdout or pytest.fail(run.stderr))
    assert [(path, number) for path, number, _ in found] == [(path, number) for path, _, number in found]
    assert len({number for _, number, _ in found}) >= 5, "the mounts were made"
