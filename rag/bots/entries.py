"""What the inbox gives, and how it is written down and read again. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from rag.access import Audience
from rag.bots.adapter import Account, Asked, Event, Judged, MessageRef, Place, Verdict, Withdrawn

_MOST_CHARS: Final = 4000
_MOST_EARLIER: Final = 20
Crowded: TypeAlias = Literal["", "all", "here", "each"]
"""Too many questions wait: nowhere, in all, in this conversation, of this person."""
NO_MESSAGE: Final = MessageRef("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event that is not ended. `crowded` tells where too many waited when it came, "" where not; `attempts` counts
    how often it was begun, `message` is the reply that stands in the chat already; `doubtful`: another one may stand
    there, because nobody knows how an earlier attempt to post it went."""

    said: Event
    received: float
    nonce: str
    crowded: Crowded = ""
    attempts: int = 0
    message: MessageRef = NO_MESSAGE
    doubtful: bool = False

    @property
    def event(self) -> str:
        """The event's id."""
        return self.said.event


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A reply to an event: `message` is "" where it is not known whether it was posted to this `place`."""

    nonce: str
    message: MessageRef
    place: Place | None = None


def bounded(said: Event) -> Event:
    """No longer than what the service would refuse in any case."""
    if not isinstance(said, Asked):
        return said
    earlier = tuple(one[:_MOST_CHARS] for one in said.earlier[-_MOST_EARLIER:])
    return replace(said, text=said.text[:_MOST_CHARS], earlier=earlier)


def written(said: Event) -> str:
    """As a text that `read` reads."""
    return json.dumps({"kind": type(said).__name__, **asdict(said)})


def read(body: str) -> Event:
    """The event of such a text."""
    form: dict[str, Any] = json.loads(body)
    event, place = form["event"], _place(form["place"])
    if form["kind"] == "Withdrawn":
        return Withdrawn(event=event, place=place, question=form["question"])
    account = Account(**form["account"])
    if form["kind"] == "Judged":
        verdict = Verdict(form["verdict"])
        return Judged(event=event, account=account, place=place, receipt=form["receipt"], verdict=verdict)
    earlier = tuple(form["earlier"])
    return Asked(
        event=event, account=account, place=place, text=form["text"], earlier=earlier, language=form["language"]
    )


def written_place(place: Place) -> str:
    """As a text that `read_place` reads."""
    return json.dumps(asdict(place))


def read_place(body: str) -> Place:
    """The place of such a text."""
    return _place(json.loads(body))


def _place(form: dict[str, Any]) -> Place:
    return Place(**{**form, "audience": Audience(form["audience"])})
