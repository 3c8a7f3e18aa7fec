"""Who may read which file of a folder: by rules, or as the file system itself says.

What the file system says is what `access(2)` would say to the person: reading the file, and passing through every
folder above it, up to the top of the file system. Where that cannot be read, or is made up by a mount, it is nobody.
Root is no exception: who is called root reads what its rights give to root.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from connectors.accounts import NO_PERSON, Accounts
from connectors.mount_rights import Style, style_of
from connectors.mounts import MOUNTINFO, all_mounts, mount_of
from connectors.names import readable, unreadable
from connectors.nfs4_rights import nfs4_entries
from connectors.nt_rights import nt_entries
from connectors.posix_rights import PASS, READ, Bit, Entry, Malformed, posix_entries
from connectors.rules import Rules, Ruling
from rag.access import NOBODY, Acl, Gate, gate, through

_NONE = (errno.ENODATA, errno.EOPNOTSUPP)
_MAPPED = {
    Style.NT: "Say under [identity.sids] in rag.toml who it is.",
    Style.NFS4: "Set identity.nfs4_domain in rag.toml, or create the account.",
}
_NT = ("system.cifs_ntsd_full", "system.cifs_ntsd", "system.cifs_acl")

OpenFolder = Callable[[Sequence[bytes]], int]
"""Gives a descriptor of the folder that these names lead to, below the root."""


class Unknown(Exception):
    """Rights that cannot be told: the message says why and what to do, and follows the name of a place."""


@dataclass(slots=True)
class _Place:
    """A folder: the gates on the way to the files in it, or why nobody comes there; what was found of its files."""

    gates: tuple[Gate, ...] = ()
    problem: str = ""
    acls: dict[tuple[object, ...], Acl] = field(default_factory=dict)


class FolderRights:
    """The rights below one root, as they are while it lives: what is read of a folder is read once. Make a new one for
    each listing. `asks`: some rule asks the file system. `problems` says why rights could not be told: reason → the
    first place where."""

    def __init__(
        self, root: Path, rules: Rules, *, accounts: Accounts, opened: OpenFolder, mountinfo: Path = MOUNTINFO
    ) -> None:
        self._rules, self._accounts, self._opened, self._mountinfo = rules, accounts, opened, mountinfo
        self.asks = rules.from_filesystem
        self._base = os.path.realpath(os.fsencode(root))
        self._places: dict[str, _Place] = {}
        self._styles: dict[int, tuple[Style | None, str]] = {}
        self._gates: dict[tuple[object, ...], Gate] = {}
        self._same: dict[Acl, Acl] = {}
        self._folder, self._ruling, self._place = "\0", rules.at(""), _Place()
        self._fixed, self._by_file = NOBODY, False
        self.problems: dict[str, str] = {}

    def of(self, folder: str, name: str, status: os.stat_result, here: int) -> Acl:
        """Who may read the file `name` of a folder ("" or ending in ``/``, as in ids) of which `here` is a descriptor;
        `status` is what `stat` says of the file itself."""
        if folder != self._folder:
            self._folder, self._ruling = folder, self._rules.at(folder)
            self._fixed = self._one(self._ruling.fixed)
            self._by_file = self._rules.naming_files(folder)
            self._place = self._at(folder, here) if self.asks else _Place()
        if not self._by_file and not self._ruling.from_filesystem:
            return self._fixed
        ruling = self._rules.at(folder + readable(os.fsencode(name))) if self._by_file else self._ruling
        if not ruling.from_filesystem:
            return self._one(ruling.fixed)
        return self._by_file_system(ruling, name, status, here)

    def entries(
        self, style: Style, bit: Bit, at: str, status: os.stat_result, *, follow: bool = False
    ) -> Sequence[Entry]:
        """The lines of one file's or folder's rights, in the order in which they count; `at` is a path to it.

        Raises:
            Unknown: they cannot be read, or are not of their form.
        """
        style, value = self._raw(style, at, follow=follow)
        return self._read(style, bit, value, status)

    def style(self, status: os.stat_result, path: bytes) -> Style:
        """How rights are written where a file or folder lies.

        Raises:
            Unknown: what stands there is made up, or cannot be told.
        """
        if status.st_dev not in self._styles:
            self._styles[status.st_dev] = style_of(mount_of(path, all_mounts(self._mountinfo)))
        style, problem = self._styles[status.st_dev]
        if style is None:
            raise Unknown(problem)
        return style

    def ancestors(self) -> Iterator[bytes]:
        """The folders above the root and the root itself, from the top."""
        parts = self._base.split(b"/")[1:]
        yield b"/"
        for depth in range(len(parts)):
            if parts[depth]:
                yield b"/" + b"/".join(parts[: depth + 1])

    # ---- files ----

    def _by_file_system(self, ruling: Ruling, name: str, status: os.stat_result, here: int) -> Acl:
        place = self._place
        if place.problem:
            return NOBODY
        path = b"/".join((self._base, unreadable(self._folder), os.fsencode(name)))
        at = f"/proc/self/fd/{here}/{name}"
        try:
            style = self.style(status, path)
            key, value = self._raw(style, at)
            known = (key, value, status.st_mode & 0o777, status.st_uid, status.st_gid, ruling.denied)
            if known not in place.acls:
                own = self._gate(key, value, READ, status)
                place.acls[known] = self._one(through([*place.gates, own], denied=ruling.denied))
            return place.acls[known]
        except Unknown as error:
            return self._nobody(error, os.fsdecode(path))

    def _one(self, acl: Acl) -> Acl:
        """The same rights as the same object, which is what makes a listing quick to compare."""
        return self._same.setdefault(acl, acl)

    def _nobody(self, error: Unknown, where: str) -> Acl:
        self.problems.setdefault(str(error), where)
        return NOBODY

    # ---- folders ----

    def _at(self, folder: str, here: int | None = None) -> _Place:
        """What is known of a folder; of those above it, where nothing is known yet, too."""
        names = folder.split("/")[:-1]
        for depth in range(len(names) + 1):
            path = "".join(f"{name}/" for name in names[:depth])
            if path not in self._places:
                above = self._places["".join(f"{name}/" for name in names[: depth - 1])] if depth else self._top()
                self._places[path] = self._below(above, path, here if path == folder else None)
        return self._places[folder]

    def _top(self) -> _Place:
        """The way to the root, without it."""
        place = _Place()
        for path in list(self.ancestors())[:-1]:
            if not place.problem:
                place = self._passed(place, path, partial(os.open, path, os.O_PATH | os.O_CLOEXEC))
        return place

    def _below(self, above: _Place, folder: str, here: int | None) -> _Place:
        """`folder` and the way to it; `here` is its descriptor, if there is one already."""
        if above.problem:
            return above
        path = b"/".join((self._base, unreadable(folder))).rstrip(b"/") or b"/"
        if here is not None:
            return self._passed(above, path, partial(os.dup, here))
        return self._passed(above, path, partial(self._opened, unreadable(folder).split(b"/")[:-1]))

    def _passed(self, above: _Place, path: bytes, opened: Callable[[], int]) -> _Place:
        try:
            here = opened()
        except OSError as error:
            return self._closed(Unknown(f"it cannot be looked at: {error.strerror}"), path)
        try:
            status = os.fstat(here)
            style = self.style(status, path)
            if style is Style.NT:  # Windows lets everybody pass through folders
                return above
            key, value = self._raw(style, f"/proc/self/fd/{here}", follow=True)
            own = self._gate(key, value, PASS, status)
        except OSError as error:
            return self._closed(Unknown(f"it cannot be looked at: {error.strerror}"), path)
        except Unknown as error:
            return self._closed(error, path)
        finally:
            os.close(here)
        return _Place(gates=above.gates if own in above.gates else (*above.gates, own))

    def _closed(self, error: Unknown, path: bytes) -> _Place:
        self._nobody(error, os.fsdecode(path))
        return _Place(problem=str(error))

    # ---- one object ----

    def _raw(self, style: Style, at: str, *, follow: bool = False) -> tuple[Style, bytes | None]:
        """How the rights of one object are written, and the list that it has beside its mode, if any."""
        if style is Style.NT:
            return style, _attribute(at, *_NT, follow=follow)
        if style is Style.NFS4:
            value = _attribute(at, "system.nfs4_acl", follow=follow)
            if value is not None:
                return style, value
        if style is Style.ZFS and _attribute(at, "system.nfs4_acl_xdr", follow=follow) is not None:
            raise Unknown("it has an NFSv4 list of a kind that is not understood (system.nfs4_acl_xdr)")
        return Style.POSIX, _attribute(at, "system.posix_acl_access", follow=follow)

    def _gate(self, style: Style, value: bytes | None, bit: Bit, status: os.stat_result) -> Gate:
        known = (style, value, bit, status.st_mode & 0o777, status.st_uid, status.st_gid)
        if known not in self._gates:
            entries = self._read(style, bit, value, status)
            for entry in entries:
                if entry.token is None and style is not Style.POSIX:
                    self.problems.setdefault(f"{entry.words} means nobody who is known here. {_MAPPED[style]}", "")
            self._gates[known] = gate(entry.step for entry in entries if entry.token != NO_PERSON)
        return self._gates[known]

    def _read(self, style: Style, bit: Bit, value: bytes | None, status: os.stat_result) -> Sequence[Entry]:
        accounts, owner, group = self._accounts, status.st_uid, status.st_gid
        try:
            if style is Style.NT:
                return nt_entries(value or b"", accounts=accounts)
            if style is Style.NFS4 and value is not None:
                own = accounts.user(owner), accounts.group(group)
                return nfs4_entries(bit, value, owner=own[0], group=own[1], accounts=accounts)
            return posix_entries(bit, mode=status.st_mode, owner=owner, group=group, acl=value, accounts=accounts)
        except Malformed as error:
            raise Unknown(f"it has {error}") from error


def _attribute(at: str, *names: str, follow: bool) -> bytes | None:
    """The first of these extended attributes that there is."""
    for name in names:
        try:
            return os.getxattr(at, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NONE:
                raise Unknown(f"its rights cannot be read ({name}): {error.strerror}") from error
    return None
