"""`from-filesystem` is what `access(2)` says to each person, and nobody where that cannot be told."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.accounts import Accounts
from connectors.folder_rights import FolderRights
from connectors.rules import Rule
from rag.access import EVERYONE, NOBODY, Acl, Principal, Token
from rag.documents import Listing
from rag.store.rows import acl_of, rights_text
from tests.connectors.kernel import Numbered, allowed, folder, grown, rights, somebody
from tests.faults.seeds import chosen

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and become other users")


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder everybody may pass through, up to the top; those of pytest are closed."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@as_root
def test_it_is_what_the_kernel_says_for_10_000_random_users_and_files(base: Path) -> None:
    chance = chosen("rights from the file system")
    users = [somebody(chance) for _ in range(25)]
    pairs = admitted = 0
    different = []
    for number in range(8):
        place = base / str(number)
        place.mkdir(mode=0o755)
        found = rights(grown(place, chance, files=50))
        assert len(found) == 50
        paths = list(found)
        for user, row in zip(users, allowed(users, paths), strict=True):
            for path, may in zip(paths, row, strict=True):
                acl = acl_of(rights_text(found[path]))
                pairs, admitted = pairs + 1, admitted + may
                if acl != found[path] or acl.admits(user.principal) is not may:
                    different.append((user, path, may, found[path]))
    assert pairs == 10_000
    assert not different, different[:3]
    assert 0.02 < admitted / pairs < 0.9
    print(f"{pairs} pairs, {admitted} may read, 0 differences")


@as_root
def test_root_is_no_reader_unless_its_rights_say_so(base: Path) -> None:
    (base / "a.txt").write_text("a")
    os.chown(base / "a.txt", 20001, 30001)
    (base / "a.txt").chmod(0o640)
    root = Principal(user="root", groups=frozenset({"root"}))
    assert not rights(base)[f"{base}/a.txt"].admits(root)
    os.chown(base / "a.txt", 0, 30001)
    assert rights(base)[f"{base}/a.txt"].admits(Principal(user="u0"))


@as_root
def test_names_come_from_the_system_and_the_number_of_strangers_is_nobody(base: Path) -> None:
    (base / "a.txt").write_text("a")
    (base / "a.txt").chmod(0o440)
    found = {entry.acl for entry in folder(base, Accounts()).listings() if isinstance(entry, Listing)}
    assert found == {Acl(readers=frozenset({Token("user:root"), Token("group:root")}))}
    os.chown(base / "a.txt", 65534, 65534)
    assert {entry.acl for entry in folder(base, Accounts()).listings() if isinstance(entry, Listing)} == {NOBODY}


MOUNT = "21 1 {dev} / / rw - {kind} /dev/vda rw{options}\n"


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("ext4", "", ""),
        ("nfs", ",vers=3", ""),
        ("nfs", ",vers=3,noacl", "noacl"),
        ("cifs", ",uid=1000,noperm", "security descriptor"),
        ("vfat", ",uid=1000", "made up by the mount (vfat)"),
        ("ntfs3", "", "made up"),
        ("9p", "", "made up"),
        ("fuseblk", "", "made up"),
        ("fuse.sshfs", ",default_permissions", "made up"),
        ("fuse.gocryptfs", ",default_permissions", ""),
        ("fuse.gocryptfs", "", "default_permissions"),
        ("something-new", "", "made up"),
    ],
)
def test_where_a_mount_makes_up_rights_it_is_nobody_and_told(base: Path, kind: str, options: str, told: str) -> None:
    (base / "a.txt").write_text("a")
    (base / "a.txt").chmod(0o444)
    mountinfo = base.with_suffix(".mounts")
    mountinfo.write_text(MOUNT.format(dev="254:1", kind=kind, options=options))
    source = folder(base)
    looked = FolderRights(base, source.ruling, accounts=Numbered(), opened=source._open_folder, mountinfo=mountinfo)
    found = [entry.acl for entry in source.listed(looked) if isinstance(entry, Listing)]
    mountinfo.unlink()
    assert found == [NOBODY if told else Acl(readers=frozenset({EVERYONE}))]
    assert (told in " ".join(looked.problems)) and bool(looked.problems) is bool(told)
    assert all("rag.toml" in problem or "descriptor" in problem for problem in looked.problems)


def test_without_a_table_of_mounts_it_is_nobody(base: Path) -> None:
    (base / "a.txt").write_text("a")
    source = folder(base)
    nowhere = base / "none"
    looked = FolderRights(base, source.ruling, accounts=Numbered(), opened=source._open_folder, mountinfo=nowhere)
    assert [entry.acl for entry in source.listed(looked) if isinstance(entry, Listing)] == [NOBODY]


def test_a_file_below_a_folder_that_cannot_be_looked_at_is_nobodys(base: Path) -> None:
    (base / "a" / "b").mkdir(parents=True)
    (base / "a" / "b" / "c.txt").write_text("c")
    source = folder(base)

    def opened(names: Sequence[bytes]) -> int:
        if list(names) == [b"a"]:
            raise PermissionError(errno.EACCES, "Permission denied")
        return source._open_folder(names)

    looked = FolderRights(base, source.ruling, accounts=Numbered(), opened=opened)
    found = [entry.acl for entry in source.listed(looked, ["a/b/c.txt"]) if isinstance(entry, Listing)]
    assert found == [NOBODY]
    assert looked.problems == {"it cannot be looked at: Permission denied": f"{base}/a"}


def test_one_file_listed_alone_has_the_rights_it_has_in_a_full_listing(base: Path) -> None:
    (base / "a" / "b").mkdir(parents=True)
    (base / "a").chmod(0o711)
    (base / "a" / "b").chmod(0o750)
    (base / "a" / "b" / "c.txt").write_text("c")
    source = folder(base)
    whole = [entry.acl for entry in source.listings() if isinstance(entry, Listing)]
    for scope in ("a/b/c.txt", "a/b/", "a/"):
        assert [entry.acl for entry in source.listings([scope]) if isinstance(entry, Listing)] == whole
    assert whole[0].readers == {"user:u0", "group:g0"} or os.geteuid() != 0


def test_rules_by_path_and_the_file_system_go_together_and_deny_wins(base: Path) -> None:
    (base / "hr").mkdir()
    for name in ("a.txt", "hr/b.txt"):
        (base / name).write_text("x")
        (base / name).chmod(0o644)
    rules = (Rule(path="hr/", denied=frozenset({Token("user:x")})),)
    source = replace(folder(base), rules=rules)
    found = [entry.acl for entry in source.listings() if isinstance(entry, Listing)]
    assert found == [
        Acl(readers=frozenset({EVERYONE})),
        Acl(readers=frozenset({EVERYONE}), denied=frozenset({Token("user:x")})),
    ]
