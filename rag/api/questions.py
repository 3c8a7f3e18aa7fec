"""`POST /api/ask` and `POST /api/search`."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from rag.answers import Answer, AnswerEvent, Done
from rag.api.caller import AppOf, Caller, CallerOf
from rag.api.forms import answer_form, found_form, json_response
from rag.api.streams import Drawn, EventStream, unless_gone
from rag.app import App
from rag.ask.release import divide

router = APIRouter(prefix="/api", tags=["questions"])

MAX_QUESTION = 2000
_CLIENT_GONE = 499  # what proxies log for a client that closed the connection; nobody reads it

Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION)]
Sources = Annotated[frozenset[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=100)]


class Turn(BaseModel):
    """An earlier turn of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["user", "assistant"]
    content: str


class Ask(BaseModel):
    """A question. What this version cannot honour is refused, never ignored: an answer that silently left out the
    conversation or a filter would be a wrong answer. `sources` limits the search to sources of these names."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    sources: Annotated[Sources, Field(min_length=1)] | None = None
    stream: bool = False
    conversation: Annotated[list[Turn], Field(max_length=0)] = []
    filters: Annotated[dict[str, Any], Field(max_length=0)] = {}


class Search(BaseModel):
    """A query for passages; `k` is how many at most."""

    model_config = ConfigDict(extra="forbid")
    query: Question
    k: Annotated[int, Field(ge=1, le=50)] = 8
    sources: Annotated[Sources, Field(min_length=1)] | None = None


@router.post("/ask", response_model=None)
async def ask(wanted: Ask, request: Request, app: AppOf, caller: CallerOf) -> Response:
    """Answer a question: the answer as JSON, or with `stream` the events `passages`, `sentence`…, `done`.

    A stream that breaks ends with the event `error`, a problem. A client that goes away stops the model.
    """
    make = functools.partial(
        app.ask, wanted.question, principal=caller.principal, channel=caller.channel, sources=wanted.sources
    )
    events: Drawn[AnswerEvent] = Drawn(make, threads=request.app.state.threads)
    try:
        if wanted.stream:
            first = await unless_gone(request, events.next())
            if first is not None:
                return EventStream(request, first, events, heartbeat_s=request.app.state.heartbeat_s)
        else:
            answer = await unless_gone(request, _answer(events))
            if answer is not None:
                return json_response(answer_form(answer))
    except BaseException:
        events.close()
        raise
    events.close()
    return Response(status_code=_CLIENT_GONE)


async def _answer(events: Drawn[AnswerEvent]) -> Answer:
    while True:
        event = await events.next()
        if isinstance(event, Done):
            return event.answer


@router.post("/search", response_model=None)
def search(wanted: Search, app: AppOf, caller: CallerOf) -> Response:
    """The best passages, whatever their evidence: the calibrated probability that they answer the question."""
    return json_response(_found(wanted, app, caller))


def _found(wanted: Search, app: App, caller: Caller) -> dict[str, Any]:
    found = app.search(wanted.query, principal=caller.principal, k=wanted.k, sources=wanted.sources)
    return found_form(divide(found.passages, caller.channel).full, found.evidence)
