"""`ParserPool`: parse documents in disposable children, so that a hang, a bomb or a crash costs one file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, TypeVar

from rag.documents import Parsed
from rag.errors import (
    DocumentError,
    DocumentWaits,
    EmptyDocument,
    ReadingStopped,
    UnreadableDocument,
    UnsupportedFormat,
)
from rag.ingest.parse import ocr as ocr_engines
from rag.ingest.parse.profiles import PROFILES, fingerprint
from rag.ingest.parse.shown import MARKS, PICTURE, Marks, PagePicture, marks_of, picture_of
from rag.ingest.parse.speech import Speech
from rag.ingest.parse.wire import Garbled, decode
from rag.ingest.parse.worker import Child, ChildEnded, Limits

_log = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_DOCUMENTS_A_CHILD: Final = 200
_MAX_MB_A_CHILD: Final = 512
_HEARING_CPU_S: Final = 24 * 3600.0  # the clock, which starts again with each sentence, ends it long before
_ERRORS: Final[dict[str, type[DocumentError]]] = {
    error.__name__: error for error in (UnsupportedFormat, UnreadableDocument, EmptyDocument, DocumentWaits)
}


def _never() -> bool:
    return False


class ParserPool:
    """Up to `workers` warm children; each is replaced after a failure, 200 documents, 512 MB of them, or when a
    document has left it with a quarter of its memory in use.

    Thread-safe: as many threads as there are workers parse at the same time, each with a child of its own, the others
    wait. Nothing is started before the first `parse`. `timeout_s` is wall-clock time a document, and starts again with
    each picture that is read by OCR, and every 20 s that speech is heard (at most 500 times). An OCR engine inside the
    child may use 1.25 GB more than `memory_mb`. A document that crashes a child which has read others before is tried
    once more in a fresh one: what another left behind must not cost it its text.

    Children are started as programs, not forked: nothing of the service's memory is in them, and what the service has
    closed for itself (audit hooks end with exec; namespaces, seccomp, Landlock, rlimits stay) they inherit and then add
    their own walls to. A supervisor forked before would be one more process that is open, and hold none of it better.
    """

    def __init__(
        self, *, profile: str = "default", workers: int = 1, timeout_s: float = 60.0, memory_mb: int = 1024,
        max_text_chars: int = 20_000_000, ocr: bool = True, speech: Speech | None = None,
    ) -> None:  # fmt: skip
        if profile not in PROFILES:
            raise ValueError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
        self._profile = profile
        self._speech = speech
        self._ocr_wanted = ocr and profile not in ("probe", "recordings")
        self._ocr = ocr_engines.available() if self._ocr_wanted else ocr_engines.OFF
        self._limits = Limits(
            timeout_s=timeout_s, memory_mb=memory_mb, max_text_chars=max_text_chars,
            extra_memory_mb=ocr_engines.extra_memory_mb(self._ocr), cpu_s=_HEARING_CPU_S if speech else None,
            memory_key="ingest.speech_memory_mb" if speech else "",
        )  # fmt: skip
        self._free = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._closed = False
        # Children die with the thread that started them (PR_SET_PDEATHSIG): one that lives as long as the pool.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parse-starter")

    @property
    def fingerprint(self) -> str:
        """Profile, library versions, OCR engine: part of the recipe; a change means every document is parsed anew."""
        return self.recipe()

    def recipe(self, *, ocr: bool = True) -> str:
        """The fingerprint of what `parse` does with this `ocr`; another without, where the machine has an engine."""
        found = fingerprint(self._profile, ocr=self._ocr if ocr else ocr_engines.OFF)
        return f"{found} {self._speech.fingerprint}" if self._speech else found

    def parse(
        self, body: bytes, *, media_type: str, name: str, ocr: bool = True, stopped: Callable[[], bool] = _never
    ) -> Parsed:
        """Text, sections and parts of one document; pictures of text are read unless `ocr` is off, here or in the pool.

        Raises:
            UnsupportedFormat, UnreadableDocument, EmptyDocument: with a reason for the person who owns the file.
            ReadingStopped: `stopped` said so; its child has been ended.
        """
        request = {"media_type": media_type, "name": name, "ocr": ocr and self._ocr_wanted}
        return self._done(request, body, decode, stopped)

    def picture(self, body: bytes, *, page: int, width: int) -> PagePicture:
        """A page of a PDF (1-based), at most `width` pixels wide.

        Raises:
            DocumentError: it cannot be drawn.
        """
        return self._done({"task": PICTURE, "page": page, "width": width}, body, picture_of)

    def marks(self, body: bytes, *, page: int, quote: str, around: tuple[str, str]) -> Marks:
        """Where a quote stands on a page of a PDF; see `rag.ingest.parse.locate`.

        Raises:
            DocumentError: it cannot be looked for.
        """
        return self._done({"task": MARKS, "page": page, "quote": quote, "around": list(around)}, body, _marks)

    def _done(
        self,
        request: dict[str, Any],
        body: bytes,
        read: Callable[[dict[str, Any], bytes], T],
        stopped: Callable[[], bool] = _never,
    ) -> T:
        with self._free:
            if stopped():
                raise ReadingStopped("it waited for its turn")
            child = self._take()
            try:
                return self._ask(child, request, body, read, stopped)
            except ChildEnded as error:
                if not error.crashed or child.documents == 1:
                    raise UnreadableDocument(error.reason) from error
            try:
                return self._ask(self._start(), request, body, read, stopped)
            except ChildEnded as error:
                raise UnreadableDocument(error.reason) from error

    def _ask(
        self,
        child: Child,
        request: dict[str, Any],
        body: bytes,
        read: Callable[[dict[str, Any], bytes], T],
        stopped: Callable[[], bool],
    ) -> T:
        try:
            header, raw = child.ask(request, body, stopped=stopped)
            found = _checked(header, raw, read)
        except ChildEnded as error:
            child.close()
            _log.warning("parser child ended", extra={"action": "parser_child_ended", "reason": error.reason})
            raise
        except DocumentError:
            self._give_back(child)
            raise
        except BaseException:
            child.close()
            raise
        self._give_back(child)
        return found

    def confinement(self) -> tuple[str, ...]:
        """The walls that stand round a child on this machine, one sentence each."""
        with self._free:
            child = self._take()
            walls = child.confinement
            self._give_back(child)
            return walls

    def close(self) -> None:
        """End every child. A parse that still runs ends its own."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()
        self._starter.shutdown()

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Child:
        while True:
            with self._lock:
                if self._closed:
                    raise RuntimeError("the parser pool is closed")
                child = self._idle.pop() if self._idle else None
            if child is None:
                return self._start()
            if child.alive:
                return child
            child.close()

    def _start(self) -> Child:
        child = self._starter.submit(
            Child, profile=self._profile, ocr=self._ocr, limits=self._limits, speech=self._speech
        ).result()
        try:
            child.wait_until_ready()  # here, so that one that is slow to start holds up no other thread's
        except ChildEnded as error:
            raise RuntimeError("the parser child does not start; run `rag doctor`") from error
        return child

    def _give_back(self, child: Child) -> None:
        spent = child.documents >= _MAX_DOCUMENTS_A_CHILD or child.body_bytes >= _MAX_MB_A_CHILD << 20
        spent = spent or child.swollen
        with self._lock:
            keep = child.alive and not spent and not self._closed
            if keep:
                self._idle.append(child)
        if not keep:
            child.close()


def _checked(header: dict[str, Any], raw: bytes, read: Callable[[dict[str, Any], bytes], T]) -> T:
    if header.get("ok") is True:
        try:
            return read(header, raw)
        except Garbled as error:
            raise ChildEnded("its parser gave back something that is no document") from error
    raise _ERRORS.get(str(header.get("error")), UnreadableDocument)(str(header.get("reason"))[:300])


def _marks(header: dict[str, Any], raw: bytes) -> Marks:
    return marks_of(header)
