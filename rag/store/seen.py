"""What was last seen of each source and its documents: what a sync compares the listing with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rag.access import Confidentiality
from rag.documents import DocumentId, DocumentRef, Recorded
from rag.store.hiding import HidingPlaces
from rag.store.rows import SourceState, acl_of, state_of

_KNOWN = (
    "SELECT id, key, seen_stamp, seen_version, seen_recipe, acl_class, confidentiality FROM documents"
    " WHERE source = ? AND parent IS NULL"
)
_PAGE = 2000


class Stretch(NamedTuple):
    """Ids from `first` to before `beyond`, level with a listing of this signature."""

    first: str
    beyond: str
    signature: bytes | None


class Known(NamedTuple):
    """One row of `Seen.scan`: a plain tuple, for there may be a million."""

    id: DocumentId
    key: str
    stamp: str
    version: str
    recipe: str
    acl_class: int
    confidentiality: int


class Seen(HidingPlaces):
    """The ledger's memory of what a source listed."""

    def stretches(self, source: str) -> list[Stretch]:
        """The stretches in which everything is level, in order."""
        rows = self._all("SELECT first, beyond, signature FROM stretches WHERE source = ? ORDER BY first", source)
        return [Stretch(*row) for row in rows]

    def between(self, source: str, first: str, beyond: str) -> list[Known]:
        """What was last seen of each top-level document with an id from `first` to before `beyond`."""
        return self._known(f"{_KNOWN} AND id >= ? AND id < ?", source, first, beyond)

    def scan(self, source: str, ranges: Sequence[str] = ("",)) -> Iterator[Known]:
        """What was last seen of each top-level document in the ranges, failed ones included, in order of id.

        Read by the page: other threads get their turn, and a million rows take no memory.
        """
        for entry in ranges:
            first = f"{source}:{entry}"
            if entry and not entry.endswith("/"):
                yield from self._known(f"{_KNOWN} AND id = ?", source, first)
                continue
            last = first[:-1] + chr(ord(first[-1]) + 1)
            page = self._known(f"{_KNOWN} AND id >= ? AND id < ? ORDER BY id LIMIT {_PAGE}", source, first, last)
            while page:
                yield from page
                page = (
                    self._known(f"{_KNOWN} AND id > ? AND id < ? ORDER BY id LIMIT {_PAGE}", source, page[-1].id, last)
                    if len(page) == _PAGE
                    else []
                )

    def recorded(self, known: Iterable[Known]) -> dict[DocumentId, Recorded]:
        """The same as planning wants it."""
        readers = {row["id"]: acl_of(row["readers"]) for row in self._all("SELECT id, readers FROM acl_classes")}
        return {
            row.id: Recorded(
                ref=DocumentRef(
                    id=row.id,
                    key=row.key,
                    version=row.version,
                    acl=readers[row.acl_class],
                    confidentiality=Confidentiality(row.confidentiality),
                ),
                recipe=row.recipe,
                stamp=row.stamp,
            )
            for row in known
        }

    def size(self, source: str) -> int:
        """How many top-level documents a source has."""
        rows = self._all("SELECT count(*) FROM documents WHERE source = ? AND parent IS NULL", source)
        return int(rows[0][0])

    def source_state(self, source: str) -> SourceState:
        """What is known of a source; blank where it was never listed."""
        rows = self._all("SELECT * FROM source_states WHERE source = ?", source)
        return state_of(rows[0]) if rows else SourceState()

    def _known(self, sql: str, *parameters: object) -> list[Known]:
        return [Known(*row) for row in self._all(sql, *parameters)]
