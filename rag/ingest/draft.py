"""What becomes of one document before it is recorded: its chunks, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass

from rag.documents import Chunk, Document, DocumentRef, RawDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document ready to be embedded, or the reason why not."""

    ref: DocumentRef
    raw: RawDocument
    stamp: str
    parent: str | None
    document: Document | None = None
    chunks: tuple[Chunk, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    unfinished: bool = False
    """It, or a document inside it, is to be read again by the next run."""

    @property
    def remembered(self) -> str:
        """The stamp that is recorded: none where the next run is to look again."""
        return "" if self.unfinished else self.stamp
