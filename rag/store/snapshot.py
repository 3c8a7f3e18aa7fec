"""One moment of the vectors in memory, and the exact search over it.

A row once written is never written over, so whoever holds a snapshot searches it in peace while others write. Products
are made without BLAS (`numpy.vecdot`): its threads wait for each other when many search at once (32 at a time: 4
searches a second of 100,000 rows, against 310), and on one core it is no faster here, for the memory decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.documents import ChunkId
from rag.ports import Vector, Vectors
from rag.store.rows import Facets

Places: TypeAlias = NDArray[np.intp]  # (n,), ascending: where rows stand
Codes: TypeAlias = NDArray[np.int32]  # (rows,)
Scores: TypeAlias = NDArray[np.float32]  # (n,), cosines

BLOCK = 8192
"""Rows that are kept together; at 384 floats 12.6 MB."""
DEAD = -1
_GATHERED = 12  # below a twelfth of a block's rows, copying them out is cheaper than looking at the whole block


@dataclass(slots=True)
class Names:
    """What snapshots share; only ever added to. `places`: chunk → its newest row; `cells`: code → facets; `documents`:
    document key → code."""

    chunks: list[ChunkId] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    cells: list[Facets] = field(default_factory=list)
    codes: dict[tuple[int, str, str], int] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    tables: dict[object, Codes] = field(default_factory=dict)
    """What grants admit of the cells there were, by grant."""

    def cells_of(self, facets: Sequence[Facets]) -> list[int]:
        """The code of each row's facets, new ones made."""
        found = []
        for own in facets:
            key = (own.acl_class, own.source, own.language)
            if key not in self.codes:
                self.cells.append(own)
                self.codes[key] = len(self.cells) - 1
            found.append(self.codes[key])
        return found

    def documents_of(self, facets: Sequence[Facets]) -> list[int]:
        """The code of each row's document, new ones made."""
        return [self.documents.setdefault(own.document, len(self.documents)) for own in facets]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment. Blocks and names are shared with later ones; `cells` (`DEAD` where a row is) and `documents` are this
    moment's own, a code for each of `count` rows."""

    names: Names
    blocks: tuple[Vectors, ...]
    count: int
    dead: int
    cells: Codes
    documents: Codes

    @classmethod
    def empty(cls) -> Snapshot:
        """Of nothing."""
        none = np.empty(0, np.int32)
        return cls(Names(), (), 0, 0, none, none)

    def added(
        self, chunks: Sequence[ChunkId], vectors: Vectors, cells: Sequence[int], documents: Sequence[int]
    ) -> Snapshot:
        """With these rows at the end; they are not in `names.places` yet."""
        blocks, place, done = list(self.blocks), self.count, 0
        while done < len(chunks):
            if place == len(blocks) * BLOCK:
                blocks.append(np.empty((BLOCK, vectors.shape[1]), np.float32))
            room = min(len(blocks) * BLOCK - place, len(chunks) - done)
            blocks[-1][place % BLOCK : place % BLOCK + room] = vectors[done : done + room]
            place, done = place + room, done + room
        self.names.chunks.extend(chunks)
        return replace(
            self,
            blocks=tuple(blocks),
            count=place,
            cells=np.concatenate([self.cells, np.asarray(cells, np.int32)]),
            documents=np.concatenate([self.documents, np.asarray(documents, np.int32)]),
        )

    def without(self, places: Sequence[int]) -> Snapshot:
        """With these rows dead."""
        if not places:
            return self
        cells = self.cells.copy()
        cells[list(places)] = DEAD
        return replace(self, cells=cells, dead=self.dead + len(places))

    def living(self) -> Snapshot:
        """A copy of the living rows, with names of its own."""
        rows = np.flatnonzero(self.cells != DEAD)
        fresh = Snapshot.empty()
        fresh.names.cells, fresh.names.codes = list(self.names.cells), dict(self.names.codes)
        keys = {code: key for key, code in self.names.documents.items()}
        for start in range(0, len(rows), BLOCK):
            own = rows[start : start + BLOCK]
            vectors = np.concatenate([block[local] for block, local, _ in self._by_block(own)])
            documents = [
                fresh.names.documents.setdefault(keys[code], len(fresh.names.documents))
                for code in self.documents[own].tolist()
            ]
            chunks = [self.names.chunks[place] for place in own]
            fresh = fresh.added(chunks, vectors, self.cells[own].tolist(), documents)
        fresh.names.places.update((name, place) for place, name in enumerate(fresh.names.chunks))
        return fresh

    def vector(self, place: int) -> Vector:
        """One row."""
        row: Vector = self.blocks[place // BLOCK][place % BLOCK]
        return row

    def scores(self, rows: Places, vector: Vector) -> Scores:
        """The product of each of these rows with the vector."""
        scores = np.empty(len(rows), np.float32)
        for block, local, where in self._by_block(rows):
            if len(local) * _GATHERED < BLOCK:
                scores[where] = np.vecdot(block[local], vector)
            else:
                last = int(local[-1]) + 1
                found = np.vecdot(block[:last], vector)
                scores[where] = found if len(local) == last else found[local]
        return scores

    def best(self, rows: Places, scores: Scores, k: int) -> list[tuple[ChunkId, float]]:
        """The k best of these rows, best first; equal ones in order of row."""
        if len(rows) > k:
            top = np.sort(np.argpartition(scores, len(rows) - k)[len(rows) - k :])
            rows, scores = rows[top], scores[top]
        order = np.argsort(-scores, kind="stable")
        return [(self.names.chunks[rows[n]], float(scores[n])) for n in order]

    def _by_block(self, rows: Places) -> Iterator[tuple[Vectors, Places, slice]]:
        """Each block that holds some of the rows, their places in it, and where they stand in `rows`."""
        start = 0
        ends = np.searchsorted(rows, np.arange(1, len(self.blocks) + 1) * BLOCK).tolist()
        for number, end in enumerate(ends):
            if end > start:
                yield self.blocks[number], rows[start:end] - number * BLOCK, slice(start, end)
            start = end
