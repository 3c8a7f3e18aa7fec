"""Is it still readable? Asked of the ledger again and again while an answer is made, so that a right that is revoked
meanwhile ends it."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from rag.access import Channel, Principal
from rag.answers import Passage, Pointer
from rag.ask.listening import Listening, Unheard
from rag.ask.release import STANDARD, Policy, Release, release
from rag.store.ledger import Ledger

T = TypeVar("T")

BEAT_S = 1.0
"""How often is asked while a model says nothing: a cut comes well within five seconds, each question takes a
millisecond."""


class RightsLost(Exception):
    """A passage of an answer in the making may no longer be shown to whoever asked. Never leaves `rag.ask`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """Whether the passages of one answer may still be shown to one person through one channel, and whether that person
    still listens."""

    ledger: Ledger
    principal: Principal
    channel: Channel
    listening: Listening = field(default_factory=Listening)
    policy: Policy = STANDARD

    def left(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Those whose document is there, readable and not too secret for the channel, now."""
        carried = self.carried({passage.key for passage in passages})
        return tuple(passage for passage in passages if carried.get(passage.key) is Release.FULL)

    def carried(self, keys: Collection[str]) -> Mapping[str, Release]:
        """Of these documents, those that are there and readable now → how much of them the channel may carry now."""
        found = self.ledger.standing(keys, self.principal)
        return {key: release(secrecy, self.channel, self.policy) for key, secrecy in found.items()}

    def pointers(self, passages: Sequence[Passage], *, most: int) -> tuple[Pointer, ...]:
        """What may be pointed at now among these, each document once, at its best passage."""
        best = {passage.key: passage for passage in reversed(passages)}
        carried = self.carried(best)
        listed = dict.fromkeys(passage.key for passage in passages)
        return tuple(
            Pointer.to(best[key], titled=carried[key] > Release.BARE_LINK)
            for key in listed
            if carried.get(key, Release.REFUSE) > Release.REFUSE
        )[:most]

    def insist(self, passages: Sequence[Passage]) -> None:
        """
        Raises:
            RightsLost: one of them is not among those, or nothing may be shown any more.
            Unheard: nobody waits for it.
        """
        if self.listening.gone:
            raise Unheard
        if self.listening.revoked or len(self.left(passages)) < len(passages):
            raise RightsLost

    def while_waiting(self, passages: Sequence[Passage], stream: Iterator[T]) -> Iterator[T]:
        """The stream, item by item as it is asked for, with the passages insisted on at least every `BEAT_S` until the
        next one is there.

        Raises:
            RightsLost, Unheard: whatever made the stream ends at its next item.
        """
        insisted_at = time.monotonic()
        with closing(_Asked(stream)) as asked:
            while True:
                for step in asked.steps():
                    if step is None or time.monotonic() - insisted_at >= BEAT_S:
                        self.insist(passages)
                        insisted_at = time.monotonic()
                if asked.ended:
                    return
                yield asked.item


class _Asked(Generic[T]):
    """An iterator in a thread of its own, which takes the next item when it is asked for and not before."""

    def __init__(self, stream: Iterator[T]) -> None:
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._given: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._waiting = self.ended = False
        self.item: T
        run = copy_context().run
        self._thread = Thread(target=run, args=(self._run, stream), name="model", daemon=True)
        self._thread.start()

    def steps(self) -> Iterator[bool | None]:
        """Ask for the next item: None for each `BEAT_S` that it is not there, True when it is (`item`), or when there
        is none (`ended`). Raises what the iterator raises."""
        self._waiting = True
        self._asked.put(True)
        while self._waiting:
            try:
                item, error = self._given.get(timeout=BEAT_S)
            except Empty:
                yield None
                continue
            self._waiting = False
            if isinstance(error, StopIteration):
                self.ended = True
            elif error is not None:
                raise error
            self.item = item  # type: ignore[assignment]  # None stands for no item only beside an error
            yield True

    def close(self) -> None:
        """Close the iterator: at once, or at its next item where one is waited for."""
        self._asked.put(False)
        if not self._waiting:
            self._thread.join()

    def _run(self, stream: Iterator[T]) -> None:
        try:
            while self._asked.get():
                try:
                    item = next(stream)
                except BaseException as error:
                    self._given.put((None, error))
                else:
                    self._given.put((item, None))
        finally:
            if isinstance(stream, Generator):
                stream.close()
