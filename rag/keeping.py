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

from rag.errors import SourceError
from rag.ingest.one import Pipeline
from rag.ingest.report import Report
from rag.ingest.survey import Hold, Survey, survey
from rag.ingest.sync import sync
from rag.ingest.watch import Removals, Watch
from rag.ports import Connector, Watching
from rag.settings import IngestSettings
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)


class Keeping:
    """Thread-safe: several sources may be brought level at once; the pipeline keeps their writing apart."""

    def __init__(self, settings: IngestSettings, ledger: Ledger, pipeline: Callable[[], Pipeline]) -> None:
        self._settings, self._ledger, self._pipeline = settings, ledger, pipeline
        self._hold = Hold(count=settings.held_count, share=settings.held_share, least=settings.held_least)
        self._alone: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self._watching: dict[str, Watching] = {}
        self._loop: Watch | None = None
        self._open = ExitStack()

    def sync(self, connector: Connector, **options: Any) -> Report:
        """One source; `options` as `rag.ingest.sync.sync` takes them.

        Raises:
            SourceError: it cannot be listed; the ledger remembers since when.
        """
        with self._alone[connector.name]:
            try:
                return sync(connector, self._pipeline(), hold=self._hold, workers=self.workers, **options)
            except SourceError as error:
                self._ledger.source_offline(connector.name, str(error))
                raise

    def survey(self, connector: Connector) -> Survey:
        """What a sync would do; nothing is changed.

        Raises:
            SourceError: it cannot be listed.
        """
        recipe = replace(self._pipeline(), ocr=connector.ocr).recipe
        return survey(connector, self._ledger, recipe=recipe, hold=self._hold)

    def watch(self, connectors: Iterable[Connector]) -> Watch:
        """A loop over these sources, listening to them from now on; run it in a thread and stop it before `close`."""
        named = {connector.name: connector for connector in connectors}

        def level(name: str, scopes: tuple[str, ...], restless: Callable[[str], bool]) -> int:
            report = self.sync(
                named[name],
                scopes=scopes,
                settled=lambda listing: not restless(listing.id.split(":", 1)[1]),
                stopped=lambda: loop.stopped,
            )
            _log.info("A source was brought level", extra={"action": "synced", "source": name, **report.counts()})
            return report.removed + report.withdrawn

        wanted = self._settings
        loop = Watch(
            named,
            level,
            settle_s=wanted.settle_s,
            full_sync_s=wanted.full_sync_s,
            polled=lambda name: self.watched.get(name) == "polling",
        )
        for name, connector in named.items():
            watching = connector.watch(partial(loop.hint, name), poll_s=wanted.poll_s)
            if watching is not None:
                self._watching[name] = watching
                self._open.callback(watching.close)
        self._loop = loop
        return loop

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

    def close(self) -> None:
        """Listen no more."""
        self._open.close()
