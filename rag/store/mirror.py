"""The vectors in memory: an exact search over the rows a reader may see, whatever share of them that is.

A filter inside Chroma costs time by the rows it matches; looking at every row costs the same at any selectivity, and
less where few may be seen, for only those are looked at. Nobody who searches waits for somebody who writes: a row that
is put again is added at the end, the old one is dead in the next snapshot, and the dead go when there are many. (To
move the last row into the gap would need no such sweep, but would change rows under a search that is under way.)
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.access import Grant
from rag.documents import ChunkId
from rag.ports import Vector, Vectors
from rag.store.rows import Facets
from rag.store.snapshot import BLOCK, Codes, Names, Places, Snapshot

_ROW_BYTES = 300  # what a row takes beside its vector: its name, its places, its codes
_TABLES = 64


class Mirror:
    """Rows of one index, as many as `most_bytes` hold; with more it empties itself and stays `too_large`.

    `complete`: whether it holds all it ought to and can be searched; before that it only gathers. Safe to use from
    several threads.
    """

    def __init__(self, dimension: int, *, most_bytes: int) -> None:
        self.most_rows = most_bytes // (4 * dimension + _ROW_BYTES)
        self.complete = self.gathering = self.too_large = False
        self._writing = threading.Lock()
        self._changed: set[ChunkId] = set()
        self._now = Snapshot.empty()
        self._asked: tuple[Names, frozenset[str], NDArray[np.bool_]] | None = None

    def __len__(self) -> int:
        return self._now.count - self._now.dead

    @property
    def nbytes(self) -> int:
        """What its arrays take; names come on top."""
        now = self._now
        return sum(block.nbytes for block in now.blocks) + now.cells.nbytes + now.documents.nbytes

    def gather(self) -> None:
        """From here on every change is followed, so that `fill` can bring what was there before."""
        with self._writing:
            self._empty(gathering=True)
            self.too_large = False

    def fill(self, chunks: Sequence[ChunkId], vectors: Vectors, facets: Sequence[Facets]) -> None:
        """Rows as they were when `gather` was called, or later: what was put or deleted since is newer and stays."""
        with self._writing:
            new = [n for n, name in enumerate(chunks) if name not in self._changed]
            if self.gathering and new:
                self._add([chunks[n] for n in new], vectors[new], [facets[n] for n in new])

    def finish(self) -> None:
        """Everything was filled in: from here on it can be searched."""
        with self._writing:
            self.complete, self._changed = self.gathering, set()

    def give_up(self) -> None:
        """Forget everything, until it is gathered anew."""
        with self._writing:
            self._empty(gathering=False)

    def put(self, chunks: Sequence[ChunkId], vectors: Vectors, facets: Sequence[Facets]) -> None:
        """Rows are written, or written again."""
        with self._writing:
            if not self.gathering:
                return
            last = {name: place for place, name in enumerate(chunks)}
            if not self.complete:
                self._changed.update(last)
            places = list(last.values())
            self._add(list(last), vectors[places], [facets[place] for place in places])

    def delete(self, chunks: Collection[ChunkId]) -> None:
        """Rows are gone; unknown ones are no error."""
        with self._writing:
            if not self.gathering:
                return
            if not self.complete:
                self._changed.update(chunks)
            places = self._now.names.places
            gone = [place for name in chunks if (place := places.pop(name, None)) is not None]
            self._publish(self._now.without(gone))

    def forget_dead(self) -> None:
        """Let go of the arrays that hold rows which are gone; what lives is copied into others."""
        with self._writing:
            self._asked = None
            self._now = self._now.living()

    def search(
        self, vector: Vector, *, grant: Grant, languages: Collection[str], k: int
    ) -> dict[str, list[tuple[ChunkId, float]]] | None:
        """For each language the k nearest rows the grant admits, exactly, best first, scored by cosine in [-1, 1]; None
        where it is not `complete`."""
        if not self.complete:
            return None
        now, chosen = self._chosen(grant)
        spoken = tuple(dict.fromkeys(languages))
        table = self._table(now.names, grant, spoken)
        language = table[now.cells if chosen is None else now.cells[chosen]]
        seen = np.flatnonzero(language >= 0)
        rows = seen if chosen is None else chosen[seen]
        language, scores = language[seen], now.scores(rows, vector)
        found = {}
        for number, name in enumerate(spoken):
            own = np.flatnonzero(language == number)
            found[name] = now.best(rows[own], scores[own], k)
        return found if self.complete else None  # asked last: it may have been emptied meanwhile

    def vectors_of(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, Vector]:
        """The vectors of those chunks that are here."""
        now, places = self._placed(chunks)
        return {name: now.vector(places[name]) for name in chunks if name in places}

    def _chosen(self, grant: Grant) -> tuple[Snapshot, Places | None]:
        """A snapshot and the rows of the grant's chunks or documents in it; None where it names neither."""
        if grant.chunks is None:
            now = self._now
            if grant.documents is None:
                return now, None
            return now, np.flatnonzero(self._wanted(now.names, grant.documents)[now.documents])
        now, places = self._placed(grant.chunks)
        rows = np.asarray(sorted(places.values()), np.intp)
        if grant.documents is not None:
            rows = rows[self._wanted(now.names, grant.documents)[now.documents[rows]]]
        return now, rows

    def _placed(self, chunks: Collection[str]) -> tuple[Snapshot, dict[str, int]]:
        """A snapshot that has these chunks' newest rows. One that is being written is waited for: it has a place before
        the snapshot that holds it is there."""
        while True:
            now = self._now
            known = now.names.places
            places = {name: place for name in chunks if (place := known.get(name)) is not None}
            if max(places.values(), default=-1) < now.count:
                return now, places

    def _table(self, names: Names, grant: Grant, spoken: tuple[str, ...]) -> Codes:
        """Code of facets → number of the language among `spoken`, -1 where the grant does not admit them; the last
        entry is the dead rows'."""
        count = len(names.cells)
        key = (count, grant.acl_classes, grant.sources, grant.languages, spoken)
        table = names.tables.get(key)
        if table is None:
            cells = names.cells[:count]
            number = {language: number for number, language in enumerate(spoken)}
            admitted = [
                number.get(own.language, -1)
                if grant.admits(acl_class=own.acl_class, source=own.source, language=own.language)
                else -1
                for own in cells
            ]
            table = np.asarray([*admitted, -1], np.int32)
            if len(names.tables) >= _TABLES:
                names.tables.clear()
            names.tables[key] = table
        return table

    def _wanted(self, names: Names, documents: frozenset[str]) -> NDArray[np.bool_]:
        """Code of a document → whether it is among these; kept while the same ones are asked for."""
        asked = self._asked
        if asked and asked[0] is names and asked[1] is documents and len(asked[2]) == len(names.documents):
            return asked[2]
        codes = names.documents.copy()  # others may add to it meanwhile
        wanted = np.zeros(len(codes), np.bool_)
        wanted[[codes[name] for name in documents if name in codes]] = True
        self._asked = (names, documents, wanted)
        return wanted

    def _empty(self, *, gathering: bool) -> None:
        self.complete, self.gathering = False, gathering
        self._changed, self._asked = set(), None
        self._now = Snapshot.empty()

    def _add(self, chunks: list[ChunkId], vectors: Vectors, facets: Sequence[Facets]) -> None:
        now = self._now
        places = now.names.places
        again = [place for name in chunks if (place := places.get(name)) is not None]
        if len(self) - len(again) + len(chunks) > self.most_rows:
            self._empty(gathering=False)
            self.too_large = True
            return
        cells, documents = now.names.cells_of(facets), now.names.documents_of(facets)
        added = now.added(chunks, vectors, cells, documents).without(again)
        places.update(zip(chunks, range(now.count, added.count), strict=True))
        self._publish(added)

    def _publish(self, now: Snapshot) -> None:
        """From here on this is searched; a copy of the living where a quarter is dead."""
        self._now = now.living() if now.dead > max(BLOCK, now.count // 4) else now
