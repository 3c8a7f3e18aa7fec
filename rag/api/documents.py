"""`GET /api/documents`, `/{key}` and its text. What may not be read is not found, in the words for what is not there,
and is counted nowhere."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from rag.api.caller import AppOf, Caller, ReaderOf
from rag.api.forms import document_form, json_response, listed_form, text_form
from rag.api.language import language_of
from rag.api.problems import Problem, Refused
from rag.api.rights import carried, document_of, entry_of
from rag.app import App
from rag.errors import SettingsError
from rag.filters import Filters, parse
from rag.store import listing
from rag.store.listing import Order, Place, Wanted

router = APIRouter(prefix="/api/documents", tags=["documents"])

Key = Annotated[str, Path(description="a document's key, as passages and citations give it")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Listing(BaseModel):
    """What is listed: `source`, `state` and `type` may be given several times; `text` stands in the title or path.
    `cursor` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")
    source: Annotated[list[Name], Field(max_length=100)] = []
    state: Annotated[list[Literal["indexed", "failed", "outdated"]], Field(max_length=3)] = []
    type: Annotated[list[Name], Field(max_length=100)] = []
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    sort: Order = Order.PATH
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, StringConstraints(max_length=8000)] = ""
    lang: Annotated[str, StringConstraints(max_length=10)] | None = None


@router.get("", response_model=None)
def documents(asked: Annotated[Listing, Query()], request: Request, app: AppOf, caller: ReaderOf) -> Response:
    """What the caller may read of what is indexed, failed documents with the reason and what to do.

    `next` goes on after the last document of this page, whatever comes and goes meanwhile; None at the end. `counts`
    and `sources` count what the filters leave of what the caller may read.
    """
    wanted = _wanted(asked, caller)
    found = listing.page(
        app.ledger,
        caller.principal,
        wanted,
        order=asked.sort,
        after=_place(asked.cursor, asked.sort),
        limit=asked.limit,
    )
    app.audit.note("listed", user=caller.principal.user, channel=caller.channel, links=[row.key for row in found.rows])
    counts = listing.counts(app.ledger, caller.principal, wanted)
    every = Wanted(sources=caller.sources, classes=wanted.classes)
    return json_response(
        {
            "documents": [listed_form(row, language_of(request)) for row in found.rows],
            "next": _cursor(found.after, asked.sort) if found.after else None,
            "counts": {**counts, "total": sum(counts.values())},
            "sources": listing.sources_of(app.ledger, caller.principal, every),
        }
    )


@router.get("/{key}", response_model=None)
def document(key: Key, app: AppOf, caller: ReaderOf) -> Response:
    """Title, place, kind and age of a document."""
    entry = entry_of(app, key, caller)
    _record(app, caller, "looked_up", key, entry.version)
    return json_response(document_form(entry, app.ledger.document(key)))


@router.get("/{key}/text", response_model=None)
def text(key: Key, app: AppOf, caller: ReaderOf) -> Response:
    """The text of a document as it is indexed, with its sections."""
    return json_response(text_of(key, app, caller))


def text_of(key: str, app: App, caller: Caller) -> dict[str, Any]:
    """The text's form, once it is recorded who sees it.

    Raises:
        Refused: there is no such document, or not for this caller.
    """
    found = document_of(app, key, caller)
    _record(app, caller, "viewed", key, found.ref.version)
    return text_form(found)


def _record(app: App, caller: Caller, event: str, key: str, version: str | None) -> None:
    """Who was shown it, durably, or nothing is shown."""
    app.audit.note(event, user=caller.principal.user, channel=caller.channel, document=key, version=version)


def _wanted(asked: Listing, caller: Caller) -> Wanted:
    try:
        types = parse(types=asked.type).types
    except SettingsError as error:
        raise Refused(Problem(status=422, code="filters_not_understood", fields=(("type", str(error)),))) from error
    return Wanted(
        sources=caller.narrowed(Filters(sources=frozenset(asked.source) or None)).sources,
        states=frozenset(asked.state),
        types=types,
        classes=carried(caller),
        text=asked.text,
    )


def _cursor(place: Place, order: Order) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, *place]).encode()).decode().rstrip("=")


def _place(cursor: str, order: Order) -> Place | None:
    if not cursor:
        return None
    try:
        read = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        sort, value, key = (str(part) for part in read)
        value.encode(), key.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(Problem(status=422, code="cursor_not_understood")) from error
    if sort != order:
        raise Refused(Problem(status=422, code="cursor_not_understood"))
    return Place(value, key)
