"""Hints where nothing tells of changes: look again every so often."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_LEAVE_S = 10.0


class FolderPoll:
    """Calls `changed` with ``""``, the whole source, every `every_s`, from a thread of its own, until closed.

    `wait` rests for so many seconds and tells whether that was the end of it; close() ends it by default.
    """

    def __init__(
        self, changed: Callable[[str], None], every_s: float, *, wait: Callable[[float], bool] | None = None
    ) -> None:
        self._changed, self._every_s = changed, every_s
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._thread = threading.Thread(target=self._run, name="folder poll", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No call begins after this; one that hangs is left behind after ten seconds."""
        self._closed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        while not self._wait(self._every_s) and not self._closed.is_set():
            try:
                self._changed("")
            except Exception:  # the next look must come
                _log.exception("A look at a folder failed; it is repeated", extra={"action": "poll_failed"})
