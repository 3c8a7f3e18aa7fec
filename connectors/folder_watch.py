"""How a folder is watched: by events where the operating system raises them, by polling where it does not."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Literal

from connectors.folder_events import Changed, FolderEvents, WatchLimit, scope_of
from connectors.folder_poll import FolderPoll
from connectors.mounts import MOUNTINFO, mounts_below, network_file_system
from rag.errors import SourceUnavailable

_log = logging.getLogger(__name__)
_PATIENCE_S = 60.0


def watch_folder(
    root: Path, changed: Changed, *, poll_s: float, look_s: float = 1.0, mountinfo: Path = MOUNTINFO
) -> Watching:
    """Have `changed` called for changes below the root from now on: at once where the system tells of them, every
    `poll_s` where it does not. What changed before is for the caller to find."""
    return Watching(root, changed, poll_s=poll_s, look_s=look_s, mountinfo=mountinfo)


class Watching:
    """Listens, or polls and gives the `reason`: on network file systems, beyond the system's limit of watches, and
    while the root cannot be watched.

    Looks every `look_s` whether the root is still the same folder and what is mounted below it, of which no event
    tells, and begins anew where it is not.
    """

    def __init__(self, root: Path, changed: Changed, *, poll_s: float, look_s: float, mountinfo: Path) -> None:
        self.mode: Literal["events", "polling"] = "polling"
        self.reason = ""
        self._root, self._changed, self._poll_s, self._mountinfo = root, changed, poll_s, mountinfo
        self._lock = threading.Lock()
        self._events: FolderEvents | None = None
        self._polled: tuple[str, ...] = ()
        self._settled = self._closed = False
        self._begin()
        self._threads = FolderPoll(self._look, look_s), FolderPoll(self._poll, poll_s)

    def close(self) -> None:
        """Nothing is told after this."""
        for thread in self._threads:
            thread.close()
        with self._lock:
            self._closed = True
            self._let_go()

    def _poll(self, _: str) -> None:
        for scope in self._polled:
            self._changed(scope)

    def _look(self, _: str) -> None:
        with self._lock:
            if self._settled or self._closed:
                return
            failure = self._events.failure if self._events else None
            if isinstance(failure, WatchLimit):
                self._fall_back(failure)
            elif self._is_another(self._standing()):
                self._begin()
            else:
                return
        self._changed("")

    def _is_another(self, standing: tuple[object, object] | None) -> bool:
        """Whether to begin anew: at once with another root, else not more often than once a minute."""
        if standing is None or self._seen is None or standing[0] != self._seen[0]:
            return standing != self._seen
        lost = self._events is None or self._events.failure is not None
        return (lost or standing != self._seen) and time.monotonic() >= self._begun + _PATIENCE_S

    def _begin(self) -> None:
        self._let_go()
        self._seen, self._begun = self._standing(), time.monotonic()
        if kind := network_file_system(self._root, mountinfo=self._mountinfo):
            self._settled = True  # a share that hangs is not asked once a second
            self._poll_because(f"{self._root} lies on a network file system ({kind}), which raises no events.")
            return
        try:
            self._events = FolderEvents(self._root, self._changed)
        except WatchLimit as limit:
            self._fall_back(limit)
        except SourceUnavailable as error:
            self._poll_because(str(error), level=logging.WARNING)
        else:
            self._listen()

    def _listen(self) -> None:
        base = os.path.realpath(os.fsencode(self._root))
        shared = {
            scope: mount.kind
            for mount in mounts_below(self._root, mountinfo=self._mountinfo)
            if mount.is_shared and (scope := scope_of(base, mount.point, is_folder=True))
        }
        self.mode, self._polled = "events", tuple(shared)
        which = ", ".join(f"{scope} ({kind})" for scope, kind in shared.items())
        reason = f"Network file systems below it are polled every {self._poll_s:g} s: {which}." if which else ""
        self._say(reason or f"{self._root} is watched.", logging.INFO, reason=reason)

    def _fall_back(self, limit: WatchLimit) -> None:
        self._settled = True  # to try again would take from others the watches that are left
        self._let_go()
        self._poll_because(str(limit), level=logging.WARNING)

    def _poll_because(self, reason: str, *, level: int = logging.INFO) -> None:
        self.mode, self._polled = "polling", ("",)
        reason = f"{reason} It is compared every {self._poll_s:g} s instead."
        self._say(reason, level, reason=reason)

    def _say(self, sentence: str, level: int, *, reason: str) -> None:
        if sentence != self.reason:
            _log.log(level, sentence, extra={"action": f"watched_by_{self.mode}", "folder": str(self._root)})
        self.reason = reason

    def _let_go(self) -> None:
        if self._events is not None:
            self._events.close()
        self._events = None

    def _standing(self) -> tuple[object, object] | None:
        """Which folder is the root now, and what is mounted below it; None: nothing is there."""
        try:
            status = self._root.stat()
        except OSError:
            return None
        return (status.st_dev, status.st_ino), mounts_below(self._root, mountinfo=self._mountinfo)
