"""Answers on their way to a client, as server-sent events. When the client goes away, the desk is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rag.answers import AnswerEvent
from rag.api.answering import Answering
from rag.api.forms import Event, encoded, event_form
from rag.api.language import language_of
from rag.api.line import Waiting
from rag.api.problems import logged

T = TypeVar("T")
Forming = Callable[[Event], tuple[str, dict[str, Any]]]
"""From an event to its name in the stream, and its data."""

HEARTBEAT_S = 10.0
"""A comment is sent when nothing happened for so long: proxies keep the line open, a dead one is noticed."""


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
        self,
        request: Request,
        first: AnswerEvent | Waiting,
        events: Answering,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        form: Forming = event_form,
    ) -> None:
        super().__init__(
            _frames(first, events, heartbeat_s=heartbeat_s, language=language_of(request), form=form),
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
    first: AnswerEvent | Waiting, events: Answering, *, heartbeat_s: float, language: str, form: Forming
) -> AsyncIterator[bytes]:
    yield frame(*form(first))
    waiting: asyncio.Future[AnswerEvent | Waiting] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not done:
                yield b":\n\n"
                continue
            event = waiting.result()
            waiting = None
            yield frame(*form(event))
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
