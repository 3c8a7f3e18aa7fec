"""Fills a mirror from the ledger, in the background, once it is seen that more than one question is asked.

The order makes it exact without stopping those who write: first the mirror follows every change, then the ledger is
read in one moment. What had been announced by then but was not recorded (its rows may have been written before the
mirror followed) is waited for and read at the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from rag.documents import ChunkId
from rag.errors import StoreError
from rag.store.embedders import Embedders
from rag.store.mirror import Mirror

_log = logging.getLogger(__name__)

_SINGLE = 1  # search; a command that asks once ends before it would gain anything
_LOOK_S = 0.2


class Loading:
    """When a mirror is filled, and by whom: at the first search `after` so many."""

    def __init__(self, mirror: Mirror, ledger: Embedders, *, embedder: str, after: int = _SINGLE) -> None:
        self._mirror, self._ledger, self._embedder, self._after = mirror, ledger, embedder, after
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._searches = 0

    def asked(self) -> None:
        """A search was made."""
        self._searches += 1
        if self._searches > self._after and not self._mirror.complete:
            self.start()

    def start(self) -> None:
        """Load in the background; once it has begun, it is not begun again unless the ledger could not be read."""
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._load, name="mirror", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is loaded by then."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._mirror.complete

    def close(self) -> None:
        """End it, whatever it is at."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _load(self) -> None:
        began = time.monotonic()
        try:
            if self._ledger.counts()["chunks"] > self._mirror.most_rows:
                self._mirror.too_large = True
                return
            self._mirror.gather()
            self._fill()
        except StoreError as error:
            self._mirror.give_up()
            _log.warning("The vectors could not be loaded: %s", error, extra={"action": "mirror_failed"})
            self._thread = None  # tried again at the next search
            return
        if self._stopping.is_set() or self._mirror.too_large:
            return
        self._mirror.finish()
        seconds = round(time.monotonic() - began, 2)
        _log.info(
            "The vectors are in memory", extra={"action": "mirrored", "rows": len(self._mirror), "seconds": seconds}
        )

    def _fill(self) -> None:
        with self._ledger.every_vector(self._embedder) as (announced, pages):
            for chunks, vectors, facets in pages:
                if self._stopping.is_set() or self._mirror.too_large:
                    return
                self._mirror.fill(chunks, vectors, facets)
        while announced and not self._stopping.is_set():
            announced &= self._ledger.owed().keys() - self._fill_recorded(sorted(announced))
            self._stopping.wait(_LOOK_S if announced else 0)

    def _fill_recorded(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        """Those of them that are recorded by now are filled in."""
        rows = [row for row in self._ledger.indexed(chunks, embedder=self._embedder) if row[2] is not None]
        if rows:
            names = [chunk.id for chunk, _, _ in rows]
            vectors = np.asarray([vector for _, _, vector in rows], np.float32)
            self._mirror.fill(names, vectors, [facets for _, facets, _ in rows])
        return {chunk.id for chunk, _, _ in rows}
