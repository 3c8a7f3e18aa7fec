"""`/api/bots/…`: what a bot asks and tells besides questions. All of it is for the key of a bot alone.

What was found fit to be said is asked about again when it is about to be posted; what was posted is remembered by the
documents it shows, so that it can be taken back when one of them is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from rag.access import Audience
from rag.answers import Outcome
from rag.api.caller import AppOf, BotOf, Caller
from rag.api.forms import json_response
from rag.api.on_behalf import MOST_LISTED, Account, Heard, alone, speaking
from rag.api.problems import NOT_FOUND, Refused
from rag.app import App
from rag.ask.recheck import Recheck
from rag.ask.release import Release
from rag.errors import SignInUnavailable

router = APIRouter(prefix="/api/bots", tags=["bots"])

_DONE = 204


def _whole(typed: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in typed):
        raise ValueError("it holds halves of characters")
    return typed


Receipt = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Message = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_whole)]


Skip = Annotated[int, Query(ge=0, le=1_000_000, description="how many to leave out from the beginning")]


class Posting(BaseModel):
    """An answer that is about to be posted, or edited, before those who can read it there."""

    model_config = ConfigDict(extra="forbid")
    receipt: Receipt
    on_behalf_of: Account
    audience: Audience
    members: Annotated[list[Account], Field(max_length=MOST_LISTED)] | None = None


class PostedMessage(BaseModel):
    """A message that shows an answer; `message` is opaque here, and told to the same bot alone."""

    model_config = ConfigDict(extra="forbid")
    receipt: Receipt
    message: Message
    on_behalf_of: Account


class Withdrawn(BaseModel):
    """A message that is taken back, or was gone already."""

    model_config = ConfigDict(extra="forbid")
    message: Message


@router.post("/standing", response_model=None)
def standing(wanted: Posting, app: AppOf, caller: BotOf) -> Response:
    """Whether all that this answer shows may still be shown there: asked again at the moment of posting. Whatever is
    odd is no."""
    heard = Heard(asker=wanted.on_behalf_of, audience=wanted.audience, members=wanted.members)
    try:
        stands = _stands(app, speaking(app, caller, heard), wanted.receipt)
    except (Refused, SignInUnavailable):
        stands = False
    return json_response({"standing": stands})


@router.post("/messages", response_model=None, status_code=_DONE)
def posted(said: PostedMessage, app: AppOf, caller: BotOf) -> Response:
    """Remember which documents a message shows: those it cites, else the nearest, and those it points at. Only for an
    answer to whom the bot speaks for: any other receipt is not found."""
    user = alone(app, caller, said.on_behalf_of).principal.user
    record = app.audit.own(said.receipt, user)
    if record is None:
        raise Refused(NOT_FOUND)
    app.posted.keep(caller.bot, said.message, receipt=said.receipt, documents=_shown(app, record))
    return Response(status_code=_DONE)


@router.get("/withdrawals", response_model=None)
def withdrawals(app: AppOf, caller: BotOf, skip: Skip = 0) -> Response:
    """Messages of this bot's that an administrator wants taken back, the oldest wish first, a hundred at a time. What
    cannot be taken back stays in the list: a bot skips it."""
    return json_response({"messages": app.posted.withdrawals(caller.bot, skip=skip)})


@router.post("/withdrawn", response_model=None, status_code=_DONE)
def withdrawn(said: Withdrawn, app: AppOf, caller: BotOf) -> Response:
    """It is taken back; nothing is remembered of it."""
    app.audit.note("message_withdrawn", user=caller.principal.user, channel=caller.channel, platform=caller.bot)
    app.posted.withdrawn(caller.bot, said.message)
    return Response(status_code=_DONE)


def _shown(app: App, record: Mapping[str, Any]) -> list[str]:
    """The documents an answer shows or points at, as it ended: where nothing is cited, the nearest passages are what a
    bot points at. One under way may yet show all it was made from."""
    end, links = app.audit.ended(record["receipt"]), record.get("links", ())
    if end is not None and end["outcome"] == Outcome.NOTHING_FOUND.value:
        return []
    cited = end["cited"] if end is not None else []
    return [*(cited or [passage["document"] for passage in record["passages"]]), *links]


def _stands(app: App, caller: Caller, receipt: str) -> bool:
    record = app.audit.own(receipt, caller.principal.user)
    if record is None or record["channel"] != caller.channel.kind.value:
        return False
    shown = {passage["document"] for passage in record["passages"]}
    links, titled = set(record.get("links", ())), set(record.get("titled", ()))
    recheck = Recheck(ledger=app.ledger, principal=caller.principal, channel=caller.channel, policy=caller.policy)
    carried = recheck.carried(shown | links)
    least = {**dict.fromkeys(links, Release.BARE_LINK), **dict.fromkeys(titled, Release.LINK_ONLY)}
    least |= dict.fromkeys(shown, Release.FULL)
    return caller.standing() and all(carried.get(key, Release.REFUSE) >= how for key, how in least.items())
