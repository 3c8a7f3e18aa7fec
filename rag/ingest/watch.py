"""Keep sources level until stopped: hints bring a sync forward, a full sync every so often is the truth."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

from rag.errors import RagError
from rag.ingest.settling import Settling, merged

Sync: TypeAlias = Callable[[str, tuple[str, ...], Callable[[str], bool]], int]
"""Takes a source's name, the scopes to compare (``("",)``: the whole source) and `restless`, which tells of a path
whether to leave that document for later because it is being written; gives how many documents left the index."""

_log = logging.getLogger(__name__)
_RETRY_S = 60.0
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Removals:
    """How long documents could still be found that were removed or revoked at the source: from the first hint, or from
    the look before where a source is polled, to the end of the sync. Percentiles over the last 1000; None: none yet."""

    count: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    max_s: float | None = None


class Watch:
    """Syncs each source at the start, every `full_sync_s`, and in the scopes that were hinted at once they have been
    quiet for `settle_s`, or after a minute where they never are (see `Settling`).

    Each source has a thread of its own: `sync` is called from several at once, never twice at once for one source, so
    that one that hangs holds up no other. It must keep apart itself what may not be written at once.

    `polled` tells whether a source is hinted at by a clock instead of its changes.
    """

    def __init__(
        self,
        sources: Iterable[str],
        sync: Sync,
        *,
        settle_s: float = 2.0,
        full_sync_s: float = 3600.0,
        polled: Callable[[str], bool] = lambda name: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sync, self._full_sync_s, self._polled, self._clock = sync, full_sync_s, polled, clock
        self._sources = {name: _Source(Settling(settle_s), full_at=clock()) for name in sources}
        self._removed, self._longest_s = 0, 0.0
        self._delays_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._wake = threading.Condition()
        self._stopped = False

    def hint(self, name: str, scope: str = "") -> None:
        """Something changed in a source: sync that scope of it once it has been quiet. Never waits for a sync."""
        with self._wake:
            settling, now = self._sources[name].settling, self._clock()
            was_idle = settling.next_due(now) is None
            settling.note(scope, now)
            if was_idle:  # else the thread wakes no sooner for this
                self._wake.notify_all()

    def stop(self) -> None:
        """End after the syncs that are under way. A signal handler may call it."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called: a long sync asks this between two documents."""
        return self._stopped

    @property
    def removals(self) -> Removals:
        """How fast removals were followed so far."""
        with self._wake:
            ordered = sorted(self._delays_s)
            if not ordered:
                return Removals()
            p50, p95 = (ordered[round(share * (len(ordered) - 1))] for share in (0.50, 0.95))
            return Removals(count=self._removed, p50_s=p50, p95_s=p95, max_s=self._longest_s)

    @property
    def lag_s(self) -> float:
        """How long ago the oldest change was noted that is not indexed yet; 0: none is."""
        with self._wake:
            noted = [at for source in self._sources.values() if (at := source.oldest()) is not None]
            return max(0.0, self._clock() - min(noted)) if noted else 0.0

    @property
    def compared_s(self) -> float | None:
        """How long ago the source was compared whole for which that is longest; None: one never was."""
        with self._wake:
            times = [source.compared_at for source in self._sources.values()]
            if not times or None in times:
                return None
            return self._clock() - min(at for at in times if at is not None)

    def run(self) -> None:
        """Keep every source level until `stop`; returns when the last sync has ended."""
        # The calling thread only joins: a signal handler's `stop` cannot fall between its check and its wait.
        jobs = [threading.Thread(target=self._keep, args=(name,), name=f"watch {name}") for name in self._sources]
        threads = jobs or [threading.Thread(target=self._rest, name="watch")]
        for thread in threads:
            thread.daemon = True
            thread.start()
        for thread in threads:
            thread.join()

    def turn(self) -> float:
        """Sync what is due now, source by source; returns the seconds until something is due again."""
        for name in self._sources:
            self._level(name)
        with self._wake:
            return min(map(self._pause_s, self._sources), default=self._full_sync_s)

    def _keep(self, name: str) -> None:
        while not self._stopped:
            self._level(name)
            with self._wake:
                if not self._stopped:
                    self._wake.wait(self._pause_s(name))

    def _rest(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopped)

    def _pause_s(self, name: str) -> float:
        now = self._clock()
        return max(0.0, self._sources[name].next_due(now) - now)

    def _level(self, name: str) -> None:
        source = self._sources[name]
        with self._wake:
            began = self._clock()
            work = None if self._stopped else source.take(began, self._full_sync_s)
        if work is None:
            return
        source.under_way = min(work.hinted.values(), default=None)
        try:
            removed = self._sync(name, work.scopes, lambda path: self._restless(source, path))
        except Exception as error:
            with self._wake:
                source.take_back(work, self._clock() + _RETRY_S)
            self._tell(name, source, error)
        else:
            if source.failure:
                _log.info("A source can be synced again", extra={"action": "sync_recovered", "source": name})
            source.failure = ""
            self._measure(removed, source.since(work, polled=self._polled(name)))
            if work.is_whole:
                source.compared_at = began
        finally:
            source.under_way = None

    def _restless(self, source: _Source, path: str) -> bool:
        with self._wake:
            return source.settling.restless(path, self._clock())

    def _measure(self, removed: int, since: float | None) -> None:
        if not removed or since is None:
            return
        with self._wake:
            delay_s = self._clock() - since
            self._removed += removed
            self._longest_s = max(self._longest_s, delay_s)
            self._delays_s.extend([delay_s] * min(removed, _REMEMBERED))

    def _tell(self, name: str, source: _Source, error: Exception) -> None:
        """Once, until it succeeds or fails in another way."""
        failure = f"{type(error).__name__}: {error}"
        if failure != source.failure:
            unexpected = None if isinstance(error, RagError) else error
            sentence = "A sync failed and is tried again every minute" + ("" if unexpected else f": {error}")
            extra = {"action": "sync_failed", "source": name}
            _log.log(logging.ERROR if unexpected else logging.WARNING, sentence, exc_info=unexpected, extra=extra)
        source.failure = failure


