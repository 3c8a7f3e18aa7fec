"""A source as it is now beside what the ledger remembers of it: what differs, and what may be concluded from it.

Both come in order of document id and are compared as they come, so that a million unchanged files cost neither memory
nor a look into any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.access import Acl
from rag.documents import DocumentId, DocumentRef, Listing, Plan, Recorded, Shut, ranges
from rag.errors import DocumentError, DocumentVanished, SourceUnavailable
from rag.ingest.plan import plan
from rag.ports import Connector
from rag.store.ledger import Ledger
from rag.store.reading import Known, Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """When removals wait for a person: more than `count` documents, or more than `share` of the source and at least
    `least`."""

    count: int = 50
    share: float = 0.05
    least: int = 10

    def holds(self, gone: int, *, of: int) -> bool:
        """Whether so many at once look like a share that dropped, not like somebody tidying up."""
        return gone > self.count or (gone >= self.least and gone > of * self.share)


HOLD = Hold()
_LONGEST = 1000  # documents in a stretch
_LEAST = "\x1f"  # below every character of an id


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What would make the index equal to a source.

    `listings` and `recorded` hold what differs. `touched` have another stamp and the same content. `unread` could not
    be looked into, with the reason; nor could the folders in `shut`. `later` are left for the next run: being written,
    or gone between two looks. `level` are stretches where nothing differs, to be remembered. `held` are removals that wait, for the reason `why_held`. `roots` is the identity to
    remember, None to keep the old.
    """

    plan: Plan
    listings: Mapping[DocumentId, Listing]
    recorded: Mapping[DocumentId, Recorded]
    touched: tuple[DocumentId, ...]
    unread: Mapping[DocumentId, str]
    shut: tuple[Shut, ...]
    later: frozenset[DocumentId]
    unchanged: int
    level: tuple[Stretch, ...]
    held: tuple[DocumentId, ...]
    why_held: str
    roots: Mapping[str, str] | None


@dataclass(slots=True)
class _Seen:
    """What a pass over listing and ledger left."""

    listings: dict[DocumentId, Listing] = field(default_factory=dict)
    known: dict[DocumentId, Known] = field(default_factory=dict)
    shut: list[Shut] = field(default_factory=list)
    level: list[Stretch] = field(default_factory=list)
    unchanged: int = 0


def survey(
    connector: Connector,
    ledger: Ledger,
    *,
    recipe: str,
    scopes: Sequence[str] = ("",),
    hold: Hold = HOLD,
    settled: Callable[[Listing], bool] = lambda listing: True,
    confirm_removals: bool = False,
    read_again: bool = False,
) -> Survey:
    """List and compare what lies in the scopes (see `rag.documents.ranges`); nothing is changed.

    A file whose stamp is the remembered one is not opened, unless `read_again`; one that is not `settled` is left for
    later.

    Raises:
        SourceError: the source cannot be listed, or became another while it was; nothing is concluded from it.
    """
    within = ranges(scopes)
    roots = connector.roots()
    seen = _compare(connector, ledger, within, recipe=recipe, read_again=read_again)
    if connector.roots() != roots:
        raise SourceUnavailable(f'The source "{connector.name}" was mounted or unmounted while it was listed.')
    recorded = ledger.recorded(seen.known.values())
    recorded |= {name: _blank(recorded[name]) for name in seen.listings.keys() & recorded if not recorded[name].stamp}
    unread, later = _shut(seen, recorded)
    later |= {listing.id for listing in seen.listings.values() if not settled(listing)}
    refs, touched = _read(connector, seen, recorded, unread, later, read_again=read_again)
    left_out = unread.keys() | later
    found = plan(refs, {name: old for name, old in recorded.items() if name not in left_out}, recipe=recipe)
    state = ledger.source_state(connector.name)
    held, why = ((), "") if confirm_removals else _held(found, connector.name, state.roots, roots, ledger, hold)
    dropped = state.roots and state.roots != roots and (held or within != ("",))
    return Survey(
        plan=replace(found, remove=tuple(name for name in found.remove if name not in held)),
        listings=seen.listings,
        recorded=recorded,
        touched=tuple(touched),
        unread=unread,
        shut=tuple(shut for shut in seen.shut if shut.reason),
        later=frozenset(later),
        unchanged=seen.unchanged,
        level=tuple(seen.level) if within == ("",) else (),
        held=tuple(sorted(held)),
        why_held=why,
        roots=None if dropped else roots,
    )


