"""What an open home does for itself, beside questions and syncs: it mends its indexes, and lets another embedder take
the place of the one before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from rag.errors import IndexDamaged, RagError
from rag.ingest.one import Pipeline
from rag.ingest.reconcile import level_vectors, level_words
from rag.ingest.spaces import Spaces
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex

_log = logging.getLogger(__name__)

_AT_ONCE_CHUNKS = 2000

Progress = Callable[[str, int, int], None]


class Upkeep:
    """One thing at a time, in its own thread or in the caller's. `switched` is told when another embedder answers."""

    def __init__(self, spaces: Spaces, pipeline: Pipeline, *, switched: Callable[[], None]) -> None:
        self._spaces, self._pipeline, self._switched = spaces, pipeline, switched
        self._busy = threading.Lock()
        self._stopping = threading.Event()
        self._damaged: list[VectorIndex | WordIndex] = []
        self._thread: threading.Thread | None = None

    def begin(self, *, succeed: bool) -> None:
        """After opening: small homes are mended before they answer, large ones while they do."""
        at_once = self._level() or self._pipeline.ledger.counts()["chunks"] <= _AT_ONCE_CHUNKS
        if at_once:
            self.run(succeed=False)
        if succeed or not at_once:
            self.start(succeed=succeed)

    def start(self, *, succeed: bool) -> None:
        """Do what is to be done in the background; what fails is tried again at the next start."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._quietly, args=(succeed,), name="upkeep")
        self._thread.start()

    def run(
        self,
        *,
        succeed: bool,
        progress: Progress = lambda what, done, total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Do it here. With `succeed`, another embedder also takes its place; True when nothing is left to do.

        Raises:
            StoreError, ModelError: what was done is kept.
        """

        def ended() -> bool:
            return stopped() or self._stopping.is_set()

        with self._busy:
            self._mend(progress, ended)
            if not succeed:
                return self._level()
            return self._spaces.succeed(
                writing=self._pipeline.writing, progress=progress, stopped=ended, switched=self._switched
            )

    def look_through(self) -> dict[str, int]:
        """Compare both indexes with the ledger row by row, and mend them; gives what was wrong, by index.

        Raises:
            StoreError: they cannot be read or written.
        """
        with self._busy:
            self._pipeline.words.level = False
            if self._spaces.serving is not None:
                self._spaces.serving.vectors.level = False
            return self._mend(lambda what, done, total: None, self._stopping.is_set)

    def damaged(self, index: VectorIndex | WordIndex, error: RagError) -> None:
        """An index failed in use: it is set aside and made anew in the background."""
        if index in self._damaged or not index.level:
            return
        index.level = False
        self._damaged.append(index)
        _log.warning("%s Questions are answered without it meanwhile.", error, extra={"action": "index_damaged"})
        self.start(succeed=False)

    def close(self) -> None:
        """End it; the next start goes on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _quietly(self, succeed: bool) -> None:
        try:
            while not self.run(succeed=succeed) and self._damaged and not self._stopping.is_set():
                pass
        except RagError as error:
            _log.warning("The indexes could not be mended: %s", error, extra={"action": "mending_failed"})

    def _mend(self, progress: Progress, stopped: Callable[[], bool]) -> dict[str, int]:
        """Mend both; an index that shows itself damaged only while it is mended is made anew, once."""
        renewed: set[Path] = set()
        while True:
            try:
                return self._mend_what_opens(progress, stopped)
            except IndexDamaged as error:
                index = self._at(error.directory)
                if index is None or index.directory in renewed:
                    raise
                renewed.add(index.directory)
                _log.warning("%s", error, extra={"action": "index_damaged"})
                if index not in self._damaged:
                    self._damaged.append(index)

    def _at(self, directory: Path | None) -> VectorIndex | WordIndex | None:
        indexes: list[VectorIndex | WordIndex] = [self._pipeline.words, *self._pipeline.indexes()]
        return next((index for index in indexes if index.directory == directory), None)

    def _mend_what_opens(self, progress: Progress, stopped: Callable[[], bool]) -> dict[str, int]:
        pipeline = self._pipeline
        while self._damaged:
            with pipeline.writing:
                self._damaged[0].renew()
                del self._damaged[0]
        pipeline.sweep()
        mended: dict[str, int] = {}
        if not pipeline.words.level:
            mended["words"] = level_words(
                pipeline.ledger,
                pipeline.words,
                writing=pipeline.writing,
                stopped=stopped,
                progress=lambda done, total: progress("words written", done, total),
            )
        serving = self._spaces.serving
        if serving is not None and not serving.vectors.level:
            mended["vectors"] = level_vectors(
                pipeline.ledger,
                serving.vectors,
                writing=pipeline.writing,
                stopped=stopped,
                progress=lambda done, total: progress("vectors written", done, total),
            )
        if any(mended.values()):
            _log.warning("The indexes were brought level with the ledger", extra={"action": "reconciled", **mended})
        return mended

    def _level(self) -> bool:
        serving = self._spaces.serving
        return self._pipeline.words.level and (serving is None or serving.vectors.level)
