"""A backup of a home that is in use, and a home made of a backup.

Holds the ledger (texts, vectors, rights), the audit log with its key, and the settings file, which names files with
secrets but holds none. Not the indexes: they are made anew from the ledger, embedding nothing; to copy them, writing
would have to stop. Nothing is called a backup before it was read back: it is written under another name, renamed last.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag import __version__
from rag.errors import SettingsError, StoreError, StoreFull
from rag.store import copies, schema
from rag.store.aside import set_home_aside
from rag.store.audit import AuditLog
from rag.store.database import full
from rag.store.ledger import Ledger

MANIFEST = "manifest.json"
LEDGER, SETTINGS, AUDIT = "ledger.sqlite", "rag.toml", "audit"
CALIBRATION = "calibration.json"
_FORMAT = 1
_FILES = (LEDGER, SETTINGS, CALIBRATION)
_OF_AUDIT = re.compile(r"audit/(key|council\.json|log\.jsonl|\d{4}-\d{2}-\d{2}\.jsonl)")
_SPARE_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
_COUNTS = ("documents", "chunks", "vectors")
_OURS = ("owner.lock", "socket")  # in a home while it is owned
_EMPTIED = "set aside"  # in what is staged, once nothing of the old home is in its place any more


def back_up(ledger: Ledger, audit: AuditLog, settings: Path | None, target: Path) -> dict[str, Any]:
    """Write a backup into a directory that is empty or not there yet; returns its manifest. Writers go on meanwhile.

    Raises:
        SettingsError: the directory cannot be used.
        StoreFull: there is too little space; nothing is left behind.
        StoreError: it could not be written, or read back.
    """
    home = ledger.path.parent
    try:
        _refuse_used(target, home)
    except OSError as error:
        raise _not_written(target, error) from error
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "audit").mkdir(parents=True, mode=0o700)
        partial.chmod(0o700)
        _refuse_too_little(sum(path.stat().st_size for path in _sizes(home)), partial)
        manifest = _written(ledger, audit, settings, partial)
        verify(partial)
        if target.exists():
            target.rmdir()
        partial.rename(target)
        copies.sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise _not_written(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _refuse_used(target: Path, home: Path) -> None:
    if target.is_mount():
        raise SettingsError(f"{target} is a disk or a mounted folder itself. Give a new folder in it: {target}/NAME.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SettingsError(f"{target} is not empty. Give a new folder: a backup is never written over another.")
    if target.resolve().is_relative_to(home.resolve()):
        raise SettingsError(f"{target} lies in the home {home}. Give a folder outside, best on another disk.")


def _not_written(target: Path, error: OSError | sqlite3.Error) -> StoreError:
    if isinstance(error, OSError) and not full(error):
        return StoreError(copies.refused(f"The backup {target}", error))
    return _said(f"The backup {target} could not be written", error)


def verify(backup: Path) -> dict[str, Any]:
    """Read a backup back, every byte; returns its manifest.

    Raises:
        StoreError: it is damaged, unfinished, none at all, or was made by a newer Archivar.
    """
    manifest = _manifest(backup)
    for name, wanted in manifest["files"].items():
        try:
            found = _summed(backup / name)
        except OSError as error:
            raise _damaged(backup, f"{name} cannot be read: {error.strerror}") from error
        if found != wanted:
            raise _damaged(backup, f"{name} is not what was written")
    try:
        with closing(sqlite3.connect(f"{(backup / LEDGER).absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            problem = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            found = _counted(db)
    except sqlite3.Error as error:
        raise _damaged(backup, f"its ledger cannot be read: {error}") from error
    if problem != "ok" or found != {name: manifest[name] for name in found}:
        raise _damaged(backup, problem if problem != "ok" else "its ledger holds other counts than its manifest")
    return manifest


def restore(
    backup: Path, home: Path, *, force: bool, prepare: Callable[[Ledger, Path], None] = lambda ledger, staged: None
) -> Ledger:
    """Make a home of a backup; gives its open ledger, brought up to this version. The caller owns the home.

    `prepare` is given the ledger, and the directory it is in, before it takes its place: what must not be found is
    taken out there.

    With `force`, what the home held is set aside in it, under ``before-restore-1``. The ledger comes last: a restore
    that was killed is begun again by the next one.

    Raises:
        SettingsError: the home is not empty.
        StoreError: the backup cannot be used, or there is too little space; the home is as it was.
    """
    manifest = verify(backup)
    staged = home / "restoring"
    _forget_unfinished(home, staged)
    held = [path for path in home.iterdir() if path.name not in _OURS]
    if held and not force:
        raise SettingsError(
            f"The home {home} is not empty. Give another with --home, or --force: what it holds is then set aside."
        )
    try:
        _refuse_too_little(2 * sum(entry["bytes"] for entry in manifest["files"].values()), home)
        (staged / "audit").mkdir(parents=True, mode=0o700)
        for name, wanted in manifest["files"].items():
            if name != SETTINGS and _copied(backup / name, staged / name) != wanted:
                raise _damaged(backup, f"{name} changed while it was read")
        with closing(Ledger(staged / LEDGER)) as coming:  # brought up to this version before it takes its place
            prepare(coming, staged)
        set_home_aside(home, held)
        copies.sync(home)
        _put(staged / _EMPTIED, b"")
        copies.sync(staged)
        if (staged / "audit" / "key").exists():
            (staged / "audit").rename(home / "audit")
        if (staged / CALIBRATION).exists():
            (staged / CALIBRATION).rename(home / CALIBRATION)
        (staged / LEDGER).rename(home / LEDGER)
        copies.sync(home)
        shutil.rmtree(staged)
    except OSError as error:
        raise _said(f"The backup {backup} could not be restored", error) from error
    ledger = Ledger(home / LEDGER)
    if ledger.embedder is None and manifest.get("embedder"):
        ledger.adopt(manifest["embedder"], made_by="", own=True)
    return ledger


def _written(ledger: Ledger, audit: AuditLog, settings: Path | None, partial: Path) -> dict[str, Any]:
    if settings is not None:
        _copied(settings, partial / SETTINGS)
    if (ledger.path.parent / CALIBRATION).exists():
        _copied(ledger.path.parent / CALIBRATION, partial / CALIBRATION)
    with closing(sqlite3.connect(ledger.path, isolation_level=None, timeout=30)) as source:
        source.execute("BEGIN")  # one state for the counts and the copy
        counts = _counted(source)
        copies.copy(source, partial / LEDGER)
        embedder = source.execute("SELECT value FROM meta WHERE name = 'embedder'").fetchone()
    sums = audit.copy_to(partial / AUDIT)  # last: the ledger remembers a record that must be there
    names = [*_FILES, *(f"{AUDIT}/{name}" for name in sums)]
    manifest = {
        "format": _FORMAT,
        "archivar": __version__,
        "schema": schema.VERSION,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "embedder": embedder[0] if embedder else None,
        **counts,
        "files": (files := {name: _summed(partial / name) for name in names if (partial / name).exists()}),
    }
    for name, wanted in sums.items():
        if files[f"{AUDIT}/{name}"]["sha256"] != wanted:
            raise StoreError(f"What was written to {partial} reads back as something else: is the disk well?")
    _put(partial / MANIFEST, json.dumps(manifest, indent=1).encode())
    for folder in (partial / "audit", partial):
        copies.sync(folder)
    return manifest


def _manifest(backup: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((backup / MANIFEST).read_bytes())
        names = manifest["files"].keys()
        known = {"format": int(manifest["format"]), "schema": int(manifest["schema"])}
        whole = (
            all(name in _FILES or _OF_AUDIT.fullmatch(name) for name in names)
            and LEDGER in names
            and all(name in manifest for name in _COUNTS)
        )
    except FileNotFoundError as error:
        raise StoreError(f"{backup} is no backup: it has no {MANIFEST}. An unfinished one has none either.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(backup, f"its {MANIFEST} cannot be read") from error
    if known["format"] > _FORMAT or known["schema"] > schema.VERSION:
        raise StoreError(
            f"The backup {backup} was made by a newer Archivar ({manifest.get('archivar')}; ledger version "
            f"{known['schema']}, this one knows {schema.VERSION}). Install the newer version to restore it."
        )
    if not whole:
        raise _damaged(backup, f"its {MANIFEST} is not what was written")
    return dict(manifest)


def _counted(db: sqlite3.Connection) -> dict[str, int]:
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    of = {name: f"SELECT count(*) FROM {name}" for name in _COUNTS if name in tables}
    of.setdefault("vectors", "SELECT count(*) FROM chunks")  # version 1 kept a vector with each chunk
    return {name: int(db.execute(sql).fetchone()[0]) for name, sql in of.items()}


def _sizes(home: Path) -> Iterator[Path]:
    for name in (LEDGER, f"{LEDGER}-wal"):
        if (home / name).exists():
            yield home / name
    yield from (home / AUDIT).glob("*")


def _refuse_too_little(needed: int, where: Path) -> None:
    free = shutil.disk_usage(where).free
    if free < needed + _SPARE_BYTES:
        raise StoreFull(
            f"There is too little space for it in {where.parent}: {(needed + _SPARE_BYTES) / 1e6:,.0f} MB are needed, "
            f"{free / 1e6:,.0f} MB are free."
        )


def _copied(source: Path, target: Path) -> dict[str, Any]:
    """Copy a file, durably; gives the sum of what was read."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as lines, _made(target) as out:
        while block := lines.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            out.write(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _put(target: Path, content: bytes) -> None:
    with _made(target) as out:
        out.write(content)


@contextmanager
def _made(target: Path) -> Iterator[Any]:
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:  # noqa: PTH123
        yield out
        out.flush()
        os.fsync(out.fileno())


def _summed(path: Path) -> dict[str, Any]:
    """A file's sum, read from the disk where the system can be asked for that."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _forget_unfinished(home: Path, staged: Path) -> None:
    """A restore that was killed before the ledger took its place. What stands in the home then is the backup's only
    once all of the old was set aside; before that it is the old."""
    if (staged / _EMPTIED).exists() and not (home / LEDGER).exists():
        shutil.rmtree(home / "audit", ignore_errors=True)
        (home / CALIBRATION).unlink(missing_ok=True)
    shutil.rmtree(staged, ignore_errors=True)


def _damaged(backup: Path, why: str) -> StoreError:
    return StoreError(f"The backup {backup} is damaged: {why}. Nothing was changed; use another one.")


def _said(what: str, error: OSError | sqlite3.Error) -> StoreError:
    if full(error):
        return StoreFull(f"{what}: the disk is full. Free some space, or give a folder on another disk.")
    return StoreError(f"{what}: {error.strerror if isinstance(error, OSError) else error}.")