@dataclass(frozen=True, slots=True)
class _Work:
    hinted: dict[str, float]  # scope → when it was first hinted at
    is_timed: bool  # the whole source, because its time has come

    @property
    def is_whole(self) -> bool:
        return self.is_timed or "" in self.hinted

    @property
    def scopes(self) -> tuple[str, ...]:
        return ("",) if self.is_whole else tuple(self.hinted)


@dataclass(slots=True)
class _Source:
    """What is to be done in one source, and when."""

    settling: Settling
    full_at: float
    failed: dict[str, float] = field(default_factory=dict)  # hinted scopes whose sync failed
    retry_at: float = inf
    compared_at: float | None = None  # when the last sync of the whole began
    failure: str = ""
    under_way: float | None = None  # when the oldest change was noted that is being synced

    def oldest(self) -> float | None:
        """When the oldest change was noted that is not indexed yet."""
        noted = [self.settling.oldest, self.under_way, min(self.failed.values(), default=None)]
        return min((at for at in noted if at is not None), default=None)

    def next_due(self, now: float) -> float:
        hinted = self.settling.next_due(now)
        return min(self.full_at, self.retry_at, inf if hinted is None else hinted)

    def take(self, now: float, full_sync_s: float) -> _Work | None:
        work = _Work(self._due(now), is_timed=now >= self.full_at)
        if work.is_whole or now >= self.retry_at:
            work = _Work(_earliest(work.hinted, self.failed), is_timed=work.is_timed)
            self.failed, self.retry_at = {}, inf
        if work.is_whole:
            self.full_at = now + full_sync_s
        return work if work.scopes else None

    def take_back(self, work: _Work, retry_at: float) -> None:
        if work.hinted:
            self.failed = _earliest(self.failed, work.hinted)
            self.retry_at = min(self.retry_at, retry_at)
        if work.is_timed:
            self.full_at = min(self.full_at, retry_at)

    def since(self, work: _Work, *, polled: bool) -> float | None:
        """The moment from which on what a sync found removed may have been gone; None: not known."""
        if work.is_whole and polled:
            return self.compared_at
        return None if work.is_timed else min(work.hinted.values())

    def _due(self, now: float) -> dict[str, float]:
        return {scope: first for scope in self.settling.due(now) if (first := self.settling.first(scope)) is not None}


def _earliest(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return merged({scope: min(one.get(scope, inf), other.get(scope, inf)) for scope in {*one, *other}})
