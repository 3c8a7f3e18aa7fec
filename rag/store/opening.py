"""Opens both indexes of a home so that no damaged file is given to a library, and closes them so that the next start
can tell.

An index that was closed well is sealed in the ledger; the first change breaks the seal. One whose files are as sealed
needs no other look than a count. One without a seal (the process was killed) is looked through: the words by the sums
that tantivy wrote, the vectors in a process of its own. What is damaged is set aside, and an empty index opened.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from pathlib import Path

from rag.errors import IndexDamaged, StoreError
from rag.store import footers, seal, words
from rag.store.aside import set_aside
from rag.store.ledger import Ledger
from rag.store.loading import Loading
from rag.store.mirror import Mirror
from rag.store.probe import unsound
from rag.store.selecting import Shares
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_log = logging.getLogger(__name__)

_WRITTEN_BY_READING = "chroma.sqlite3"  # opening a collection and asking it changes this file, and no other


def open_vectors(
    directory: Path, ledger: Ledger, *, fingerprint: str, dimension: int, scan_bytes: int = 0
) -> VectorIndex:
    """One embedder's index, `level` only where it is known to be. Its rows are held in memory too, once it is searched,
    as long as they take no more than `scan_bytes`; 0: never.

    Raises:
        StoreError: another process keeps it locked.
    """
    chunks = ledger.counts()["chunks"]
    changed = _changed(directory, ledger)
    problem = None
    if changed and set(changed) != {_WRITTEN_BY_READING}:
        problem = f"{changed[0]} was changed from outside"
    elif changed is None or changed:
        problem = _looked_through(directory, ledger, fingerprint, dimension, chunks)
    if problem:
        _put_away(directory, "vector", problem)
    try:
        index = VectorIndex(directory, fingerprint=fingerprint, dimension=dimension)
    except IndexDamaged as error:
        _put_away(directory, "vector", str(error))
        index = VectorIndex(directory, fingerprint=fingerprint, dimension=dimension)
    index.changing = partial(ledger.break_seal, directory.name)
    index.level = changed == [] and len(index) == chunks
    index.shares = Shares(ledger.facet_counts)
    if scan_bytes:
        index.mirror = Mirror(dimension, most_bytes=scan_bytes)
        index.loading = Loading(index.mirror, ledger, embedder=fingerprint)
    return index


def open_words(directory: Path, ledger: Ledger) -> WordIndex:
    """The word index, `level` only where it is known to be. One that another version made, with other fields or other
    stems, is made anew."""
    changed = _changed(directory, ledger)
    problem, recipe = None, words.recipe()
    if ledger.meta(_recipe_of(directory)) != recipe and directory.is_dir() and any(directory.iterdir()):
        _log.info("The word index is of another version and is made anew.", extra={"action": "words_renewed"})
        set_aside(directory)
        changed = None
    elif changed:
        problem = f"{changed[0]} was changed from outside"
    elif changed is None and directory.is_dir() and not footers.intact(directory):
        problem = "a file is not what was written"
    if problem:
        _put_away(directory, "word", problem)
    try:
        index = WordIndex(directory)
    except IndexDamaged as error:
        _put_away(directory, "word", str(error))
        index = WordIndex(directory)
    if ledger.meta(_recipe_of(directory)) != recipe:
        ledger.remember(_recipe_of(directory), recipe)
    index.changing = partial(ledger.break_seal, directory.name)
    index.level = changed == [] and len(index) == ledger.counts()["chunks"]
    return index


def close(index: VectorIndex | WordIndex, ledger: Ledger) -> None:
    """Close an index; sealed, where it is level."""
    level, directory = index.level and not ledger.owed(), index.directory
    index.close()
    if level:
        with suppress(OSError, StoreError):  # on a full disk: the next start looks through it
            ledger.keep_seal(directory.name, seal.seal(directory, ledger.seal_of(directory.name)))
            if isinstance(index, WordIndex):
                ledger.remember(_recipe_of(directory), words.recipe())


def _recipe_of(directory: Path) -> str:
    return f"recipe {directory.name}"


def _changed(directory: Path, ledger: Ledger) -> list[str] | None:
    """The files that are not as sealed; None where there is no seal to go by."""
    sealed = ledger.seal_of(directory.name)
    return None if sealed is None else seal.broken(directory, sealed)


def _looked_through(directory: Path, ledger: Ledger, fingerprint: str, dimension: int, chunks: int) -> str | None:
    if not (directory / _WRITTEN_BY_READING).exists():
        return "chroma.sqlite3 is gone" if directory.is_dir() and any(directory.iterdir()) else None
    return unsound(directory, ledger.path, fingerprint=fingerprint, dimension=dimension, rows=chunks)


def _put_away(directory: Path, what: str, problem: str) -> None:
    _log.warning(
        "The %s index is damaged (%s); it is set aside and made anew from the ledger, without embedding anything.",
        what,
        problem,
        extra={"action": "index_damaged", "index": directory.name},
    )
    set_aside(directory)
