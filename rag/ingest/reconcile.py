"""Makes the indexes hold exactly the ledger's chunks, with the facets they have now. Embeds nothing.

The ledger is the truth: what an index has too much goes, what it lacks or has with other rights is written again from
the ledger's text and vectors. Everything here is safe to repeat, and to be ended at any point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from rag.documents import ChunkId
from rag.store.aside import forget_aside
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_BATCH = 500


class Difference(NamedTuple):
    """What an index lacks, or has other than the ledger; and what it has too much."""

    wrong: list[ChunkId]
    extra: list[ChunkId]

    @property
    def size(self) -> int:
        """Rows to be mended."""
        return len(self.wrong) + len(self.extra)


def sweep(ledger: Ledger, vectors: Sequence[VectorIndex], words: WordIndex) -> None:
    """Do for the indexes what the ledger says they owe. What another source's sync adds meanwhile stays owed; two
    sweeps are not run at once."""
    owed = ledger.take_owed()
    if not owed:
        return
    current = sorted(ledger.owed_and_current())
    gone = sorted(owed.keys() - set(current))
    for index in vectors:
        put_vectors(ledger, index, current)
        index.delete(gone)
    put_words(ledger, words, current)
    words.delete(gone)
    words.commit()
    ledger.settle(owed)


def level_vectors(
    ledger: Ledger,
    index: VectorIndex,
    *,
    writing: AbstractContextManager[object],
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Mend one vector index; returns how many rows were wrong. Others write between two batches.

    It is `level` afterwards unless stopped, or unless the ledger lacks a vector of its embedder for some chunk.
    """

    def mend(part: Difference) -> None:
        index.delete(part.extra)
        put_vectors(ledger, index, part.wrong)

    def compare() -> tuple[Difference, bool]:
        wanted, bare = ledger.facets(), ledger.bare_chunks(index.fingerprint)
        return _difference({name: own for name, own in wanted.items() if name not in bare}, index.facets()), not bare

    mended, level = _mend(compare, mend, writing=writing, stopped=stopped, progress=progress)
    if level:
        index.level = True
        forget_aside(index.directory)
    return mended


def level_words(
    ledger: Ledger,
    index: WordIndex,
    *,
    writing: AbstractContextManager[object],
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Mend the word index; returns how many chunks were wrong."""

    def mend(part: Difference) -> None:
        index.delete(part.extra)
        put_words(ledger, index, part.wrong)
        index.commit()

    def compare() -> tuple[Difference, bool]:
        wanted = {name: (own.source, own.acl_class) for name, own in ledger.facets().items()}
        held = index.facets(sorted({source for source, _ in wanted.values()}))
        lost = index.ids() - held.keys()  # of a source that is no more
        return _difference(wanted, held | dict.fromkeys(lost, ("", -1))), True

    mended, level = _mend(compare, mend, writing=writing, stopped=stopped, progress=progress)
    if level:
        index.level = True
        forget_aside(index.directory)
    return mended


def put_vectors(ledger: Ledger, index: VectorIndex, ids: Sequence[ChunkId]) -> None:
    """Write chunks into a vector index, as far as its embedder has embedded them."""
    rows = [row for row in ledger.indexed(ids, embedder=index.fingerprint) if row[2] is not None]
    if rows:
        vectors = np.asarray([vector for _, _, vector in rows], dtype=np.float32)
        index.put([chunk for chunk, _, _ in rows], vectors, [facet for _, facet, _ in rows])


def put_words(ledger: Ledger, index: WordIndex, ids: Sequence[ChunkId]) -> None:
    """Write chunks into the word index; without `commit`."""
    rows = list(ledger.indexed(ids, embedder=""))
    if rows:
        index.put([chunk for chunk, _, _ in rows], [facet for _, facet, _ in rows])


def _difference(wanted: Mapping[ChunkId, object], held: Mapping[ChunkId, object]) -> Difference:
    return Difference(
        wrong=sorted(name for name, own in wanted.items() if held.get(name) != own),
        extra=sorted(held.keys() - wanted.keys()),
    )


def _mend(
    compare: Callable[[], tuple[Difference, bool]],
    mend: Callable[[Difference], None],
    *,
    writing: AbstractContextManager[object],
    stopped: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> tuple[int, bool]:
    """Compare and mend until a comparison finds little enough to mend while nobody else writes."""
    mended = 0
    while not stopped():
        with writing:
            left, complete = compare()
            if left.size <= _BATCH:
                mend(left)
                return mended + left.size, complete
        for start in range(0, len(left.wrong) + 1, _BATCH):
            if stopped():
                break
            with writing:
                mend(Difference(left.wrong[start : start + _BATCH], left.extra if start == 0 else []))
            mended += len(left.wrong[start : start + _BATCH]) + (len(left.extra) if start == 0 else 0)
            progress(min(start + _BATCH, len(left.wrong)), len(left.wrong))
    return mended, False
