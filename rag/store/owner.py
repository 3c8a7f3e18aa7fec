"""One process owns the store. The lock is the kernel's, so it dies with its process; the file only names the pid."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from rag.errors import StoreError, StoreOwned


class Ownership:
    """Exclusive use of a home directory, from `__init__` until `close`.

    Raises:
        StoreOwned: another live process has it; `pid` names it where it can be read.
        StoreError: the directory cannot be made or written.
    """

    def __init__(self, home: Path) -> None:
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(home / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"The home directory {home} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _pid(os.pread(self._file, 32, 0))
            os.close(self._file)
            raise StoreOwned(
                f"Another process owns the index in {home} (pid {pid or 'unknown'}). "
                f"Stop it first, or use the commands that go through it.",
                pid=pid,
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Give it up."""
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


def _pid(content: bytes) -> int | None:
    return int(content) if content.strip().isdigit() else None
