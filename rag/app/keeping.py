"""Keeps the index level with the sources, once or until stopped: the settings' limits, one sync at a time for a source,
and what is known of those that cannot be reached."""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from rag.documents import Listing
from rag.errors import SourceError
from rag.ingest.kept_out import KeptOut
from rag.ingest.one import Pipeline
from rag.ingest.report import Report
from rag.ingest.survey import Hold, Survey, survey
from rag.ingest.sync import sync
from rag.ingest.watch import Removals, Watch
from rag.metrics import Metrics
from rag.ports import Connector, Step, Watching
from rag.settings.ingest import IngestSettings
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)


class _Looks:
    """What files looked like the last time, of those that are not taken yet."""

    def __init__(self) -> None:
        self._stamps: dict[str, str] = {}

    def same_again(self, listing: Listing) -> bool:
        """Whether the look before saw the very same; else this one is remembered."""
        if self._stamps.pop(listing.id, None) == listing.stamp:
            return True
        self._stamps[listing.id] = listing.stamp
        return False


class Keeping:
    """Thread-safe: several sources may be brought level at once; the pipeline keeps their writing apart."""

    def __init__(
        self, settings: IngestSettings, ledger: Ledger, pipeline: Callable[[], Pipeline], metrics: Metrics
    ) -> None:
        self._settings, self._ledger, self._pipeline, self._metrics = settings, ledger, pipeline, metrics
        self._hold = Hold(count=settings.held_count, share=settings.held_share, least=settings.held_least)
        self._alone: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self._watching: dict[str, Watching] = {}
        self._loop: Watch | None = None
        self._underway: dict[str, Step] = {}
        self._open = ExitStack()

    def sync(self, connector: Connector, **options: Any) -> Report:
        """One source; `options` as `rag.ingest.sync.sync` takes them.

        Raises:
            SourceError: it cannot be listed; the ledger remembers since when.
        """
        told = options.pop("progress", None)

        def progress(step: Step) -> None:
            self._underway[connector.name] = step
            if told is not None:
                told(step)

        gone = self._until_removed(connector.name)
        with self._alone[connector.name], self._metrics.failing("sync"):
            try:
                source, pipeline = KeptOut(connector, self._ledger), replace(self._pipeline(), gone=gone)
                report = sync(source, pipeline, hold=self._hold, workers=self.workers, progress=progress, **options)
                report.kept_out = source.count
                return report
            except SourceError as error:
                if not gone():
                    self._ledger.source_offline(connector.name, str(error))
                raise
            finally:
                self._underway.pop(connector.name, None)

    def _until_removed(self, name: str) -> Callable[[], bool]:
        """Tells whether the folder registered under that name now is removed by then, or is another. One of rag.toml
        is not registered, and cannot be removed while it stands there."""
        folder = self._ledger.sources().get(name)
        return lambda: self._ledger.sources().get(name) != folder

    def survey(self, connector: Connector) -> Survey:
        """What a sync would do; nothing is changed.

        Raises:
            SourceError: it cannot be listed.
        """
        recipe = replace(self._pipeline(), ocr=connector.ocr).recipe
        return survey(KeptOut(connector, self._ledger), self._ledger, recipe=recipe, hold=self._hold)

    def watch(self, connectors: Iterable[Connector]) -> Watch:
        """A loop over these sources, listening to them from now on; run it in a thread and stop it before `close`.

        Where nothing tells of writing, on a network drive, a file is taken when two looks, with the settling time
        between them, find it the same; all at once when the source is read for the first time.
        """
        named = {connector.name: connector for connector in connectors}
        removed = {name: self._until_removed(name) for name in named}

        def level(name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
            if removed[name]():
                return 0
            polled = self.watched.get(name) == "polling" and self._ledger.source_state(name).reached_at is not None

            def settled(listing: Listing) -> bool:
                path = listing.id.split(":", 1)[1]
                if restless(path):
                    return False
                if not polled or looks.same_again(listing):
                    return True
                loop.hint(name, path)
                return False

            report = self.sync(named[name], scopes=scopes, settled=settled, stopped=lambda: loop.stopped)
            _log.info("A source was brought level", extra={"action": "synced", "source": name, **report.counts()})
            return report.removed + report.withdrawn

        wanted = self._settings
        looks = _Looks()
        loop = Watch(
            named,
            level,
            settle_s=wanted.settle_s,
            full_sync_s=wanted.full_sync_s,
            polled=lambda name: self.watched.get(name) == "polling",
        )
        for name, connector in named.items():
            watching = connector.watch(partial(loop.hint, name), poll_s=max(wanted.poll_s, 2 * wanted.settle_s))
            if watching is not None:
                self._watching[name] = watching
                self._open.callback(watching.close)
        self._loop = loop
        return loop

    def hint(self, name: str, path: str) -> bool:
        """Say that a file of a watched source has changed; False where the source is not watched."""
        if self._loop is None or name not in self._watching:
            return False
        self._loop.hint(name, path)
        return True

    @property
    def underway(self) -> Mapping[str, Step]:
        """Source → how far its sync is, for those whose documents are being read now."""
        return dict(self._underway)

    @property
    def workers(self) -> int:
        """Documents read at the same time."""
        return self._settings.workers or max(1, min(4, (os.cpu_count() or 1) // 2))

    @property
    def watched(self) -> Mapping[str, str]:
        """Source → ``events`` or ``polling``, for those that are watched."""
        return {name: watching.mode for name, watching in self._watching.items()}

    @property
    def removals(self) -> Removals | None:
        """How fast removals were followed since the sources are watched; None where they are not."""
        return self._loop.removals if self._loop else None

    @property
    def lag_s(self) -> float | None:
        """See `Watch.lag_s`; None where nothing is watched."""
        return self._loop.lag_s if self._loop else None

    @property
    def compared_s(self) -> float | None:
        """See `Watch.compared_s`."""
        return self._loop.compared_s if self._loop else None

    def close(self) -> None:
        """Listen no more."""
        self._open.close()
