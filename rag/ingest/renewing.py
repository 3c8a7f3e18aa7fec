"""Both indexes made anew beside the old ones, from the ledger and embedding nothing, and put in their place.

An index marks rows as deleted and keeps their bytes; only files that never held them are free of them. The old index
goes on answering until the new one is whole. The ledger is scrubbed first.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rag.ingest.making import make_vectors
from rag.ingest.reconcile import level_vectors, level_words
from rag.store import opening
from rag.store.aside import forget_aside, put_in_place, set_aside
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

FRESH = ".fresh"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The indexes of a home as its process has them open: `serving` answers; `coming` is being filled by another
    embedder and is emptied, to be filled again. Without any, the files are changed under nobody's hands."""

    words: WordIndex | None = None
    serving: VectorIndex | None = None
    coming: tuple[VectorIndex, ...] = ()
    writing: threading.RLock = field(default_factory=threading.RLock)


def renew(home: Path, ledger: Ledger, opened: Opened, *, progress: Progress = lambda what, done, total: None) -> None:
    """Make both anew, side by side; not one byte of the old ones stays on the disk.

    Raises:
        StoreError: the old ones are still in their places, or set aside; begin again.
    """
    with ThreadPoolExecutor(2, thread_name_prefix="renew") as pool:
        both = [
            pool.submit(_renew_words, home, ledger, opened, progress),
            pool.submit(_renew_vectors, home, ledger, opened, progress),
        ]
        for one in both:
            one.result()


def _renew_words(home: Path, ledger: Ledger, opened: Opened, progress: Progress) -> None:
    fresh, directory = home / f"words{FRESH}", home / "words"
    shutil.rmtree(fresh, ignore_errors=True)
    with closing(WordIndex(fresh)) as index:
        level_words(ledger, index, writing=threading.RLock(), progress=_telling("words written", progress))
    with opened.writing:
        if opened.words is not None:
            opened.words.renew(fresh)
            level_words(ledger, opened.words, writing=opened.writing)
            return
        _take_place(ledger, fresh, directory)
        words = WordIndex(directory)
        level_words(ledger, words, writing=opened.writing)
        opening.close(words, ledger)


def _renew_vectors(home: Path, ledger: Ledger, opened: Opened, progress: Progress) -> None:
    for index in opened.coming:
        with opened.writing:
            index.drop()
            index.level = False
    directory = opened.serving.directory if opened.serving else home / ledger.vectors_directory
    fingerprint, dimension = ledger.embedder, ledger.dimension()
    if opened.serving is not None:
        fingerprint, dimension = opened.serving.fingerprint, opened.serving.dimension
    if fingerprint is None or dimension is None:  # nothing is embedded
        ledger.break_seal(directory.name)
        shutil.rmtree(directory, ignore_errors=True)
        forget_aside(directory)
        return
    fresh = home / f"{directory.name}{FRESH}"
    shutil.rmtree(fresh, ignore_errors=True)
    make_vectors(
        ledger.path,
        fresh,
        fingerprint=fingerprint,
        dimension=dimension,
        progress=_telling("vectors written", progress),
    )
    with opened.writing:
        if opened.serving is not None:
            opened.serving.renew(fresh)
            level_vectors(ledger, opened.serving, writing=opened.writing)
            return
        _take_place(ledger, fresh, directory)
        vectors = VectorIndex(directory, fingerprint=fingerprint, dimension=dimension)
        vectors.level = False
        level_vectors(ledger, vectors, writing=opened.writing)
        opening.close(vectors, ledger)


def _take_place(ledger: Ledger, fresh: Path, directory: Path) -> None:
    ledger.break_seal(directory.name)
    set_aside(directory)
    put_in_place(fresh, directory)
    forget_aside(directory)


def _telling(what: str, progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)
