"""Calls into a library that waits for a locked SQLite file for a thousand seconds, kept from waiting with it.

Chroma's Rust core sets SQLite's `busy_timeout` to 1,000 s, out of reach. So each call is made in a thread of its own,
and the kernel is asked who holds the file: slow work is waited for, a stranger's lock is not.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, Generic, TypeVar

from rag.errors import StoreError

T = TypeVar("T")

_LIMIT_S = 5.0
_LOOK_S = 0.1
_PENDING_BYTE, _LOCK_BYTES = 0x40000000, 512  # where SQLite locks: https://www.sqlite.org/src/file/src/os.h


class Deadline:
    """Guards calls that use one SQLite file. Safe to use from several threads."""

    def __init__(self, file: Path, *, limit_s: float = _LIMIT_S) -> None:
        self._path, self._limit_s = file, limit_s
        self._file: int | None = None
        self._stuck: threading.Event | None = None
        self._waited_for = 0

    def run(self, work: Callable[[], T], *, writing: bool) -> T:
        """What `work` gives or raises.

        Raises:
            StoreError: another process has held the file for `limit_s`. `work` may still be done once it lets go;
                until then every other call is refused at once, so that nothing overtakes it.
        """
        stuck = self._stuck
        if stuck is not None and not stuck.is_set():
            raise self._locked(self._holder(writing=writing))
        self._wait(writing)
        call = _Call(work)
        threading.Thread(target=copy_context().run, args=(call.run,), name="index", daemon=True).start()
        since: float | None = None
        while not call.done.wait(_LOOK_S):
            holder = self._holder(writing=writing)
            since = (since or time.monotonic()) if holder else None
            if since is not None and time.monotonic() - since > self._limit_s:
                self._stuck = call.done
                raise self._locked(holder)
        return call.result()

    @property
    def stuck(self) -> bool:
        """Whether a call is still waiting for the file."""
        return self._stuck is not None and not self._stuck.is_set()

    def close(self) -> None:
        """Let go of the file, after whoever else in this process has: closing it drops the locks of all of them."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _wait(self, writing: bool) -> None:
        until = time.monotonic() + self._limit_s
        while holder := self._holder(writing=writing):
            if holder == self._waited_for or time.monotonic() > until:
                self._waited_for = holder  # once is enough: the next call is told at once
                raise self._locked(holder)
            time.sleep(_LOOK_S / 2)
        self._waited_for = 0

    def _holder(self, *, writing: bool) -> int:
        """The pid of another process whose lock stands in the way, 0 where there is none, or none can be told."""
        if sys.platform != "linux":
            return 0
        if self._file is None:
            with suppress(OSError):
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        if self._file is None:
            return 0
        kind = fcntl.F_WRLCK if writing else fcntl.F_RDLCK
        asked = struct.pack("@hhqqi", kind, os.SEEK_SET, _PENDING_BYTE, _LOCK_BYTES, 0)
        try:
            found = struct.unpack("@hhqqi", fcntl.fcntl(self._file, fcntl.F_GETLK, asked)[: len(asked)])
        except OSError:
            return 0
        return int(found[4]) if found[0] != fcntl.F_UNLCK else 0

    def _locked(self, holder: int) -> StoreError:
        who = f" (pid {holder})" if holder else ""
        return StoreError(
            f"The vector index is locked: another process{who} has {self._path} open for writing. End it; nothing but "
            f"Archivar may open it."
        )


class _Call(Generic[T]):
    """One call and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # a panic of the Rust core is no Exception; the caller gets it either way
            self._error = error
        self.done.set()

    def result(self) -> T:
        if self._error is None:
            found: T = self._result
            return found
        if isinstance(self._error, Exception):
            raise self._error
        raise RuntimeError(str(self._error)) from self._error
