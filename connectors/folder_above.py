"""The folders above a source's root: nothing tells of a change of their rights, so they are looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from connectors.folder_poll import FolderPoll
from connectors.folder_rights import FolderRights
from rag.ports import Watching

LOOK_S = 10.0


class WatchingAbove:
    """Gives the hints of another, and one for the whole source when somebody's way to the root was opened or closed."""

    def __init__(
        self, inner: Watching, rights: Callable[[], FolderRights], changed: Callable[[str], None], *, look_s: float
    ) -> None:
        self._inner, self._rights, self._changed = inner, rights, changed
        self._seen = self._above()
        self._thread = FolderPoll(self._look, look_s)

    @property
    def mode(self) -> Literal["events", "polling"]:
        """How the other one is told."""
        return self._inner.mode

    def close(self) -> None:
        """Nothing is told after this."""
        self._thread.close()
        self._inner.close()

    def _look(self, _: str) -> None:
        above = self._above()
        if above != self._seen:
            self._seen = above
            self._changed("")

    def _above(self) -> list[object]:
        """What says who may pass, of each folder above the root."""
        return [_rights_of(path) for path in list(self._rights().ancestors())[:-1]]


def _rights_of(path: bytes) -> object:
    try:
        status = os.lstat(path)
    except OSError as error:
        return error.errno
    try:
        acl = os.getxattr(path, "system.posix_acl_access", follow_symlinks=False)
    except OSError:
        acl = b""
    return status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid, acl
