"""What the operating system says of a folder: hints where something changed, never the truth.

`watch_folder` is the door: it listens to events, and polls where there are none. The only importer of watchdog.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from watchdog import events as told
from watchdog.observers import Observer

from connectors.folder_poll import FolderPoll
from connectors.mounts import MOUNTINFO, mounts_below, network_file_system
from connectors.names import no_document, readable
from rag.errors import SourceUnavailable

if sys.platform == "linux":
    from watchdog.observers.api import BaseObserver
    from watchdog.observers.inotify import InotifyEmitter
    from watchdog.observers.inotify_c import InotifyFD
else:
    InotifyFD = object

Changed: TypeAlias = Callable[[str], None]
"""Takes a scope, a path below the root as in a document's id: ``hr/leave.pdf`` is what stands there, ``hr/`` a folder
with everything below, ``""`` the whole source. Called from several threads; must not wait for anything."""

_log = logging.getLogger(__name__)
_LIMITS = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}
_PATIENCE_S = 60.0
_CHANGES = [  # neither opened nor closed unwritten: our own reading would be told, and fill the queue
    *(told.FileCreatedEvent, told.FileModifiedEvent, told.FileAttribEvent, told.FileClosedEvent),
    *(told.FileMovedEvent, told.FileDeletedEvent),
    *(told.DirCreatedEvent, told.DirAttribEvent, told.DirMovedEvent, told.DirDeletedEvent),
]


class WatchLimit(SourceUnavailable):
    """The operating system watches no more folders."""


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
            if mount.is_shared and (scope := _scope(base, mount.point, is_folder=True))
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


class FolderEvents:
    """Calls `changed` with the scope of each change below the root: of a file, or of a folder that was made, moved,
    removed or given other rights; for what was moved, with both ends. Of what `no_document` names nothing is told.

    `failure` is None as long as events come. Close it from any thread.
    """

    def __init__(self, root: Path, changed: Changed) -> None:
        """
        Raises:
            WatchLimit: not every folder below the root can be watched.
            SourceUnavailable: the root is no folder, or cannot be watched.
        """
        self.failure: SourceUnavailable | None = None
        self._root, self._changed = root, changed
        self._base = os.path.realpath(os.fsencode(root))  # a link itself would be watched, not where it leads
        self._observer: Any = None
        self._inotify: _Inotify | None = None
        try:
            if not root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "it is not there, or is no folder")
            self._observer = self._observe()
            self._observer.schedule(_Handler(self), os.fsdecode(self._base), recursive=True, event_filter=_CHANGES)
            self._observer.start()
        except OSError as error:
            self.fail(error)
        if self.failure is not None:
            self.close()
            raise self.failure

    def close(self) -> None:
        """Stop watching."""
        for thread in (self._observer, self._inotify):
            if thread is not None and thread.is_alive():
                thread.stop()
                if threading.current_thread() is not thread:
                    thread.join()

    def scope(self, path: bytes, *, is_folder: bool) -> str | None:
        """The scope of a path at or below the root; None: no document lies there."""
        return _scope(self._base, path, is_folder=is_folder)

    def tell(self, event: Any) -> None:
        """Pass on what changed, of an event of watchdog."""
        if event.is_synthetic:  # in a folder that was moved or made, and is told of itself
            return
        source, target = os.fsencode(event.src_path), os.fsencode(event.dest_path)
        for path in (source, target) if target else (source,):
            if (scope := self.scope(path, is_folder=event.is_directory)) is not None:
                self._changed(scope)
        if event.event_type == "deleted" and source == self._base:
            self.fail(FileNotFoundError(errno.ENOENT, "it was removed"))
        elif event.event_type == "attrib" and self._inotify is not None and source in self._inotify.refused:
            self.fail(PermissionError(errno.EACCES, "the rights of a folder below it changed"))

    def overflowed(self) -> None:
        """Changes were lost."""
        _log.warning(
            "More changed at once below a folder than the system could tell; all of it is compared again",
            extra={"action": "events_lost", "folder": str(self._root)},
        )
        self._changed("")

    def fail(self, error: Exception) -> None:
        """No event can be relied on any more."""
        if self.failure is not None:
            return
        which = error.errno if isinstance(error, OSError) else None
        if which in _LIMITS:
            name = _LIMITS[which]
            self.failure = WatchLimit(
                f"The system watches no more folders than fs.inotify.{name} allows, too few for {self._root}. Allow "
                f"more, for example `sysctl fs.inotify.{name}={1 << 20 if which == errno.ENOSPC else 1024}`, for good "
                f"in /etc/sysctl.d, and start again."
            )
        else:
            why = error.strerror if isinstance(error, OSError) else repr(error)
            self.failure = SourceUnavailable(f"The folder {self._root} cannot be watched: {why}.")
        self.failure.__cause__ = error

    def _observe(self) -> Any:
        if sys.platform != "linux":
            return Observer()
        self._inotify = _Inotify(self)
        self._inotify.start()
        return BaseObserver(InotifyEmitter, inotify_fd=self._inotify)


class _Handler(told.FileSystemEventHandler):  # type: ignore[misc]  # watchdog comes without types here
    def __init__(self, events: FolderEvents) -> None:
        self._events = events

    def on_any_event(self, event: Any) -> None:
        try:
            self._events.tell(event)
        except Exception:  # the thread must live on
            _log.exception("A change could not be told", extra={"action": "event_failed"})


class _Inotify(InotifyFD):  # type: ignore[misc]
    """Tells what watchdog 7.1 keeps to itself: that the queue ran over, that a folder could not be watched (it passes
    over each but the root), and that its own thread failed (it ends it)."""

    def __init__(self, events: FolderEvents) -> None:
        super().__init__()
        self._events = events
        self.refused: set[bytes] = set()

    def add_callback(self, path: bytes, mask: Any, callback: Any, id_: Any) -> Any:
        if isinstance(self._events.failure, WatchLimit) or self._events.scope(path, is_folder=True) is None:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        try:
            number = super().add_callback(path, mask, callback, id_)
        except OSError as error:
            if error.errno in _LIMITS:
                self._events.fail(error)
            raise
        if number == -1:  # no permission, which watchdog takes for a watch
            self.refused.add(path)
            self.remove_callbacks([(number, id_)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return number

    def handle_event(self, event: Any) -> None:
        try:
            super().handle_event(event)
        except Exception as error:  # of its bookkeeping; what it watches is no longer known
            self._events.fail(error)
        if event.is_queue_overflow:
            self._events.overflowed()


def _scope(base: bytes, path: bytes, *, is_folder: bool) -> str | None:
    """The scope of a path at or below the root `base`; None: no document lies there."""
    below = path[len(base) :].lstrip(b"/")
    if any(map(no_document, os.fsdecode(below).split("/"))):
        return None
    return readable(below + b"/" if is_folder and below else below)
