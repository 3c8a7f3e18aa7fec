"""`POST /api/ask` and `POST /api/search`."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from rag.access import Audience
from rag.api.answering import answer_of
from rag.api.bot_forms import forms_of
from rag.api.caller import AppOf, AskerOrBotOf, Caller, SearcherOf, needs
from rag.api.desk import Desk
from rag.api.forms import answer_form, event_form, found_form, json_response
from rag.api.on_behalf import MOST_LISTED, NOBODY, Account, Heard, speaking
from rag.api.rights import searched
from rag.api.streams import EventStream, unless_gone
from rag.app import App
from rag.ask.conversation import MAX_TURN_CHARS, MAX_TURNS, Turn
from rag.errors import SettingsError
from rag.filters import LANGUAGES, Filters, parse
from rag.question import MAX_QUESTION, readable

router = APIRouter(prefix="/api", tags=["questions"])

_CLIENT_GONE = 499  # what proxies log for a client that closed the connection; nobody reads it

Question = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION),
    BeforeValidator(lambda typed: _whole(typed) if isinstance(typed, str) else typed),
]
Sources = Annotated[frozenset[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=100)]


def _whole(typed: str) -> str:
    """What was sent, readable. Halves of characters are no text: no terminal stands between us and who sent them."""
    if any("\ud800" <= sign <= "\udfff" for sign in typed):
        raise ValueError("it holds halves of characters")
    return readable(typed)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=500)]],
    Field(max_length=100),
    BeforeValidator(_listed),
]
"""One text, or a list of them."""


class SaidBefore(BaseModel):
    """An earlier turn of a conversation, as the client tells it."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(max_length=MAX_TURN_CHARS)]


class Narrowing(BaseModel):
    """What a search is limited to: one kind narrows another, within a kind one is enough. `language` is de, en or
    other; `since` a day, month or year; `type` a kind of document such as pdf or mail; `path` a folder below a source
    (hr/) or a pattern (**/protokolle/*)."""

    model_config = ConfigDict(extra="forbid")
    language: Names = []
    type: Names = []
    path: Names = []
    since: Annotated[str, StringConstraints(max_length=10)] | None = None

    @model_validator(mode="after")
    def _understood(self) -> Narrowing:
        self.of(None)
        return self

    def of(self, sources: frozenset[str] | None) -> Filters:
        """As the store takes them.

        Raises:
            ValueError: one of them cannot be understood.
        """
        try:
            return parse(sources=sources, languages=self.language, types=self.type, since=self.since, paths=self.path)
        except SettingsError as error:
            raise ValueError(str(error)) from error


class Ask(BaseModel):
    """A question. What this version cannot honour is refused, never ignored: an answer that silently left out a filter
    would be a wrong answer. `sources` limits the search to sources of these names; `conversation` is what was said
    before, oldest first: it is used for this question and not kept. `early`, with `stream`: the passages come as soon
    as they are found (`settled` false), and once more, in their final order, when they have been read. The last three
    are for the key of a bot, which needs them: whose question it is, before whom it is answered, and, beyond a direct
    message, who they are."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    sources: Annotated[Sources, Field(min_length=1)] | None = None
    stream: bool = False
    early: bool = False
    conversation: Annotated[list[SaidBefore], Field(max_length=MAX_TURNS)] = []
    filters: Narrowing = Narrowing()
    on_behalf_of: Account | None = None
    audience: Audience | None = None
    members: Annotated[list[Account], Field(max_length=MOST_LISTED)] | None = None


class Search(BaseModel):
    """A query for passages; `k` is how many at most."""

    model_config = ConfigDict(extra="forbid")
    query: Question
    k: Annotated[int, Field(ge=1, le=50)] = 8
    sources: Annotated[Sources, Field(min_length=1)] | None = None
    filters: Narrowing = Narrowing()


@router.post("/ask", response_model=None)
async def ask(wanted: Ask, request: Request, app: AppOf, caller: AskerOrBotOf) -> Response:
    """Answer a question: the answer as JSON, or with `stream` the events `passages`, `queue`…, `thinking`…,
    `sentence`…, `done`.

    While others are answered first, `queue` tells the place in the line, and 0 when the turn has come; `thinking` that
    the model thinks before it writes, and with `over` that now it writes. A stream that breaks ends with the event
    `error`, a problem. A client that goes away stops the model. Too many questions are refused at once with 429;
    `Retry-After` says when to ask again.
    """
    heard = Heard(asker=wanted.on_behalf_of, audience=wanted.audience, members=wanted.members)
    if caller.bot or heard != NOBODY:
        caller = await run_in_threadpool(speaking, app, caller, heard)
    bot = forms_of(app, caller)
    make = functools.partial(
        app.ask,
        wanted.question,
        principal=caller.principal,
        channel=caller.channel,
        filters=caller.narrowed(wanted.filters.of(wanted.sources)),
        conversation=[Turn(role=said.role, content=said.content) for said in wanted.conversation],
        early=wanted.early and wanted.stream,
    )
    desk: Desk = request.app.state.desk
    events = desk.ask(make, caller=caller)
    try:
        if wanted.stream:
            first = await unless_gone(request, anext(events))
            if first is not None:
                form = bot.event if bot else event_form
                return EventStream(request, first, events, heartbeat_s=request.app.state.heartbeat_s, form=form)
        else:
            answer = await unless_gone(request, answer_of(events))
            if answer is not None:
                return json_response(bot.answer(answer) if bot else answer_form(answer))
    except BaseException:
        events.close()
        raise
    events.close()
    return Response(status_code=_CLIENT_GONE)


async def _paced(request: Request, caller: SearcherOf) -> None:
    desk: Desk = request.app.state.desk
    desk.pace(caller)


@router.post("/search", response_model=None, dependencies=[Depends(_paced)])
def search(wanted: Search, app: AppOf, caller: SearcherOf) -> Response:
    """The best passages, whatever their evidence: the calibrated probability that they answer the question."""
    return json_response(_found(wanted, app, caller))


@router.get("/filters", response_model=None)
def choices(app: AppOf, caller: Annotated[Caller, Depends(needs("search", "ask"))]) -> Response:
    """What a question can be limited to, of what the caller may read: names of `sources`, `types`, `languages`."""
    found = app.ledger.choices(caller.principal, sources=caller.sources, classes=searched(caller))
    return json_response({"sources": list(found.sources), "types": list(found.types), "languages": list(LANGUAGES)})


def _found(wanted: Search, app: App, caller: Caller) -> dict[str, Any]:
    filters = caller.narrowed(wanted.filters.of(wanted.sources))
    found = app.search(wanted.query, principal=caller.principal, channel=caller.channel, k=wanted.k, filters=filters)
    return found_form(found)
