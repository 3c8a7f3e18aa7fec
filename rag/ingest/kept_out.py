"""A source without what was erased: neither listed nor read, wherever it stands now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from rag.documents import DocumentId, DocumentRef, Listing, RawDocument, Shut
from rag.errors import DocumentVanished
from rag.ports import Connector, Watching
from rag.store.ledger import Ledger


class Drafted(Protocol):
    """A document that was read and is not recorded yet."""

    @property
    def ref(self) -> DocumentRef:
        """Which one; it has a key."""

    @property
    def parent(self) -> str | None:
        """The key of the document it lies in."""


_Read = TypeVar("_Read", bound=Drafted)


def not_erased(drafts: Sequence[_Read], ledger: Ledger) -> list[_Read]:
    """Those that were not erased since they were read, nor was what they lie in; containers come before their parts.
    True as long as nothing is erased: ask while the indexes are held for writing."""
    erased: set[str] = set()
    for draft in drafts:
        if draft.parent in erased or ledger.kept_out(draft.ref.id, draft.ref.version):
            erased.add(draft.ref.key)
    return [draft for draft in drafts if draft.ref.key not in erased]


class KeptOut:
    """A connector before another one. `count` is how many files of the last listing were kept out."""

    def __init__(self, connector: Connector, ledger: Ledger) -> None:
        self._connector, self._ledger = connector, ledger
        self.name, self.ocr = connector.name, connector.ocr
        self.count = 0

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        """What there is, but for places that have a tombstone."""
        graves = self._ledger.graveyard
        self.count = 0
        if not graves:
            return self._connector.listings(ranges)
        return (entry for entry in self._connector.listings(ranges) if not self._lies(entry))

    def _lies(self, entry: Listing | Shut) -> bool:
        if isinstance(entry, Shut) or not self._ledger.graveyard.has_place(entry.id):
            return False
        self.count += 1
        return True

    def roots(self) -> Mapping[str, str]:
        """See `rag.ports.Connector`."""
        return self._connector.roots()

    def uri(self, document: DocumentId) -> str:
        """See `rag.ports.Connector`."""
        return self._connector.uri(document)

    def version(self, listing: Listing) -> str:
        """See `rag.ports.Connector`."""
        return self._connector.version(listing)

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The bytes.

        Raises:
            DocumentVanished: they were erased, here or elsewhere; the place gets a tombstone of its own.
        """
        raw = self._connector.fetch(listing, ref)
        if self._ledger.kept_out(raw.ref.id, raw.ref.version):
            self._ledger.bury_copy(raw.ref.id, raw.ref.version)
            self.count += 1
            raise DocumentVanished("its content was erased and is not read again")
        return raw

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> Watching | None:
        """See `rag.ports.Connector`."""
        return self._connector.watch(changed, poll_s=poll_s)
