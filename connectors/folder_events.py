"""What the operating system says of a folder: hints where something changed, never the truth.

`connectors.folder_watch` is the door, which polls where nothing is said. The only importer of watchdog.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from watchdog import events as told
from watchdog.observers import Observer

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
_CHANGES = [  # neither opened nor closed unwritten: our own reading would be told, and fill the queue
    *(told.FileCreatedEvent, told.FileModifiedEvent, told.FileAttribEvent, told.FileClosedEvent),
    *(told.FileMovedEvent, told.FileDeletedEvent),
    *(told.DirCreatedEvent, told.DirAttribEvent, told.DirMovedEvent, told.DirDeletedEvent),
]


class WatchLimit(SourceUnavailable):
    """The operating system watches no more folders."""


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
        return scope_of(self._base, path, is_folder=is_folder)

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


def scope_of(base: bytes, path: bytes, *, is_folder: bool) -> str | None:
    """The scope of a path at or below the root `base`; None: no document lies there."""
    below = path[len(base) :].lstrip(b"/")
    if any(map(no_document, os.fsdecode(below).split("/"))):
        return None
    return readable(below + b"/" if is_folder and below else below)
