"""One connector to rest: survey it, carry out the plan, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf

from rag.access import Acl, Confidentiality, both
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument
from rag.errors import ChangingDocument, DocumentError, DocumentVanished, SourceError
from rag.ingest.draft import Draft
from rag.ingest.flow import Flow, Halt
from rag.ingest.one import Pipeline
from rag.ingest.report import Report
from rag.ingest.survey import HOLD, Hold, Survey, other_rights, survey
from rag.ports import Connector, IngestProgress, Step
from rag.store.places import Move
from rag.store.rows import file_title

ENDING_S = 3.0
"""What a document under way when the run is to end may still take; then its reading is given up."""
RIGHTS_S = 30.0
"""How often rights are looked at again while documents are read, which may take hours. A look that takes long is taken
more seldom, so that it costs a tenth of the time at most."""


def sync(
    connector: Connector,
    pipeline: Pipeline,
    *,
    scopes: Sequence[str] = ("",),
    hold: Hold = HOLD,
    settled: Callable[[Listing], bool] = lambda listing: True,
    confirm_removals: bool = False,
    workers: int = 1,
    progress: IngestProgress = lambda step: None,
    reading: Callable[[DocumentId], None] = lambda document: None,
    stopped: Callable[[], bool] = lambda: False,
    rights_s: float = RIGHTS_S,
    ending_s: float = ENDING_S,
) -> Report:
    """Make the index equal the source, or what lies in the scopes. Stopping half way leaves every finished document
    current; one that takes longer than `ending_s` from then on is left to the next run. `reading` is told each document
    that is taken up, from several threads; `progress` when it is recorded. Every `rights_s` seconds meanwhile, also
    while a document is read, what was revoked anywhere in the source is revoked.

    Raises:
        SourceError: the source cannot be listed.
        StoreError, ModelError: the work cannot go on; what was recorded stays.
    """
    began = time.monotonic()
    ending = _Ending(stopped, after_s=ending_s)
    pipeline = replace(pipeline, ocr=connector.ocr, parser=pipeline.parser.until(ending.overdue))
    seen = survey(
        connector,
        pipeline.ledger,
        recipe=pipeline.recipe,
        scopes=scopes,
        hold=hold,
        settled=settled,
        confirm_removals=confirm_removals,
        rights=lambda changed: _narrow(pipeline, changed),
    )
    if pipeline.gone():
        return Report(seconds=time.monotonic() - began)
    whole = not any(scopes)
    waiting = 0 if whole else pipeline.ledger.source_state(connector.name).held  # elsewhere in the source
    pipeline.ledger.source_reached(connector.name, seen.roots, held=max(waiting, len(seen.held)))
    report = Report(
        held=len(seen.held),
        removed=len(seen.plan.remove),
        moved=len(seen.plan.move),
        reprotected=len(seen.plan.reprotect),
        later=len(seen.later),
        why_held={connector.name: seen.why_held} if seen.held else {},
    )
    report.failed += [{"document": shut.prefix, "reason": shut.reason} for shut in seen.shut]
    _places_and_rights(connector, pipeline, seen, report)
    _remember_stretches(connector, pipeline, seen)
    again = _reveal(pipeline, seen)
    looking = _Looking(connector, pipeline, every_s=rights_s)

    def seen_to(step: Step) -> None:
        looking.look()
        progress(step)

    def ended() -> bool:
        return stopped() or pipeline.gone()

    writing = _Writing(connector, pipeline, seen, report, reading)
    writing.run(again, workers=workers, progress=seen_to, beat=looking.look, stopped=ended)
    worked = {ref.id for ref in (*seen.plan.add, *again, *seen.plan.reprotect)}
    worked |= {ref.id for _, ref in seen.plan.move} | seen.unread.keys() | seen.later
    report.unchanged = seen.unchanged + len(seen.listings.keys() - worked)
    report.seconds = time.monotonic() - began
    return report


def _narrow(pipeline: Pipeline, changed: Sequence[tuple[Listing, DocumentRef]]) -> None:
    """What is revoked is revoked before any file is read. What is granted waits: the file may have another content by
    now, and the old one is not for its new readers. What the indexes owe is done with the rest of the plan."""
    with pipeline.ledger.transaction():
        for listing, old in changed:
            acl, secrecy = _narrower(old, listing)
            if (acl, secrecy) != (old.acl, old.confidentiality):
                pipeline.ledger.reprotect(listing.id, acl, secrecy)


class _Ending:
    """When a run was told to end, and whether that is too long ago. Thread-safe."""

    def __init__(self, stopped: Callable[[], bool], *, after_s: float) -> None:
        self._stopped, self._after_s, self._since = stopped, after_s, inf

    def overdue(self) -> bool:
        """Whether what still runs is to be given up."""
        if self._since == inf and self._stopped():
            self._since = time.monotonic()
        return time.monotonic() - self._since >= self._after_s


class _Looking:
    """What is revoked while documents are read is revoked by the next look, not by the next sync."""

    def __init__(self, connector: Connector, pipeline: Pipeline, *, every_s: float) -> None:
        self._connector, self._pipeline, self._every_s = connector, pipeline, every_s
        self._due = time.monotonic() + every_s

    def look(self) -> None:
        """Look, if it is time to. A source that cannot be listed now is none of its business."""
        began = time.monotonic()
        if began < self._due:
            return
        with suppress(SourceError):
            pipeline = self._pipeline
            _narrow(pipeline, other_rights(self._connector, pipeline.ledger, recipe=pipeline.recipe))
        ended = time.monotonic()
        self._due = ended + max(self._every_s, 9 * (ended - began))


def _narrower(old: DocumentRef, new: Listing | DocumentRef) -> tuple[Acl, Confidentiality]:
    """For who may read what there was and what there is."""
    return both(old.acl, new.acl), max(old.confidentiality, new.confidentiality)


def _places_and_rights(connector: Connector, pipeline: Pipeline, seen: Survey, report: Report) -> None:
    """What costs no reading: removals, moves, rights, and files that may no longer be read. All of it holds at once."""
    ledger, listings = pipeline.ledger, seen.listings
    unread = {ref.id for ref in seen.plan.replace}  # blank until it is read again: a stop in between forgets nothing
    before = {old.ref.key: old.ref for old in seen.recorded.values()}
    moves = [(old, ref.id, "" if ref.id in unread else listings[ref.id].stamp) for old, ref in seen.plan.move]
    with ledger.transaction():
        for name in seen.plan.remove:
            ledger.remove(name)
        ledger.move([Move(old, new, stamp, connector.uri(new)) for old, new, stamp in moves])
        for ref in seen.plan.reprotect:
            acl, secrecy = (ref.acl, ref.confidentiality) if ref.id not in unread else _narrower(before[ref.key], ref)
            ledger.reprotect(ref.id, acl, secrecy)
        for name in seen.touched:
            ledger.touch(name, listings[name].stamp)
        for name, reason in seen.unread.items():
            _unread(connector, pipeline, seen, name, reason, report)
    pipeline.sweep()


def _remember_stretches(connector: Connector, pipeline: Pipeline, seen: Survey) -> None:
    """What is level, but for stretches that would name what was erased since it was listed."""
    ledger = pipeline.ledger
    with ledger.transaction():
        level = [
            stretch
            for stretch in seen.level
            if not any(ledger.graveyard.has_place(end) for end in (stretch.first, stretch.beyond))
        ]
        if level and not pipeline.gone():
            ledger.remember_stretches(connector.name, level)


def _unread(
    connector: Connector, pipeline: Pipeline, seen: Survey, name: DocumentId, reason: str, report: Report
) -> None:
    """A file that may not be read any more is not shown any more; without version and stamp it is looked at again."""
    report.failed.append({"document": name, "reason": reason})
    if entry := pipeline.ledger.entry(name):
        report.withdrawn += entry.version is not None
        pipeline.ledger.hide([name], reason)
        return
    listing = seen.listings[name]
    ref = DocumentRef(id=name, version="", acl=listing.acl, confidentiality=listing.confidentiality)
    pipeline.record_unread(ref, reason=reason, uri=connector.uri(name), title=file_title(name))


def _reveal(pipeline: Pipeline, seen: Survey) -> list[DocumentRef]:
    """Show again what was hidden and is unchanged; returns the replacements that are left."""
    hidden = {name for name, old in seen.recorded.items() if not old.ref.version}
    left, ledger, recipe = [], pipeline.ledger, pipeline.recipe
    granted = {ref.id for ref in seen.plan.reprotect}  # narrowed so far: what is shown again may have new readers
    for ref in seen.plan.replace:
        stamp = seen.listings[ref.id].stamp
        with ledger.transaction():
            if ref.id in hidden and ledger.reveal(ref.id, version=ref.version, recipe=recipe, stamp=stamp):
                if ref.id in granted:
                    ledger.reprotect(ref.id, ref.acl, ref.confidentiality)
            else:
                left.append(ref)
    if granted & hidden:
        pipeline.sweep()
    return left


class _Writing:
    """The part of a plan that reads documents."""

    def __init__(
        self,
        connector: Connector,
        pipeline: Pipeline,
        seen: Survey,
        report: Report,
        reading: Callable[[DocumentId], None],
    ) -> None:
        self._connector, self._pipeline, self._seen, self._report = connector, pipeline, seen, report
        self._reading = reading
        self._added = {ref.id for ref in seen.plan.add}
        self._done = 0

    def run(
        self,
        again: Sequence[DocumentRef],
        *,
        workers: int,
        progress: IngestProgress,
        beat: Callable[[], None],
        stopped: Callable[[], bool],
    ) -> None:
        todo = [*self._seen.plan.add, *again]

        def ended(ref: DocumentRef) -> None:
            self._done += 1
            report = self._report
            progress(Step(ref.id, self._done, len(todo), report.chunks, len(report.failed)))

        progress(Step("", 0, len(todo)))
        flow = Flow(self._pipeline, workers=workers, written=self._count, ended=ended, beat=beat)
        flow.run(todo, self._read, size_of=lambda ref: self._seen.listings[ref.id].size_bytes, stopped=stopped)

    def _read(self, ref: DocumentRef) -> list[Draft] | Halt:
        """In a worker's thread: bytes and text of one document."""
        self._reading(ref.id)
        listing = self._seen.listings[ref.id]
        try:
            raw: RawDocument = self._connector.fetch(listing, ref)
        except DocumentError as error:
            return Halt(error)
        except DocumentVanished as error:
            return Halt(error)
        return self._pipeline.draft(raw, stamp=listing.stamp)

    def _count(self, ref: DocumentRef, outcome: list[Draft] | Halt) -> None:
        """What became of a document, once it is recorded."""
        if isinstance(outcome, Halt):
            self._halted(ref, outcome.error)
            return
        for draft in outcome:
            self._report.chunks += len(draft.chunks)
            if draft.reason is not None:
                self._report.failed.append({"document": draft.ref.id, "reason": draft.reason})
            elif draft.parent is None and draft.ref.id in self._added:
                self._report.added += 1
            elif draft.parent is None:
                self._report.replaced += 1

    def _halted(self, ref: DocumentRef, error: Exception) -> None:
        if isinstance(error, DocumentVanished):
            return  # the next listing decides
        if isinstance(error, ChangingDocument):
            self._pipeline.ledger.touch(ref.id, "")  # read it again next time, whatever its stamp
            self._report.failed.append({"document": ref.id, "reason": str(error)})
            return
        _unread(self._connector, self._pipeline, self._seen, ref.id, str(error), self._report)
