"""What may be concluded from a source as it is now: the plan, what must wait, and what could not be looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.documents import DocumentId, DocumentRef, Listing, Plan, Recorded, Shut, ranges, same_but_for_rights
from rag.errors import DocumentError, DocumentVanished, SourceUnavailable
from rag.ingest.comparison import Differences, compare
from rag.ingest.plan import plan
from rag.ports import Connector
from rag.store.ledger import Ledger
from rag.store.seen import Stretch


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What would make the index equal to a source.

    `listings` and `recorded` hold what differs. `touched` have another stamp and the same content. `unread` could not
    be looked into, with the reason; nor could the folders in `shut`. `later` are left for the next run: being written,
    or gone between two looks. `level` are stretches where nothing differs, to be remembered. `held` are removals that
    wait, for the reason `why_held`. `roots` is the identity to remember, None to keep the old.
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
    rights: Callable[[Sequence[tuple[Listing, DocumentRef]]], None] = lambda changed: None,
) -> Survey:
    """List and compare what lies in the scopes (see `rag.documents.ranges`); nothing is changed.

    A file whose stamp is the remembered one is not opened, unless `read_again`; nor is one whose rights changed and
    whose size, time and inode did not. One that is not `settled` is left for later. `rights` is told, before any file
    is opened, of documents whose rights or class are other than recorded, as listed and as recorded: opening may take
    hours.

    Raises:
        SourceError: the source cannot be listed, or became another while it was; nothing is concluded from it.
    """
    within = ranges(scopes)
    roots = connector.roots()
    seen = compare(connector, ledger, within, recipe=recipe, read_again=read_again)
    if connector.roots() != roots:
        raise SourceUnavailable(f'The source "{connector.name}" was mounted or unmounted while it was listed.')
    recorded = ledger.recorded(seen.known.values())
    recorded |= {name: _blank(recorded[name]) for name in seen.listings.keys() & recorded if not recorded[name].stamp}
    rights(_with_other_rights(seen, recorded))
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


def other_rights(connector: Connector, ledger: Ledger, *, recipe: str) -> list[tuple[Listing, DocumentRef]]:
    """Documents of the source whose rights or class are other than recorded, as listed and as recorded; no file is
    opened.

    Raises:
        SourceError: the source cannot be listed.
    """
    seen = compare(connector, ledger, ranges(("",)), recipe=recipe, read_again=False)
    return _with_other_rights(seen, ledger.recorded(seen.known.values()))


def _with_other_rights(seen: Differences, recorded: Mapping[DocumentId, Recorded]) -> list[tuple[Listing, DocumentRef]]:
    known = [(listing, recorded[name]) for name, listing in seen.listings.items() if name in recorded]
    return [(listing, old.ref) for listing, old in known if _other(listing, old)]


def _other(listing: Listing, old: Recorded) -> bool:
    """Whether who may read it, or how secret it is, is not as recorded."""
    return listing.acl != old.ref.acl or listing.confidentiality != old.ref.confidentiality


def _same_content(listing: Listing, old: Recorded) -> bool:
    return same_but_for_rights(listing.stamp, old.stamp)


def _blank(old: Recorded) -> Recorded:
    """A document without a stamp has not been read as it is now, whatever its version: it is replaced."""
    return replace(old, ref=replace(old.ref, version=""))


def _shut(seen: Differences, recorded: Mapping[DocumentId, Recorded]) -> tuple[dict[DocumentId, str], set[DocumentId]]:
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
    seen: Differences,
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
        stamped = old and old.stamp != listing.stamp and not (_other(listing, old) and _same_content(listing, old))
        if (old and (stamped or not version or read_again)) or (not old and recorded):
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
        elif old and old.stamp != listing.stamp:
            touched.append(name)
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
