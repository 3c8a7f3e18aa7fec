"""One connector to rest: list, plan, run, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rag.documents import DocumentId, DocumentRef, Listing, Plan, Recorded
from rag.errors import ChangingDocument, DocumentError, DocumentVanished
from rag.ingest.one import Draft, Pipeline
from rag.ingest.plan import plan
from rag.ports import Connector, Progress

_BATCH_CHUNKS = 128
_HELD_COUNT, _HELD_SHARE, _HELD_LEAST = 50, 0.05, 10


@dataclass(slots=True, kw_only=True)
class Report:
    """What a sync did. `held` counts removals that wait for a person."""

    added: int = 0
    replaced: int = 0
    moved: int = 0
    reprotected: int = 0
    removed: int = 0
    unchanged: int = 0
    held: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failed: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        numbers = ("added", "replaced", "moved", "reprotected", "removed", "unchanged")
        return {
            **{name: getattr(self, name) for name in numbers},
            "failed": self.failed,
            "held": self.held,
            "chunks": self.chunks,
            "seconds": round(self.seconds, 2),
        }

    def counts(self) -> dict[str, int]:
        """Every figure but the time, for the log: it names no document."""
        found = {name: value for name, value in self.as_json().items() if name != "seconds"}
        return {name: len(value) if isinstance(value, list) else value for name, value in found.items()}

    def add(self, other: Report) -> None:
        """Count another source in."""
        for name in ("added", "replaced", "moved", "reprotected", "removed", "unchanged", "held", "chunks", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed += other.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A source as it is now, and what would make the index equal to it. `unread` could not be looked into."""

    plan: Plan
    listings: Mapping[DocumentId, Listing]
    recorded: Mapping[DocumentId, Recorded]
    touched: tuple[DocumentId, ...]
    unread: Mapping[DocumentId, str]
    held: tuple[DocumentId, ...]


def survey(
    connector: Connector, pipeline: Pipeline, *, confirm_removals: bool = False, read_again: bool = False
) -> Survey:
    """List and compare; nothing is changed.

    A file whose stamp is the remembered one is not opened, unless `read_again`.

    Raises:
        SourceError: the source cannot be listed; nothing is concluded from it.
    """
    ledger = pipeline.ledger
    recorded, stamps = ledger.recorded(connector.name), ledger.stamps(connector.name)
    listings = {listing.id: listing for listing in connector.listings()}
    refs: list[DocumentRef] = []
    touched: list[DocumentId] = []
    unread: dict[DocumentId, str] = {}
    gone: set[DocumentId] = set()
    for listing in listings.values():
        stamp, version = stamps.get(listing.id, ("", ""))
        if stamp != listing.stamp or not version or read_again:
            try:
                found = connector.version(listing)
            except DocumentVanished:
                gone.add(listing.id)  # it was there a moment ago: the next listing decides
                continue
            except DocumentError as error:
                unread[listing.id] = str(error)
                continue
            if found == version:
                touched.append(listing.id)
            version = found
        refs.append(
            DocumentRef(id=listing.id, version=version, acl=listing.acl, confidentiality=listing.confidentiality)
        )
    readable = {name: entry for name, entry in recorded.items() if name not in unread.keys() | gone}
    found_plan = plan(refs, readable, recipe=pipeline.recipe)
    held = () if confirm_removals else _held(found_plan, len(recorded))
    return Survey(
        plan=replace(found_plan, remove=() if held else found_plan.remove),
        listings=listings,
        recorded=recorded,
        touched=tuple(touched),
        unread=unread,
        held=held,
    )


