"""One process owns the store. The lock is the kernel's, so it dies with its process; the file only names the pid."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rag.errors import StoreError, StoreOwned

_OURS_ALONE, _OTHERS = 0o700, 0o077
_PAUSE_S, _NAMED_S, _NAMELESS_S = 0.02, 0.1, 3.0
"""How long a lock is waited for whose holder is named and lives, or is not: `owner_pid` of another process has it for
an instant while it looks, and so has a child between its start and its program."""


class Ownership:
    """Exclusive use of a home directory, from `__init__` until `close`.

    Raises:
        StoreOwned: another live process has it; `pid` names it where it can be read.
        StoreError: the directory cannot be made or written, or others on this machine can read it.
    """

    def __init__(self, home: Path) -> None:
        try:
            home.mkdir(parents=True, exist_ok=True, mode=_OURS_ALONE)
            _refuse_if_others_read(home)
            self._file = os.open(home / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"The home directory {home} cannot be written: {error.strerror}.") from error
        try:
            _lock(self._file)
        except OSError as error:
            pid = _pid(os.pread(self._file, 32, 0))
            os.close(self._file)
            if error.errno != errno.EWOULDBLOCK:
                raise StoreError(
                    f"The home directory {home} cannot be locked: {error.strerror}. Use a directory on a local disk."
                ) from error
            raise StoreOwned(
                f"Another process owns the index in {home} (pid {pid or 'unknown'}). "
                f"Stop it first, or use the commands that go through it.",
                pid=pid,
            ) from error
        with suppress(OSError):  # on a full disk the lock holds all the same, only the pid is not told
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Give it up."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> Ownership:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def owner_pid(home: Path) -> int | None:
    """The pid of the process that owns the home now, or None where nobody does."""
    try:
        with (home / "owner.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _pid(file.read(32))
    except OSError:
        return None
    return None


def _refuse_if_others_read(home: Path) -> None:
    """Texts and vectors lie here. An empty folder of our own is closed without a word: it is a home that begins."""
    status = home.stat()
    if not status.st_mode & _OTHERS:
        return
    if status.st_uid == os.geteuid() and not any(home.iterdir()):
        home.chmod(_OURS_ALONE)
        if not home.stat().st_mode & _OTHERS:
            return
    raise StoreError(
        f"Others on this machine can read the home directory {home} (mode {stat.S_IMODE(status.st_mode):04o}). Close "
        f"it with: chmod 700 {home}. If that changes nothing, take a directory on a local disk."
    )


def _lock(file: int) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            owned = _lives(_pid(os.pread(file, 32, 0)))
            if time.monotonic() - began > (_NAMED_S if owned else _NAMELESS_S):
                raise
        time.sleep(_PAUSE_S)


def _lives(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:  # of another account
        return True
    except (OSError, OverflowError):
        return False
    return True


def _pid(content: bytes) -> int | None:
    return int(content) if content.strip().isdigit() else None
