"""A tree of files with random owners, modes and access control lists, and what `access(2)` says of them to users.

Only root can make it: files are given away, and a child becomes each user in turn.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from connectors.accounts import Accounts
from connectors.folder import Folder
from rag.access import NOBODY, Acl, Confidentiality, Principal
from rag.documents import Listing

UIDS, GIDS = range(20001, 20009), range(30001, 30008)
_CHILD = """
import json, os, sys
told = json.load(sys.stdin)
for user in told["users"]:
    reading, writing = os.pipe()
    if not os.fork():
        os.setgroups(user["groups"]); os.setresgid(*[user["gid"]] * 3); os.setresuid(*[user["uid"]] * 3)
        may = "".join("01"[os.access(path.encode("utf-8", "surrogateescape"), os.R_OK)] for path in told["paths"])
        os.write(writing, may.encode()); os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        print(answer.read(), flush=True)
    os.wait()
"""


class Numbered(Accounts):
    """Every number has a name."""

    def user_name(self, number: int) -> str | None:
        return f"u{number}"

    def group_name(self, number: int) -> str | None:
        return f"g{number}"


@dataclass(frozen=True)
class Somebody:
    """A user as the kernel knows one."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def principal(self) -> Principal:
        return Principal(user=f"u{self.uid}", groups=frozenset(f"g{gid}" for gid in (self.gid, *self.groups)))


def somebody(chance: random.Random) -> Somebody:
    return Somebody(chance.choice(UIDS), chance.choice(GIDS), tuple(chance.sample(GIDS, chance.randint(0, 4))))


def acl_bytes(entries: list[tuple[int, int, int]]) -> bytes:
    """``system.posix_acl_access``: entries of (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))


NO_ID = 0xFFFFFFFF
OWNER, USER, OWN_GROUP, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


def _any_acl(chance: random.Random, perms: list[int]) -> bytes:
    def perm() -> int:
        return chance.choice(perms)

    entries = [(OWNER, perm(), NO_ID), (OWN_GROUP, perm(), NO_ID), (MASK, perm(), NO_ID), (OTHER, perm(), NO_ID)]
    entries += [(USER, perm(), uid) for uid in chance.sample(UIDS, chance.randint(0, 3))]
    entries += [(GROUP, perm(), gid) for gid in chance.sample(GIDS, chance.randint(0, 3))]
    return acl_bytes(entries)


def _dress(path: Path, chance: random.Random, perms: list[int]) -> None:
    os.chown(path, chance.choice(UIDS), chance.choice(GIDS))
    path.chmod(chance.choice(perms) << 6 | chance.choice(perms) << 3 | chance.choice(perms))
    if chance.random() < 0.6:
        os.setxattr(path, "system.posix_acl_access", _any_acl(chance, perms))
        if chance.random() < 0.2:  # with a list, the middle digit is its mask
            path.chmod(chance.choice(perms) << 6 | chance.choice(perms) << 3 | chance.choice(perms))


_FILES = [0, 2, 4, 4, 6, 7]
_FOLDERS = [0, 5, 1, 7, 7, 5, 7]


def grown(base: Path, chance: random.Random, *, files: int) -> Path:
    """A root with files at several depths, below folders that are as random; gives the root."""
    above = base / "above"
    root = above / "root"
    folders = [root, root / "a", root / "a" / "b", root / "ü c"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        path = folders[number % len(folders)] / f"{number}.txt"
        path.write_text(f"Akte {number}")
        _dress(path, chance, _FILES)
    for folder in (*reversed(folders), above):
        _dress(folder, chance, _FOLDERS)
    return root


def folder(root: Path, accounts: Accounts | None = None) -> Folder:
    return Folder(
        name="docs",
        root=root,
        acl=NOBODY,
        confidentiality=Confidentiality.INTERNAL,
        from_filesystem=True,
        accounts=accounts or Numbered(),
    )


def rights(root: Path) -> dict[str, Acl]:
    """Path → what we take its rights for."""
    found = [entry for entry in folder(root).listings() if isinstance(entry, Listing)]
    return {f"{root}/{entry.id.split(':', 1)[1]}": entry.acl for entry in found}


def allowed(users: list[Somebody], paths: list[str]) -> list[list[bool]]:
    """What access(2) says: a row a user, a column a path."""
    told = {"users": [vars(user) for user in users], "paths": paths}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], input=json.dumps(told), capture_output=True, text=True, check=True
    )
    return [[letter == "1" for letter in line] for line in done.stdout.splitlines()]
