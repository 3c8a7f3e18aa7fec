"""Documents through the pipeline side by side: some are read while others are embedded and others are recorded.

Readers fetch and parse ahead, in threads that wait for their children; the caller's thread embeds a window of chunks,
sorted by length so that little is padded; one writer records the window before it. Everything ahead is bounded, in
documents and in bytes, so that ten times the documents take no more memory. A document that takes long, a recording of
an hour, holds up neither what was read before it, nor whoever must look at something meanwhile, nor the end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from rag.documents import DocumentRef
from rag.errors import ReadingStopped
from rag.ingest.draft import Draft
from rag.ingest.one import Pipeline
from rag.ports import Vector

_WINDOW_CHUNKS = 512
_WINDOW_DOCUMENTS = 200
_WINDOW_S = 10.0  # what was read is found after so long, and progress is seen
_AHEAD_BYTES = 64 << 20
_BEAT_S = 0.5


@dataclass(frozen=True, slots=True)
class Halt:
    """A document that did not get as far as a draft, and why."""

    error: Exception


Outcome = list[Draft] | Halt


class Flow:
    """Runs documents through a pipeline. `written` is told what became of each once it is recorded, `ended` that it is
    through, and `beat` is called twice a second while one is waited for; all in the caller's thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        workers: int,
        written: Callable[[DocumentRef, Outcome], None],
        ended: Callable[[DocumentRef], None],
        beat: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline, self._workers, self._written, self._ended = pipeline, max(1, workers), written, ended
        self._beat, self._clock, self._began = beat, clock, clock()
        self._window: list[tuple[DocumentRef, Outcome]] = []
        self._vectors: dict[str, Vector] = {}
        self._recording: tuple[list[tuple[DocumentRef, Outcome]], Future[list[Draft]]] | None = None

    def run(
        self,
        todo: Sequence[DocumentRef],
        read: Callable[[DocumentRef], Outcome],
        *,
        size_of: Callable[[DocumentRef], int],
        stopped: Callable[[], bool],
    ) -> None:
        """Read, embed and record everything in `todo`; on `stopped` what was read by then and what `read` still gives.
        What it leaves with `ReadingStopped` is not recorded.

        Raises:
            StoreError, ModelError: what was recorded stays; the rest is taken at the next run.
        """
        readers = ThreadPoolExecutor(self._workers, thread_name_prefix="read")
        writer = ThreadPoolExecutor(1, thread_name_prefix="record")
        try:
            for one in self._ahead(readers, todo, read, size_of, stopped):
                if one is None:
                    self._beat()
                else:
                    self._began = self._began if self._window else self._clock()
                    self._window.append(one)
                if self._window and self._full():
                    self._embed(writer)
                elif one is None and self._recording is not None and self._recording[1].done():
                    self._settle()
            self._embed(writer)
            self._settle()
        finally:
            readers.shutdown(wait=True, cancel_futures=True)
            writer.shutdown(wait=True)

    def _ahead(
        self,
        readers: ThreadPoolExecutor,
        todo: Sequence[DocumentRef],
        read: Callable[[DocumentRef], Outcome],
        size_of: Callable[[DocumentRef], int],
        stopped: Callable[[], bool],
    ) -> Iterator[tuple[DocumentRef, Outcome] | None]:
        """Each document with what reading it gave, in order; at most two a worker are under way or waiting. None each
        time the next one is still being read."""

        def begin(ref: DocumentRef) -> Outcome:
            if stopped():
                raise ReadingStopped("it was not begun")
            return read(ref)

        waiting: deque[tuple[DocumentRef, Future[Outcome]]] = deque()
        left = deque(todo)
        while (left and not stopped()) or waiting:
            while left and not stopped() and self._room(waiting, left[0], size_of):
                ref = left.popleft()
                waiting.append((ref, readers.submit(begin, ref)))
            if waiting:
                ref, future = waiting.popleft()
                while not future.done():
                    wait([future], timeout=_BEAT_S)
                    if not future.done():
                        yield None
                try:
                    outcome = future.result()
                except ReadingStopped:
                    continue
                yield ref, outcome

    def _room(
        self,
        waiting: deque[tuple[DocumentRef, Future[Outcome]]],
        ref: DocumentRef,
        size_of: Callable[[DocumentRef], int],
    ) -> bool:
        if not waiting:
            return True
        ahead = sum(size_of(other) for other, _ in waiting) + size_of(ref)
        return len(waiting) < 2 * self._workers and ahead <= _AHEAD_BYTES

    def _full(self) -> bool:
        drafts = [outcome for _, outcome in self._window if isinstance(outcome, list)]
        chunks = sum(len(draft.chunks) for outcome in drafts for draft in outcome)
        waited_s = self._clock() - self._began
        return chunks >= _WINDOW_CHUNKS or len(self._window) >= _WINDOW_DOCUMENTS or waited_s >= _WINDOW_S

    def _embed(self, writer: ThreadPoolExecutor) -> None:
        """The window's vectors; meanwhile the window before is recorded."""
        window, self._window = self._window, []
        drafts = [draft for _, outcome in window if isinstance(outcome, list) for draft in outcome]
        vectors = self._pipeline.embed(drafts, self._vectors) if drafts else None
        self._vectors = vectors or {}
        self._settle()
        if vectors is None:
            self._tell(window)
            return
        self._recording = (window, writer.submit(self._pipeline.commit, drafts, vectors))

    def _settle(self) -> None:
        if self._recording is not None:
            window, future = self._recording
            self._recording = None
            recorded = {draft.ref.key for draft in future.result()}
            self._tell([(ref, _recorded(outcome, recorded)) for ref, outcome in window])

    def _tell(self, window: list[tuple[DocumentRef, Outcome]]) -> None:
        for ref, outcome in window:
            self._written(ref, outcome)
            self._ended(ref)


def _recorded(outcome: Outcome, keys: Set[str]) -> Outcome:
    """What of it was recorded: some may have been erased while it waited."""
    return outcome if isinstance(outcome, Halt) else [draft for draft in outcome if draft.ref.key in keys]
