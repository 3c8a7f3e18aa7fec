"""What the operating system says of a folder: a hint that something changed, never the truth.

The only importer of watchdog.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from rag.errors import SourceUnavailable

_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})


class FolderEvents:
    """Calls `changed` whenever something below the root was written, moved or removed."""

    def __init__(self, root: Path, changed: Callable[[], None]) -> None:
        self._observer = Observer()
        try:
            self._observer.schedule(_Handler(changed), str(root), recursive=True)
            self._observer.start()
        except OSError as error:
            raise SourceUnavailable(f"The folder {root} cannot be watched: {error.strerror}.") from error

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        if self._observer.is_alive() and threading.current_thread() is not self._observer:
            self._observer.join()


class _Handler(FileSystemEventHandler):  # type: ignore[misc]  # watchdog comes without types here
    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _CHANGES:
            self._changed()
