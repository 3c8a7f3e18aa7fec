"""What a bot is told: the answer as its chat may show it, whether it may still stand, and what to take back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rag.api.schemas.answers import Citation, Model, Outcome, Passage
from rag.api.schemas.form import Form


class Link(Form):
    """What may only be pointed at: `url` opens it on the internal page, after signing in."""

    url: str
    title: str = Field(default="", description="left out where the chat may not carry it")


class BotPassage(Passage):
    """A passage as a bot is told of it: `document_id` is the key, `uri` and `url` open the internal page."""

    url: str


class BotCitation(Citation):
    """A citation as a bot is told of it."""

    url: str


class BotAnswer(Form):
    """An answer as a bot is told of it. `sensitivity` is the highest class of what it shows, "" where it shows
    nothing."""

    question: str
    outcome: Outcome
    text: str
    citations: list[BotCitation]
    passages: list[BotPassage]
    model: Model
    receipt: str
    timing_ms: dict[str, int]
    asked: str
    left_out: int
    disagreements: list[list[BotCitation]]
    reason: str | None
    unquoted: list[str]
    links: list[Link]
    sensitivity: Literal["", "public", "internal", "confidential", "strict"]


class Standing(Form):
    """Whether an answer may still be posted where it is meant to be."""

    standing: bool


class Withdrawals(Form):
    """Messages to be taken back."""

    messages: list[str]
