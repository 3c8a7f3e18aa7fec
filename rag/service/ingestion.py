"""An ingest as whoever asked for it sees it: what it waits for, how far it is, what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeAlias

from rag.app import App
from rag.govern.standing import begin, finish
from rag.ingest.report import Report
from rag.ports import Step
from rag.service.forms import Event
from rag.store.rows import source_of

Tell: TypeAlias = Callable[[Event], None]
Stopped: TypeAlias = Callable[[], bool]

_BEAT_S = 1.0


class Ingestion:
    """Ingests of one App, one at a time; a second one waits and says for what."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stopped = threading.Event()
        self._alone = threading.Lock()
        self._doing = ""
        self._asked = 0

    def stop(self) -> None:
        """End after the documents under way. A signal handler may call it."""
        self._stopped.set()

    def run(self, names: Sequence[str], *, confirmed: Set[str]) -> Iterator[Event]:
        """``{"waiting": …}``, ``{"looking": source}``, ``{"reading": document}`` and ``{"progress": Step}`` as it goes,
        then the report.

        The removals held for the sources `confirmed` are carried out. Closing the iterator stops the work after the
        documents under way.
        """
        self._asked += 1
        try:
            yield from told(
                lambda tell, left: self._in_turn(
                    names, confirmed, tell, lambda: left.is_set() or self._stopped.is_set()
                )
            )
        finally:
            self._asked -= 1

    @property
    def busy(self) -> bool:
        """Whether anybody waits for an ingest here to end."""
        return self._asked > 0

    def _in_turn(self, names: Sequence[str], confirmed: Set[str], tell: Tell, stopped: Stopped) -> Event:
        if not self._alone.acquire(blocking=False):
            tell({"waiting": self._doing})
            while not self._alone.acquire(timeout=0.1):
                if stopped():
                    return _result(Report(), before=0, stopped=True, left=0)
        try:
            return self._one_by_one(names, confirmed, tell, stopped)
        finally:
            self._alone.release()

    def _one_by_one(self, names: Sequence[str], confirmed: Set[str], tell: Tell, stopped: Stopped) -> Event:
        total, left, looked = Report(), 0, 0
        for name in names:
            if stopped():
                break
            self._doing = name
            tell({"looking": name})
            report, unread = self._one(name, name in confirmed, tell, stopped)
            total.add(report)
            left += unread
            looked += 1
        said = {entry["document"] for entry in total.failed}
        failed = (entry.id for entry in self._app.ledger.entries(failed_only=True) if source_of(entry.id) in names)
        before = sum(name not in said for name in failed)
        made = _result(total, before=before, stopped=stopped() and (left > 0 or looked < len(names)), left=left)
        shown = len(self._app.posted.all(gone=True)) if total.removed else 0
        return {**made, "bot_messages": shown} if shown else made

    def _one(self, name: str, confirm: bool, tell: Tell, stopped: Stopped) -> tuple[Report, int]:
        """The report of one source, and how many documents were left because somebody stopped it."""
        last = Step("", 0, 0)

        def progress(step: Step) -> None:
            nonlocal last
            tell({"progress": list(step)})
            if step.document and ":" not in step.document:  # work on the index as a whole
                self._doing = f"{name}, {step.done} of {step.total} {step.document}"
                return
            if step.total and not step.done:
                begin(self._app.ledger, name)
            last = step
            self._doing = f"{name}, {step.done} of {step.total} documents"

        report = self._app.ingest(
            frozenset({name}),
            confirm_removals=confirm,
            progress=progress,
            reading=lambda document: tell({"reading": document}),
            stopped=stopped,
        )
        left = last.total - last.done if stopped() else 0
        if last.total and not left:
            finish(self._app.ledger, name)
        return report, left


def _result(report: Report, *, before: int, stopped: bool, left: int) -> Event:
    """The report, with how many documents `failed_before` and were not tried again, whether it was `stopped` before
    the end, and how many documents were `left` then; `bot_messages`, where documents were removed, how many messages
    of bots show some that are gone."""
    return {**report.as_json(), "failed_before": before, "stopped": stopped, "left": left}


def told(work: Callable[[Tell, threading.Event], Event]) -> Iterator[Event]:
    """Run `work` in a thread, pass on what it tells while it runs, and end with its result.

    The event is set when whoever asked has gone: the work ends after the documents under way. While there is nothing
    to tell, ``{"alive": True}`` every second: only who is told something can be found to have gone.
    """
    events: SimpleQueue[Event | _Ended] = SimpleQueue()
    left = threading.Event()

    def run() -> None:
        try:
            events.put(_Ended(result=work(events.put, left)))
        except BaseException as error:
            events.put(_Ended(error=error))

    thread = threading.Thread(target=run, name="ingest")
    thread.start()
    try:
        while not isinstance(event := _next(events), _Ended):
            yield event
        if event.error is not None:
            raise event.error
        yield event.result
    finally:
        left.set()
        thread.join()


def _next(events: SimpleQueue[Event | _Ended]) -> Event | _Ended:
    try:
        return events.get(timeout=_BEAT_S)
    except Empty:
        return {"alive": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What work in a thread came to."""

    result: Event = field(default_factory=dict)
    error: BaseException | None = None
