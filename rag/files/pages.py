"""Pages of PDF documents as pictures, and where a stretch of the indexed text stands on them. Drawn in a disposable
child; a few are kept in memory, each for one version of one document, so that rights are the caller's business alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

from rag.access import Principal
from rag.documents import Document, Span
from rag.errors import ChangingDocument
from rag.files.originals import Originals
from rag.ingest.parse import ParserPool
from rag.ingest.parse.shown import Marks, PagePicture
from rag.store.rows import Entry

PDF: Final = "application/pdf"
_AROUND: Final = 200
_KEPT_BYTES: Final = 32 << 20
_MARKS_BYTES: Final = 4096  # what marks are counted as

T = TypeVar("T")


class Pages:
    """Thread-safe."""

    def __init__(self, originals: Originals, parser: Callable[[], ParserPool]) -> None:
        self._originals, self._parser = originals, parser
        self._kept = _Kept(_KEPT_BYTES)

    def picture(self, entry: Entry, principal: Principal, *, page: int, width: int) -> PagePicture | None:
        """A page of the version that is indexed (1-based), at most `width` pixels wide; None where this person may not
        read the file any more.

        Raises:
            Occupied, DocumentError, SourceError: see `Originals.open`; and it cannot be drawn.
        """
        return self._made(
            entry,
            principal,
            ("picture", page, width),
            lambda body: self._parser().picture(body, page=page, width=width),
            size=lambda picture: len(picture.png),
        )

    def marks(self, entry: Entry, document: Document, principal: Principal, *, page: int, span: Span) -> Marks | None:
        """Where a span of the text stands on a page; else as `picture`."""
        text = document.text
        around = text[max(0, span.start - _AROUND) : span.start], text[span.end : span.end + _AROUND]
        return self._made(
            entry,
            principal,
            ("marks", page, span.start, span.end),
            lambda body: self._parser().marks(body, page=page, quote=span.of(text), around=around),
            size=lambda marks: _MARKS_BYTES,
        )

    def _made(
        self,
        entry: Entry,
        principal: Principal,
        which: tuple[Hashable, ...],
        make: Callable[[bytes], T],
        *,
        size: Callable[[T], int],
    ) -> T | None:
        if entry.state != "indexed":
            raise ChangingDocument("what was indexed is not what the file is now")
        name = (entry.key, entry.version, *which)
        if (known := self._kept.get(name)) is not None:
            return cast(T, known)  # made under the same name
        original = self._originals.open(entry, principal)
        if original is None:
            return None
        try:
            with self._originals.turn():
                made = make(b"".join(original.blocks(0, original.size_bytes)))
        finally:
            original.close()
        self._kept.put(name, made, size(made))
        return made


class _Kept:
    """The most recently used, up to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._left, self._lock = most_bytes, threading.Lock()
        self._found: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, name: Hashable) -> Any:
        with self._lock:
            if name not in self._found:
                return None
            self._found.move_to_end(name)
            return self._found[name][0]

    def put(self, name: Hashable, value: Any, size: int) -> None:
        with self._lock:
            if name in self._found:
                return
            self._found[name] = (value, size)
            self._left -= size
            while self._left < 0:
                _, (_, freed) = self._found.popitem(last=False)
                self._left += freed
