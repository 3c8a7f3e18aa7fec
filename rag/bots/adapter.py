"""What a chat platform is to us: the one Protocol that every adapter keeps, and what flows over it.

A question moves in one direction: the platform delivers an event → the adapter makes an `Asked` of it, with the account
as the platform itself has verified it → the inbox writes it down, and only then the event is acknowledged → the runner
asks the service on behalf of the account → what may be said comes back as a `Reply` → the adapter escapes it for its
platform and posts it, then edits it while it grows.

What somebody takes back goes the same way, as a `Withdrawn`: the runner ends what answers it, and has it removed.

An adapter decides nothing: not who somebody is in the house, not what may be said, not whether a question was answered
before. It knows its platform's words and no other room of ours but this one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NewType, Protocol, TypeAlias, runtime_checkable

from rag.access import Audience, ChannelKind
from rag.errors import RagError

MessageRef = NewType("MessageRef", str)
"""A message of the bot's own, as its platform finds it again; opaque to everybody else, at most 500 characters."""


class PlatformBusy(RagError):
    """The platform takes no more for a while."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PlatformUnreachable(RagError):
    """The platform does not answer; what was meant for it may be tried again."""


class PlatformRefused(RagError):
    """The platform says no, and will say so again: the message is gone, the bot was removed, a right is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody as the platform has verified them: ``slack:T01:U02``, ``teams:<tenant>:<object id>``,
    ``matrix:@anna:example.org``. `email` only where the platform itself vouches for it; never a name that a person
    typed."""

    id: str
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something was said and is answered: a conversation, and a thread in it, "" where there is none."""

    conversation: str
    thread: str = ""
    audience: Audience = Audience.GUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it came in. `event` is the same for every redelivery of one event; `earlier` are the asking
    person's own earlier messages in this thread, oldest first, and nobody else's; `language` is de, en, or "" where the
    platform does not say."""

    event: str
    account: Account
    place: Place
    text: str
    earlier: tuple[str, ...] = ()
    language: str = ""


class Verdict(StrEnum):
    """What a person says of an answer by pressing a button."""

    HELPFUL = "helpful"
    WRONG = "wrong"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A press on a feedback button below a message of ours. `event` as in `Asked`."""

    event: str
    account: Account
    place: Place
    receipt: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Somebody took back what they had said: `question` is the `event` of what was, or would have been, made of it.
    Who did it the platform has judged: it lets nobody delete what others said who may not. `event` as in `Asked`."""

    event: str
    place: Place
    question: str


class Stage(StrEnum):
    """How far a reply is. Only a FINAL one carries sources and buttons."""

    WORKING = "working"
    WRITING = "writing"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One numbered proof; or, numbered after them, what may only be opened. `url` opens the internal page and nothing
    else; `title` is "" where the channel may carry no more than the link; `place` is the page or heading, as people say
    it."""

    marker: int
    url: str
    title: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is to stand in the chat, in plain text: an adapter escapes every field. `text` are the sentences so far,
    with their markers ``[1]``; `notice` is ours: how the question ended, what to do, that a machine wrote it.
    `sensitivity` is the highest class among what it rests on, "" where nothing is shown. `receipt` is set where it can
    be judged."""

    stage: Stage
    language: str
    text: str = ""
    notice: str = ""
    sources: tuple[Source, ...] = ()
    sensitivity: str = ""
    receipt: str = ""


Event: TypeAlias = Asked | Judged | Withdrawn

Take = Callable[[Event], Awaitable[None]]
"""Writes an event down, durably, and returns at once; a redelivery is taken and does nothing. Only when it has returned
may the event be acknowledged; when it raises, it must not be."""


class ChatAdapter(Protocol):
    """One platform. Everything is called from one event loop."""

    name: ClassVar[str]
    """As in ``rag bot NAME`` and ``[bots.NAME]``; begins every account of the platform."""
    kind: ClassVar[ChannelKind]
    most_chars: ClassVar[int]
    """What one message holds of `Reply.text`; the runner cuts, and says so."""
    pace_s: ClassVar[float]
    """The least time between two edits of a message that the platform bears."""
    finds_again: ClassVar[bool]
    """Whether `post` gives the message of a nonce that an earlier process has posted. Where it cannot, a second message
    may appear after a crash; the runner lets that one say that it counts."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """``host:port`` of all that the process may connect to, besides the service; fixed before anything is sent."""

    async def run(self, take: Take) -> None:
        """Receive until cancelled; connects again by itself, with growing pauses, when the platform drops it.

        Raises:
            PlatformRefused: the credentials are not good, or a right is missing; says which, and what to do.
        """

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        """Everybody who can read what is said there; None where that cannot be known in full."""

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """Say it there. The same `nonce` again, also after a crash, gives the message that is there already, wherever
        the platform can tell.

        Raises:
            PlatformBusy, PlatformUnreachable, PlatformRefused
        """

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        """Let the message say this instead. Raises as `post`."""

    async def remove(self, message: MessageRef) -> None:
        """Take the message back; one that is gone already is no error. Raises as `post`."""

    async def working(self, place: Place) -> None:
        """Show that there is work going on, where the platform can; never raises."""


@runtime_checkable
class Examinable(Protocol):
    """An adapter that can try its credentials without receiving anything, for ``rag bot NAME check``."""

    async def check(self) -> str | None:
        """Who the bot is there, in one sentence, or None where it is only let in. Raises as `post`."""