def _compare(connector: Connector, ledger: Ledger, within: Sequence[str], *, recipe: str, read_again: bool) -> _Seen:
    """Walk along both, stretch by stretch, and keep what differs."""
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
        self.seen = _Seen()
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
        """What tells these listings from others; None where there are none or their readers differ."""
        if not entries:
            return None
        _, _, acl, level, _ = entries[0]
        if any(entry[2] is not acl or entry[3] is not level for entry in entries):
            return None
        words = [self._recipe, str(self._classes.of(acl)), str(int(level))]
        words += [word for entry in entries for word in entry[:2]]
        return hashlib.sha256("\n".join(words).encode()).digest()


def _blank(old: Recorded) -> Recorded:
    """A document without a stamp has not been read as it is now, whatever its version: it is replaced."""
    return replace(old, ref=replace(old.ref, version=""))


class _Classes:
    """Sets of readers to their small integers; looked up once each."""

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


def _shut(seen: _Seen, recorded: Mapping[DocumentId, Recorded]) -> tuple[dict[DocumentId, str], set[DocumentId]]:
    """(documents below a folder that may not be looked into, with the reason; those below one that was just gone)."""
    unread: dict[DocumentId, str] = {}
    later: set[DocumentId] = set()
    for shut in seen.shut:
        below = [name for name in recorded if name.startswith(shut.prefix)]
        if shut.reason:
            unread |= dict.fromkeys(below, shut.reason)
        else:
            later |= set(below)
    return unread, later


def _read(
    connector: Connector,
    seen: _Seen,
    recorded: Mapping[DocumentId, Recorded],
    unread: dict[DocumentId, str],
    later: set[DocumentId],
    *,
    read_again: bool,
) -> tuple[list[DocumentRef], list[DocumentId]]:
    """References of what is listed, and which were only touched. A new file is read only where it may have come from a
    place that changed: else its content is hashed when it is fetched."""
    refs: list[DocumentRef] = []
    touched: list[DocumentId] = []
    for name, listing in seen.listings.items():
        if name in later:
            continue
        old = recorded.get(name)
        version = old.ref.version if old else ""
        if (old and (old.stamp != listing.stamp or not version or read_again)) or (not old and recorded):
            try:
                found = connector.version(listing)
            except DocumentVanished:
                later.add(name)  # it was there a moment ago: the next listing decides
                continue
            except DocumentError as error:
                unread[name] = str(error)
                continue
            if old and found == version:
                touched.append(name)
            version = found
        refs.append(DocumentRef(id=name, version=version, acl=listing.acl, confidentiality=listing.confidentiality))
    return refs, touched


def _held(
    found: Plan, source: str, before: Mapping[str, str], now: Mapping[str, str], ledger: Ledger, hold: Hold
) -> tuple[frozenset[DocumentId], str]:
    """The removals that wait, and why. A document whose name another one took is overwritten, not gone."""
    gone = frozenset(found.remove) - {ref.id for _, ref in found.move}
    if not gone:
        return frozenset(), ""
    size = ledger.size(source)
    if hold.holds(len(gone), of=size):
        return gone, f"{len(gone)} of {size} documents are gone at once"
    others = [path for path in before.keys() | now.keys() if before and before.get(path) != now.get(path)]
    below = frozenset(name for name in gone if any(name.startswith(f"{source}:{path}") for path in others))
    return below, "another disk or share is mounted there than last time" if below else ""
