"""Answers on their way: a blocking iterator read from the event loop, and server-sent events.

An answer is made in a thread of its own, which alone touches the iterator. When the client goes away the thread is
told, and closes the iterator at its next event; that stops the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rag.answers import AnswerEvent
from rag.api.forms import encoded, event_form
from rag.api.language import language_of
from rag.api.problems import logged

T = TypeVar("T")

HEARTBEAT_S = 10.0
"""A comment is sent when nothing happened for so long: proxies keep the line open, a dead one is noticed."""


class Drawn(Generic[T]):
    """An iterator made and drained in a thread of `threads`, for one reader on the event loop.

    What the thread is ahead of a slow reader is kept here, so that a slow reader never holds the model.
    """

    def __init__(self, make: Callable[[], Iterator[T]], *, threads: ThreadPoolExecutor) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Queue[tuple[T | None, BaseException | None]] = asyncio.Queue()
        self._gone = Event()
        threads.submit(copy_context().run, self._drain, make)

    async def next(self) -> T:
        """The next item.

        Raises:
            StopAsyncIteration: there is none; and whatever the iterator raises.
        """
        item, error = await self._ready.get()
        if error is not None:
            raise error
        return item  # type: ignore[return-value]  # None stands for no item only beside an error

    def close(self) -> None:
        """Nobody reads any more: the iterator is closed at its next item."""
        self._gone.set()

    def _drain(self, make: Callable[[], Iterator[T]]) -> None:
        end: BaseException = StopAsyncIteration()
        iterator: Iterator[T] | None = None
        try:
            while not self._gone.is_set():
                iterator = make() if iterator is None else iterator
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                self._tell(item, None)
        except Exception as error:  # handed to the reader, who answers for it
            end = error
        finally:
            if iterator is not None and hasattr(iterator, "close"):
                iterator.close()
            self._tell(None, end)

    def _tell(self, item: T | None, error: BaseException | None) -> None:
        if not self._gone.is_set():
            self._loop.call_soon_threadsafe(self._ready.put_nowait, (item, error))


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` comes to, or None when the client goes away before. The body must have been read."""
    wanted = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        return wanted.result() if wanted.done() else None
    finally:
        wanted.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """The events of an answer, the first of which is there already."""

    def __init__(
        self, request: Request, first: AnswerEvent, events: Drawn[AnswerEvent], *, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        super().__init__(
            _frames(first, events, heartbeat_s=heartbeat_s, language=language_of(request)),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.close()


async def _frames(
    first: AnswerEvent, events: Drawn[AnswerEvent], *, heartbeat_s: float, language: str
) -> AsyncIterator[bytes]:
    yield frame(*event_form(first))
    waiting: asyncio.Future[AnswerEvent] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(events.next())
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not done:
                yield b":\n\n"
                continue
            event = waiting.result()
            waiting = None
            yield frame(*event_form(event))
    except StopAsyncIteration:
        return
    except Exception as error:  # the status is sent already: the problem is the last event
        yield frame("error", logged(error).as_json(language))
    finally:
        if waiting is not None:
            waiting.cancel()


def frame(event: str, form: Any) -> bytes:
    """One server-sent event. The data is JSON in one line: no text in it can end the line and forge another event."""
    return b"event: " + event.encode() + b"\ndata: " + encoded(form) + b"\n\n"