def sync(
    connector: Connector,
    pipeline: Pipeline,
    *,
    confirm_removals: bool = False,
    progress: Progress = lambda what, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Report:
    """Make the index equal the source. Stopping half way leaves every finished document current.

    Raises:
        SourceError: the source cannot be listed.
        StoreError, ModelError: the work cannot go on; what was recorded stays.
    """
    began = time.monotonic()
    seen = survey(connector, pipeline, confirm_removals=confirm_removals)
    report = Report(held=len(seen.held), removed=len(seen.plan.remove), moved=len(seen.plan.move))
    _rights_places_and_removals(seen, pipeline)
    report.reprotected = len(seen.plan.reprotect)
    _write_documents(connector, pipeline, seen, report, progress, stopped)
    _record_unread(seen, pipeline, report)
    worked = {ref.id for ref in (*seen.plan.add, *seen.plan.replace, *seen.plan.reprotect)}
    worked |= {ref.id for _, ref in seen.plan.move} | seen.unread.keys()
    report.unchanged = len(seen.listings.keys() - worked)
    report.seconds = time.monotonic() - began
    return report


def _rights_places_and_removals(seen: Survey, pipeline: Pipeline) -> None:
    ledger = pipeline.ledger
    for name in seen.plan.remove:
        ledger.remove(name)
    for old, ref in seen.plan.move:
        listing = seen.listings[ref.id]
        ledger.move(old, ref, stamp=listing.stamp, uri=listing.uri)
    for ref in seen.plan.reprotect:
        ledger.reprotect(ref.id, ref.acl, ref.confidentiality)
    for name in seen.touched:
        ledger.touch(name, seen.listings[name].stamp)
    pipeline.sweep()


def _write_documents(
    connector: Connector,
    pipeline: Pipeline,
    seen: Survey,
    report: Report,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    todo = [*seen.plan.add, *seen.plan.replace]
    added = {ref.id for ref in seen.plan.add}
    waiting: list[Draft] = []
    for number, ref in enumerate(todo):
        if stopped():
            break
        progress(ref.id, number, len(todo))
        waiting += _drafts(connector, pipeline, seen.listings[ref.id], ref, report)
        if sum(len(draft.chunks) for draft in waiting) >= _BATCH_CHUNKS:
            _write(pipeline, waiting, added, report)
            waiting = []
    _write(pipeline, waiting, added, report)
    progress("", len(todo), len(todo))


def _drafts(
    connector: Connector, pipeline: Pipeline, listing: Listing, ref: DocumentRef, report: Report
) -> Iterable[Draft]:
    try:
        raw = connector.fetch(listing, ref)
    except DocumentVanished:
        return []
    except ChangingDocument as error:
        pipeline.ledger.touch(ref.id, "")  # read it again next time, whatever its stamp
        report.failed.append({"document": ref.id, "reason": str(error)})
        return []
    except DocumentError as error:
        _unread(pipeline, listing, replace(ref, version=""), str(error), report)
        return []
    return pipeline.draft(raw, stamp=listing.stamp)


def _write(pipeline: Pipeline, drafts: list[Draft], added: set[DocumentId], report: Report) -> None:
    if not drafts:
        return
    report.chunks += pipeline.write(drafts)
    for draft in drafts:
        if draft.reason is not None:
            report.failed.append({"document": draft.ref.id, "reason": draft.reason})
        elif draft.parent is None and draft.ref.id in added:
            report.added += 1
        elif draft.parent is None:
            report.replaced += 1


def _record_unread(seen: Survey, pipeline: Pipeline, report: Report) -> None:
    """A file that may not be read any more is not served any more, whatever the index still holds of it."""
    for name, reason in seen.unread.items():
        listing, old = seen.listings[name], seen.recorded.get(name)
        key = old.ref.key if old else ""
        ref = DocumentRef(id=name, key=key, version="", acl=listing.acl, confidentiality=listing.confidentiality)
        _unread(pipeline, listing, ref, reason, report)
    pipeline.sweep()


def _unread(pipeline: Pipeline, listing: Listing, ref: DocumentRef, reason: str, report: Report) -> None:
    """Without a version or stamp, so that the next run tries again."""
    pipeline.ledger.record_unread(ref, reason=reason, stamp="", recipe=pipeline.recipe, uri=listing.uri)
    report.failed.append({"document": ref.id, "reason": reason})


def _held(found: Plan, before: int) -> tuple[DocumentId, ...]:
    """Removals that look like a share that dropped, not like somebody tidying up."""
    count = len(found.remove)
    many = count > _HELD_COUNT or (count >= _HELD_LEAST and count > before * _HELD_SHARE)
    return found.remove if many else ()
