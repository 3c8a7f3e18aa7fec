"""A source as it is listed now beside what the ledger remembers of it: what differs.

Both come in order of document id and are compared stretch by stretch, so that a million unchanged files cost neither
memory nor a look into any of them. A stretch in which everything was level last time is known by its signature; the
ledger forgets the signature with any change of a row in it.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag.access import Acl
from rag.documents import DocumentId, Listing, Shut
from rag.ports import Connector
from rag.store.ledger import Ledger
from rag.store.seen import Known, Stretch

_LONGEST = 1000  # documents in a stretch
_LEAST = "\x1f"  # below every character of an id


@dataclass(slots=True)
class Differences:
    """`listings` that are new or not as remembered; rows `known` of documents that differ or were not listed; folders
    that were `shut`; stretches that are `level` and not yet remembered."""

    listings: dict[DocumentId, Listing] = field(default_factory=dict)
    known: dict[DocumentId, Known] = field(default_factory=dict)
    shut: list[Shut] = field(default_factory=list)
    level: list[Stretch] = field(default_factory=list)
    unchanged: int = 0


def compare(
    connector: Connector, ledger: Ledger, within: Sequence[str], *, recipe: str, read_again: bool
) -> Differences:
    """Walk along both and keep what differs. With `read_again` nothing counts as unchanged.

    Raises:
        SourceError: the source cannot be listed.
    """
    with _collector_paused():
        return _walk(connector, ledger, within, recipe=recipe, read_again=read_again)


def _walk(connector: Connector, ledger: Ledger, within: Sequence[str], *, recipe: str, read_again: bool) -> Differences:
    comparison = _Comparison(ledger, connector.name, recipe=recipe, read_again=read_again)
    stretches = iter(_stretches(ledger, connector.name, within))
    first, beyond, signature = next(stretches)
    entries: list[Listing] = []
    last = ""
    for listing in connector.listings(within):
        if isinstance(listing, Shut):
            comparison.seen.shut.append(listing)
            continue
        name = listing.id
        if name <= last:
            raise ValueError(f"the connector lists {name!r} after {last!r}: listings come in order of id")
        last = name
        while name >= beyond:
            comparison.compare(Stretch(first, beyond, signature), entries)
            entries = []
            first, beyond, signature = next(stretches)
        if signature is None and len(entries) == _LONGEST:
            comparison.compare(Stretch(first, name, None), entries)
            entries, first = [], name
        entries.append(listing)
    comparison.compare(Stretch(first, beyond, signature), entries)
    for stretch in stretches:
        comparison.compare(stretch, [])
    return comparison.seen


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A million small tuples that hold no circles: the garbage collector would look through them again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _stretches(ledger: Ledger, source: str, within: Sequence[str]) -> Iterator[Stretch]:
    """The ranges of ids to compare, in order: those known to be level and those between them."""
    if within != ("",):
        for entry in within:
            first = f"{source}:{entry}"
            yield Stretch(first, _end(first) if entry.endswith("/") else first + _LEAST, None)
        return
    at, end = f"{source}:", _end(f"{source}:")
    for stretch in ledger.stretches(source):
        if stretch.first > at:
            yield Stretch(at, stretch.first, None)
        yield stretch
        at = stretch.beyond
    if at < end:
        yield Stretch(at, end, None)


def _end(prefix: str) -> str:
    """What comes after everything that begins with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class _Comparison:
    """Compares stretches and collects what differs."""

    def __init__(self, ledger: Ledger, source: str, *, recipe: str, read_again: bool) -> None:
        self.seen = Differences()
        self._ledger, self._source, self._recipe, self._read_again = ledger, source, recipe, read_again
        self._classes = _Classes(ledger)

    def compare(self, stretch: Stretch, entries: Sequence[Listing]) -> None:
        """One stretch: by its signature where it has one, else row by row."""
        signature = self._signature(entries)
        if signature is not None and signature == stretch.signature and not self._read_again:
            self.seen.unchanged += len(entries)
            return
        rows = {row.id: row for row in self._ledger.between(self._source, stretch.first, stretch.beyond)}
        level = len(rows) == len(entries)
        for listing in entries:
            row = rows.pop(listing.id, None)
            if row is not None and self._equal(row, listing):
                self.seen.unchanged += 1
                continue
            level = False
            self.seen.listings[listing.id] = listing
            if row is not None:
                self.seen.known[row.id] = row
        self.seen.known |= rows
        if level and signature is not None:
            self.seen.level.append(Stretch(stretch.first, stretch.beyond, signature))

    def _equal(self, row: Known, listing: Listing) -> bool:
        return (
            row.stamp == listing.stamp
            and row.recipe == self._recipe
            and bool(row.version)
            and not self._read_again
            and row.confidentiality == listing.confidentiality
            and row.acl_class == self._classes.of(listing.acl)
        )

    def _signature(self, entries: Sequence[Listing]) -> bytes | None:
        """What tells these listings from others; None where there are none or their classes differ."""
        if not entries:
            return None
        _, _, acl, level, _ = entries[0]
        if any(entry[3] is not level for entry in entries):
            return None
        words = [self._recipe, str(self._classes.of(acl)), str(int(level))]
        if any(entry[2] is not acl for entry in entries):
            words[1] = " ".join(str(self._classes.of(entry[2])) for entry in entries)
        words += [word for entry in entries for word in entry[:2]]
        return hashlib.sha256("\n".join(words).encode()).digest()


class _Classes:
    """Rights to their small integers; looked up once each."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last: tuple[Acl, int | None] | None = None
        self._known: dict[Acl, int | None] = {}

    def of(self, acl: Acl) -> int | None:
        if self._last is None or self._last[0] is not acl:
            if acl not in self._known:
                self._known[acl] = self._ledger.acl_class_of(acl)
            self._last = (acl, self._known[acl])
        return self._last[1]
