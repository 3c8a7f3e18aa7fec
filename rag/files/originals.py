"""The files behind documents, for whoever may read them now: opened through the connector, compared with what was
indexed, never kept. What stands inside a container is taken out of it anew, in a disposable child.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import BinaryIO

from connectors.names import unreadable
from connectors.original import OpenFile
from rag.access import Principal
from rag.documents import DocumentRef, RawDocument
from rag.errors import ChangingDocument, DocumentError, DocumentVanished, RagError, SourceUnavailable
from rag.files.sources import Sources
from rag.ingest.parse import ParserPool
from rag.ingest.parts import parts_of
from rag.store.ledger import Ledger
from rag.store.rows import Entry, source_of

_BLOCK = 256 << 10
_AT_ONCE = 2
_PATIENCE_S = 10.0


class Occupied(RagError):
    """Others use what only a few can at once."""


class PartNotGiven(DocumentError):
    """A document could not be taken out of its container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A file to be handed out. `version` is the sha256 of its content, "" where it is not known: the file could not be
    read as a document. Whoever opened it closes it."""

    name: str
    media_type: str
    size_bytes: int
    version: str
    modified_at: datetime
    file: BinaryIO
    unchanged: Callable[[], bool] = lambda: True

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """Its bytes from `start` to before `end`, piece by piece.

        Raises:
            ChangingDocument: it is written to meanwhile.
        """
        self.file.seek(start)
        while start < end:
            block = self.file.read(min(_BLOCK, end - start))
            if not block or not self.unchanged():
                raise ChangingDocument("the file changed while it was read; it is taken at the next run")
            start += len(block)
            yield block

    def close(self) -> None:
        """Let go of it."""
        self.file.close()


class Originals:
    """Thread-safe. `parser` is asked for only where something is inside something."""

    def __init__(self, ledger: Ledger, sources: Sources, parser: Callable[[], ParserPool]) -> None:
        self._ledger, self._sources, self._parser = ledger, sources, parser
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def open(self, entry: Entry, principal: Principal) -> Original | None:
        """The file of a document; None where this person may not read it any more, whatever the ledger still says.

        Raises:
            DocumentVanished, ChangingDocument: it is gone, or no longer what was indexed.
            SourceUnavailable, SourceDenied: it cannot be reached now.
            PartNotGiven: it could not be taken out of its container.
            UnreadableDocument: it cannot be opened.
            Occupied: see there.
        """
        chain = self._chain(entry)
        opened = self._opened(chain[0])
        try:
            if not opened.acl.admits(principal):
                opened.close()
                return None
            self._compare(chain[0], opened)
            if len(chain) == 1:
                return Original(
                    name=_file_name(entry),
                    media_type=entry.media_type,
                    size_bytes=opened.size_bytes,
                    version=_expected(entry),
                    modified_at=opened.modified_at,
                    file=opened.file,
                    unchanged=lambda: opened.unchanged,
                )
            with self.turn():
                body = _whole(opened)
                for container, part in pairwise(chain):
                    body = self._inside(container, part, body)
        except BaseException:
            opened.close()
            raise
        opened.close()
        return Original(
            name=_file_name(entry),
            media_type=entry.media_type,
            size_bytes=len(body),
            version=_expected(entry),
            modified_at=opened.modified_at,
            file=io.BytesIO(body),
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of the few turns in which a file is in memory as a whole.

        Raises:
            Occupied: none came free in time.
        """
        if not self._free.acquire(timeout=_PATIENCE_S):
            raise Occupied("Others are opening large documents just now. Try again in a few seconds.")
        try:
            yield
        finally:
            self._free.release()

    def _chain(self, entry: Entry) -> list[Entry]:
        """The file, what is inside it, and so on to this document."""
        chain = [entry]
        while (parent := chain[0].parent) is not None:
            above = self._ledger.entry(parent)
            if above is None:
                raise DocumentVanished("the file it was inside is gone")
            chain.insert(0, above)
        return chain

    def _opened(self, entry: Entry) -> OpenFile:
        folder = self._sources.folder(source_of(entry.id))
        if folder is None:
            raise SourceUnavailable(f"The source of {entry.id} is no longer in the settings; its files are not opened.")
        return folder.original(entry.id)

    def _compare(self, entry: Entry, opened: OpenFile) -> None:
        """See that the file is the one that was indexed: by its stamp, as a sync does, else by its content."""
        expected = _expected(entry)
        if not expected:
            return
        (seen,) = self._ledger.rows("SELECT seen_stamp, seen_version FROM documents WHERE key = ?", entry.key) or (
            None,
        )
        if seen is not None and seen["seen_stamp"] == opened.stamp and seen["seen_version"] == expected:
            return
        digest = hashlib.sha256()
        while block := opened.file.read(_BLOCK):
            digest.update(block)
        if digest.hexdigest() != expected or not opened.unchanged:
            raise ChangingDocument("the file changed since it was indexed; it is taken at the next run")
        opened.file.seek(0)

    def _inside(self, container: Entry, part: Entry, body: bytes) -> bytes:
        raw = RawDocument(
            ref=DocumentRef(id=container.id, version=""),
            title="",
            uri="",
            media_type=container.media_type,
            modified_at=container.modified_at,
            body=b"",
        )
        try:
            parsed = self._parser().parse(
                body, media_type=container.media_type, name=container.id.rsplit("/", 1)[-1], ocr=False
            )
        except DocumentError as error:
            raise PartNotGiven(f"{part.id} could not be taken out: {error}") from error
        for found in parts_of(raw, parsed.parts, keys={}):
            if found.ref.id == part.id and _expected(part) in ("", found.ref.version):
                return found.body
        raise ChangingDocument("what is inside the file has changed; it is taken at the next run")


def _whole(opened: OpenFile) -> bytes:
    body = opened.file.read()
    if not opened.unchanged:
        raise ChangingDocument("the file changed while it was read; it is taken at the next run")
    return body


def _expected(entry: Entry) -> str:
    """The version that was indexed; "" where the newest file could not be, and is given as it is."""
    return (entry.version or "") if entry.reason is None else ""


def _file_name(entry: Entry) -> str:
    """The name a person knows the file by."""
    if "!/" in entry.id:
        return entry.id.rsplit("!/", 1)[1].rsplit("/", 1)[-1]
    return unreadable(entry.id.split(":", 1)[1]).rsplit(b"/", 1)[-1].decode("utf-8", "replace")
