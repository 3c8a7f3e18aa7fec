"""`GET /v1/models` and `POST /v1/chat/completions`: the protocol that chat programs, editors and scripts speak.

Each source is a model: `archivar` searches everything the caller may read, `archivar/NAME` the source of that name.
Errors on `/v1` have OpenAI's form (`rag.api.problems`).
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rag.answers import AnswerEvent, Done, Sentence
from rag.api.answering import Answering, answer_of
from rag.api.caller import AppOf, AskerOf, Caller
from rag.api.chat_answer import Chunks, Said, completion, ended, extra, whole_text
from rag.api.chat_request import ChatRequest, checked, question_in
from rag.api.chat_tasks import ChatFiles, task_answer
from rag.api.desk import Desk
from rag.api.forms import encoded, json_response
from rag.api.language import language_of
from rag.api.line import Waiting
from rag.api.problems import Problem, Refused, logged, openai_error
from rag.api.rights import searched
from rag.api.streams import unless_gone
from rag.app import App
from rag.filters import NONE, Filters
from rag.text.language import language_of_question

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])

MODEL = "archivar"
_NO_MODEL = Problem(status=404, code="model_not_found")
_CLIENT_GONE = 499
_DONE = b"data: [DONE]\n\n"


@router.get("/models", response_model=None)
def models(app: AppOf, caller: AskerOf) -> Response:
    """What can be asked as a model: everything, and each source by itself, of what the caller may read."""
    return json_response({"object": "list", "data": [_model(name) for name in _models(app, caller)]})


@router.get("/models/{model:path}", response_model=None)
def model(
    model: Annotated[str, Path(description="as `GET /v1/models` names it")], app: AppOf, caller: AskerOf
) -> Response:
    """One of them. A source the caller may not read is not found."""
    _filters_of(model, app, caller)
    return json_response(_model(model))


@router.post("/chat/completions", response_model=None)
async def complete(wanted: ChatRequest, request: Request, app: AppOf, caller: AskerOf) -> Response:
    """Answer the last message of the user from the documents, whole or as a stream of chunks.

    The text ends with a list of sources; the field `archivar` (in a stream, of the last chunk) holds the citations as
    `/api/ask` gives them. What a chat program asks for itself (a title, tags) is answered without looking into any
    document.
    """
    question, said_before = question_in(wanted)
    filters = await asyncio.to_thread(_filters_of, wanted.model, app, caller)
    try:
        own = task_answer(question)
    except ChatFiles:
        raise Refused(Problem(status=400, code="chat_files")) from None
    identity, now = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    chunks = Chunks(identity, model=wanted.model, created=now, counted=wanted.counts_wanted)
    if own is not None:
        if wanted.stream:
            return _sse(b"".join(_data(chunk) for chunk in chunks.whole(own)) + _DONE)
        return json_response(completion(identity, model=wanted.model, created=now, text=own))
    language = language_of_question(question)
    make = functools.partial(
        app.ask,
        checked(question),
        principal=caller.principal,
        channel=caller.channel,
        filters=filters,
        conversation=said_before,
    )
    desk: Desk = request.app.state.desk
    events = desk.ask(make, caller=caller)
    try:
        if wanted.stream:
            first = await unless_gone(request, anext(events))
            if first is not None:
                return _ChatStream(request, first, events, chunks, Said(language))
        else:
            answer = await unless_gone(request, answer_of(events))
            if answer is not None:
                form = completion(
                    identity,
                    model=wanted.model,
                    created=now,
                    text=whole_text(answer, language),
                    finish=ended(answer),
                    archivar=extra(answer),
                )
                return json_response(form)
    except BaseException:
        events.close()
        raise
    events.close()
    return Response(status_code=_CLIENT_GONE)


def _models(app: App, caller: Caller) -> list[str]:
    sources = app.ledger.choices(caller.principal, classes=searched(caller)).sources
    return [MODEL, *(f"{MODEL}/{name}" for name in sources if caller.sources is None or name in caller.sources)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": MODEL}


def _filters_of(model: str, app: App, caller: Caller) -> Filters:
    """The sources a model stands for.

    Raises:
        Refused: there is no such model, or the caller may read nothing in its source; in the same words.
    """
    if model == MODEL:
        return caller.narrowed(NONE)
    if model not in _models(app, caller):
        raise Refused(_NO_MODEL)
    return caller.narrowed(Filters(sources=frozenset({model.removeprefix(f"{MODEL}/")})))


def _data(form: Any) -> bytes:
    return b"data: " + encoded(form) + b"\n\n"


def _sse(body: bytes) -> Response:
    return Response(body, media_type="text/event-stream")


class _ChatStream(StreamingResponse):
    """The chunks of an answer, the first event of which is there already."""

    def __init__(
        self, request: Request, first: AnswerEvent | Waiting, events: Answering, chunks: Chunks, said: Said
    ) -> None:
        frames = _frames(
            first,
            events,
            chunks=chunks,
            said=said,
            heartbeat_s=request.app.state.heartbeat_s,
            language=language_of(request),
        )
        super().__init__(frames, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.close()


async def _frames(
    first: AnswerEvent | Waiting, events: Answering, *, chunks: Chunks, said: Said, heartbeat_s: float, language: str
) -> AsyncIterator[bytes]:
    yield _data(chunks.begin())
    event: AnswerEvent | Waiting | None = first
    waiting: asyncio.Future[AnswerEvent | Waiting] | None = None
    try:
        while True:
            if isinstance(event, Sentence):
                yield _data(chunks.text(said.more(event)))
            elif isinstance(event, Done):
                if rest := said.rest(event.answer):
                    yield _data(chunks.text(rest))
                yield _data(chunks.end(ended(event.answer), extra(event.answer)))
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if done:
                event, waiting = waiting.result(), None
            else:
                event = None
                yield b":\n\n"
    except StopAsyncIteration:
        yield _DONE
    except Exception as error:  # the status is sent already: the error is the last event, as these clients expect it
        yield _data(openai_error(logged(error), language))
    finally:
        if waiting is not None:
            waiting.cancel()
