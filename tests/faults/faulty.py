"""Faults at call sites: the n-th call of a kind fails once, with the error its library raises."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chromadb.errors import InternalError

from tests.ingest.room import Room

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EACCES)
SQL_ERRORS = (("disk I/O error", sqlite3.SQLITE_IOERR), ("database or disk is full", sqlite3.SQLITE_FULL))


STORE_SITES = ("execute", "executemany", "upsert", "delete", "add_document", "delete_documents_by_term", "commit")


class Fault:
    """Counts calls, of one site or of all; the n-th one raises, before it does anything or after it did."""

    def __init__(self, nth: int, error: Callable[[str], Exception], *, late: bool = False, only: str = "") -> None:
        self._left, self._error, self._late, self._lock = nth, error, late, threading.Lock()
        self._only, self.site = only, ""

    def __call__(self, site: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self._lock:
            self._left -= self._only in ("", site)
            mine = not self._left and not self.site
            self.site = site if mine else self.site
        if not mine:
            return call(*arguments, **options)
        if self._late:
            call(*arguments, **options)
        raise self._error(site)


class Faulty:
    """An object some of whose calls pass through a fault."""

    def __init__(self, real: object, fault: Fault, sites: tuple[str, ...], **own: Any) -> None:
        self._real, self._fault, self._sites, self._own = real, fault, sites, own

    def __getattr__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        found = getattr(self._real, name)
        if name not in self._sites:
            return found
        return lambda *arguments, **options: self._fault(name, found, *arguments, **options)


class _Entry(Faulty):
    """What `os.scandir` yields."""

    @property
    def name(self) -> str:
        return str(self._real.name)  # type: ignore[attr-defined]


class _Entries:
    """An open directory: each step may fail."""

    def __init__(self, real: Any, fault: Fault) -> None:
        self._real, self._fault = real, fault

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def __iter__(self) -> Iterator[_Entry]:
        done = object()
        while (entry := self._fault("scandir step", next, self._real, done)) is not done:
            yield _Entry(entry, self._fault, ("is_dir", "is_file", "stat"))


class _File(Faulty):
    """An open file."""

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()  # type: ignore[attr-defined]


@contextmanager
def file_system(fault: Fault) -> Iterator[None]:
    """Every call that the folder connector makes of the operating system passes through the fault."""
    from connectors import folder, folder_opening, roots

    def scandir(*arguments: Any) -> _Entries:
        return _Entries(fault("scandir", os.scandir, *arguments), fault)

    def fdopen(*arguments: Any) -> _File:
        return _File(os.fdopen(*arguments), fault, ("read",))

    look = roots._identity
    with pytest.MonkeyPatch.context() as patch:
        for room in (folder, folder_opening):
            patch.setattr(room, "os", Faulty(os, fault, ("open", "stat", "fstat"), scandir=scandir, fdopen=fdopen))
        patch.setattr(roots, "_identity", lambda path: fault("statvfs", look, path))
        yield


def os_error(number: int) -> Callable[[str], Exception]:
    """What the operating system says."""
    return lambda site: OSError(number, os.strerror(number))


@contextmanager
def stores(room: Room, fault: Fault) -> Iterator[None]:
    """Every statement and every call into the libraries of the indexes passes through the fault."""
    words, make = room.words, room.words._new_writer

    def writer(real: object) -> Any:
        return Faulty(real, fault, ("add_document", "delete_documents_by_term", "commit"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room.ledger, "_db", Faulty(room.ledger._db, fault, ("execute", "executemany")))
        patch.setattr(room.vectors, "_rows", Faulty(room.vectors._rows, fault, ("upsert", "delete", "count", "get")))
        patch.setattr(words, "_new_writer", lambda: writer(make()))
        words._writer = writer(words._writer) if words._writer is not None else None
        try:
            yield
        finally:  # whichever writer it has by now
            words._writer = words._writer._real if isinstance(words._writer, Faulty) else words._writer


def store_error(kind: int) -> Callable[[str], Exception]:
    """What the library behind the call site says: of a broken disk, or of a full one."""

    def error(site: str) -> Exception:
        if site in ("execute", "executemany"):
            message, code = SQL_ERRORS[kind]
            found = sqlite3.OperationalError(message)
            found.sqlite_errorcode = code
            return found
        if site in ("upsert", "delete", "count", "get"):
            return InternalError(f"error returned from database: {SQL_ERRORS[kind][0]}")
        return (OSError(errno.EIO, os.strerror(errno.EIO)), ValueError("No space left on device (os error 28)"))[kind]

    return error
