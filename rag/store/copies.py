"""A consistent copy of a SQLite file while it is in use, the one that is kept when the ledger is brought up to a newer
version, and what is said where a file cannot be written that somebody asked for."""

from __future__ import annotations

import errno
import json
import os
import pwd
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from rag.store import schema

_KEPT_S = 7 * 24 * 3600.0
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)


def before_migrating(connection: sqlite3.Connection, path: Path) -> None:
    """Put a copy of an older ledger beside it, `ledger.sqlite.before-2`, before its tables are changed.

    To go back to the older Archivar, put the copy in the ledger's place: what came since is read again from the
    folders. The first start after a week removes the copy: nobody goes back then, and what is erased from the ledger
    must not live on in it.

    Raises:
        sqlite3.Error, OSError: it cannot be written, on a full disk for one; nothing was changed.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if 0 < found < schema.VERSION:
        copy(connection, path.with_name(f"{path.name}.before-{schema.VERSION}"))
        return
    for old in path.parent.glob(f"{path.name}.before-*"):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink()


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write what the connection sees now into one file, whole and durable or not at all; writers go on meanwhile."""
    fresh = target.with_name(f"{target.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(fresh, isolation_level=None)) as out:
            connection.backup(out)
            out.execute("PRAGMA journal_mode = DELETE")  # one file, without -wal and -shm beside it
        sync(fresh)
        fresh.replace(target)
        sync(target.parent)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Have the kernel put a file, or a directory's names, on the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def refused(what: str, error: OSError) -> str:
    """That something could not be written where somebody wanted it. Where the place is shut: to whom it is, which is
    seldom whoever typed the command, and where else."""
    said = f"{what} could not be written: {error.strerror}."
    if error.errno not in _SHUT:
        return said
    return (
        f"{said} It is not written by your shell but by the process that owns the home (pid {os.getpid()}, user "
        f"{_user()}): give a place that it may write to. Under systemd that is what ReadWritePaths= names "
        "(/srv/archivar-backup), in a container what is mounted there (/backup)."
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container knows its number alone
        return str(os.geteuid())


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """A file of JSON lines in place of the one before, durably and whole: ours alone to read.

    Raises:
        OSError: it cannot be written; the older one is as it was.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(made, "w", encoding="ascii") as out:  # noqa: PTH123  # made with its mode
        out.writelines(f"{json.dumps(line)}\n" for line in lines)
        out.flush()
        os.fsync(made)
    fresh.replace(path)
    sync(path.parent)
