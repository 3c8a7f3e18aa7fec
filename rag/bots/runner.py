"""A bot at work: takes what its platform delivers, brings each question to its end, and takes messages back.

    adapter ── take ──→ inbox (durable) ──→ line ──→ `Answering`, some at a time ──→ ended
    taken back by its asker → out of the line, or cancelled → its messages removed → ended
    every minute: the service's withdrawals → the message is removed → told

Nothing is acknowledged before it is in the inbox; nothing leaves the inbox before its asker was told, unless the asker
took it back. Told to stop, it
takes nothing more, lets open answers end for some seconds, and leaves the rest to the next start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rag.bots.adapter import (
    Asked,
    ChatAdapter,
    Event,
    Judged,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Withdrawn,
)
from rag.bots.answering import Answering
from rag.bots.client import Service
from rag.bots.entries import Entry
from rag.bots.inbox import Inbox, TakenBack
from rag.bots.riding import PASSING
from rag.bots.speaking import Means, Patiences
from rag.bots.told import AccountUnknown, RoomUnclear, ServiceRefused
from rag.bots.withdrawing import Withdrawing
from rag.errors import RagError, StoreError

_log = logging.getLogger(__name__)

T = TypeVar("T")

_ASIDE: Final = 4
_LAST_WORDS: Final = 3
"""How often it is tried to tell that a question could not be answered."""
_AFTER_FAULT_S: Final = 1.0


class Stopping(RagError):
    """The bot is being stopped and takes nothing more; it is given it again at its next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once, and how often: `at_once` questions in all, `here_at_once` in one conversation; withdrawals are
    asked for every `poll_s`, and open answers get `drain_s` when the bot is stopped. An answer has `answer_chars` at
    most; 0: what a message holds."""

    at_once: int = 8
    here_at_once: int = 2
    poll_s: float = 60.0
    drain_s: float = 8.0
    answer_chars: int = 0
    patiences: Patiences = field(default_factory=Patiences)


class Runner:
    """One bot. `run` once; `stop` from the same event loop."""

    def __init__(
        self,
        adapter: ChatAdapter,
        service: Service,
        inbox: Inbox,
        *,
        page: str,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._adapter, self._service, self._inbox = adapter, service, inbox
        self._limits = limits or Limits()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._means = Means(
            adapter=adapter,
            service=service,
            inbox=inbox,
            off=self._off,
            page=page,
            patiences=self._limits.patiences,
            clock=clock,
            most_chars=min(adapter.most_chars, self._limits.answer_chars or adapter.most_chars),
        )
        self._withdrawing = Withdrawing(self._means)
        self._line: list[Entry] = []
        self._running: dict[asyncio.Task[None], Entry] = {}
        self._taking: set[asyncio.Future[None]] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until it is stopped.

        Raises:
            PlatformRefused: the platform does not take the bot's credentials.
            StoreError: the inbox cannot be read.
        """
        for entry in await self._off(self._inbox.open):
            self._line.append(entry)
        self._dispatch()
        receiving = asyncio.create_task(self._adapter.run(self.take))
        minding = asyncio.create_task(self._mind())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({receiving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            if self._running:
                await asyncio.wait(set(self._running), timeout=self._limits.drain_s)
            if receiving.done():
                receiving.result()
        finally:
            self._stopping.set()
            left = [receiving, minding, stopped, *self._running]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, *self._taking, return_exceptions=True)
            await self._means.unbroken.drop()
            self._writer.shutdown()

    def stop(self) -> None:
        """Take nothing more, and end soon."""
        self._stopping.set()

    async def take(self, event: Event) -> None:
        """Write it down, then put it in the line; what was taken before does nothing.

        Raises:
            StoreError: it could not be written: it must not be acknowledged.
            Stopping: nor what comes when the bot is being stopped.
        """
        if self._stopping.is_set():
            raise Stopping("The bot is being stopped; what comes now is for its next start.")
        taking = asyncio.ensure_future(self._take(event))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        await asyncio.shield(taking)  # whoever gives up waiting does not keep it out of the line

    async def _take(self, event: Event) -> None:
        entry = await self._off(lambda: self._inbox.take(event))
        if entry is None:
            return
        if isinstance(event, Withdrawn):
            self._call_off(event)
        self._line.append(entry)
        self._dispatch()

    def _call_off(self, withdrawn: Withdrawn) -> None:
        """It is not begun any more, or ended where it stands; that stops the model too."""
        self._line = [entry for entry in self._line if not _is_of(withdrawn, entry)]
        for task, entry in self._running.items():
            if _is_of(withdrawn, entry):
                task.cancel()

    def _dispatch(self) -> None:
        """Start what may be started: in the order it came, but no conversation takes all."""
        if self._stopping.is_set():
            return
        busy = Counter(_lane(entry) for entry in self._running.values())
        aside = sum(count for (beside, _), count in busy.items() if beside)
        ordinary = len(self._running) - aside
        waiting: list[Entry] = []
        for entry in self._line:
            lane = _lane(entry)
            full = aside >= _ASIDE if lane[0] else ordinary >= self._limits.at_once
            if full or (not lane[0] and busy[lane] >= self._limits.here_at_once):
                waiting.append(entry)
                continue
            busy[lane] += 1
            aside, ordinary = aside + lane[0], ordinary + (not lane[0])
            self._start(entry)
        self._line = waiting

    def _start(self, entry: Entry) -> None:
        task = asyncio.create_task(self._bring(entry))
        self._running[task] = entry
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._dispatch()

    async def _bring(self, entry: Entry) -> None:
        """One event to its end; what fails unforeseen is begun again, as after a crash."""
        try:
            how = await self._ended(entry, entry.said)
            await self._off(lambda: self._inbox.end(entry, how))
        except TakenBack:
            return
        except StoreError as error:
            _log.error("A question waits: %s", error, extra={"action": "inbox_failed"})
            await self._again(entry)
        except Exception as error:
            extra = {"action": "question_failed", "kind": type(error).__name__}
            _log.error("A question failed and is begun again", extra=extra, exc_info=error)
            await self._again(entry)

    async def _ended(self, entry: Entry, said: Event) -> str:
        """How it ended."""
        if isinstance(said, Judged):
            return await self._judge(said)
        return await (self._take_back(entry, said) if isinstance(said, Withdrawn) else self._answer(entry, said))

    async def _take_back(self, entry: Entry, withdrawn: Withdrawn) -> str:
        """What was called off has ended by then; nothing comes after the removal."""
        answering = {task for task, one in self._running.items() if _is_of(withdrawn, one)}
        if answering:
            await asyncio.wait(answering)
        return await self._withdrawing.done(entry, withdrawn)

    async def _answer(self, entry: Entry, asked: Asked) -> str:
        try:
            return await Answering(self._means, entry, asked).run()
        except (PlatformBusy, PlatformUnreachable, PlatformRefused) as error:
            extra = {"action": "asker_not_told", "kind": type(error).__name__}
            _log.error("An asker could not be told: %s", error, extra=extra)
            return "untold"

    async def _again(self, entry: Entry) -> None:
        """What the inbox knows of it by now is at the end of the line, or is given up."""
        await asyncio.sleep(_AFTER_FAULT_S)
        try:
            for known in await self._off(self._inbox.open):
                if known.event != entry.event:
                    continue
                if known.attempts <= self._limits.patiences.attempts + _LAST_WORDS:
                    self._line.append(known)
                else:
                    await self._off(lambda: self._inbox.end(entry, "untold"))
        except StoreError:
            self._line.append(entry)

    async def _judge(self, judged: Judged) -> str:
        """What somebody says of an answer is passed on; where that cannot be done, it is lost and logged."""
        try:
            await self._limits.patiences.service.ride(
                lambda: self._service.judge(judged.receipt, judged.verdict, judged.account)
            )
        except (*PASSING, AccountUnknown, RoomUnclear, ServiceRefused) as error:
            extra = {"action": "feedback_lost", "kind": type(error).__name__}
            _log.warning("Feedback could not be passed on: %s", error, extra=extra)
            return "lost"
        return "judged"

    async def _mind(self) -> None:
        """Every minute: messages are taken back, and the inbox is tidied."""
        while True:
            try:
                await self._withdrawing.wanted()
                await self._off(self._inbox.tidy)
            except Exception as error:  # whatever it is: it goes on, or nothing would ever be taken back again
                extra = {"action": "withdrawals_failed", "kind": type(error).__name__}
                _log.warning("Messages could not be taken back: %s", error, extra=extra)
            await asyncio.sleep(self._limits.poll_s)

    async def _off(self, work: Callable[[], T]) -> T:
        """Writing waits for the disk; the event loop does not."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _is_of(withdrawn: Withdrawn, entry: Entry) -> bool:
    """Whether this is what was taken back: in the same conversation, since nobody speaks for another one."""
    same = entry.said.place.conversation == withdrawn.place.conversation
    return same and entry.event == withdrawn.question


def _lane(entry: Entry) -> tuple[bool, str]:
    """Whether it goes beside the others, because it takes no time; and its conversation."""
    beside = not isinstance(entry.said, Asked) or bool(entry.crowded)
    return beside, "" if beside else entry.said.place.conversation
