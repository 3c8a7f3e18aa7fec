"""Messages of the bot's own: posted, grown, ended and taken back.

In a chat with one person Teams streams: a line of what is being done, then the text as it grows, then the message. It
does so for two minutes and no longer; before they are over the stream is ended with what there is, and the message
grows by edits, as it does everywhere else. A stream that Teams breaks off goes on in the same way.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from microsoft_teams.api.activities.message.message import MessageActivityInput
from microsoft_teams.api.activities.typing import TypingActivityInput
from microsoft_teams.api.models.channel_data import ChannelData

from rag.access import Audience
from rag.bots.adapter import MessageRef, Place, PlatformRefused, Reply, Stage
from rag.bots.teams_activity import Spot, spot_of
from rag.bots.teams_card import drawn
from rag.bots.teams_connector import Connector, Declined
from rag.bots.teams_memory import Memory
from rag.bots.teams_text import message as escaped

_STREAM_S: Final = 100.0
_MOST_KEPT: Final = 20_000
_GONE: Final = 404
_PLACEHOLDER: Final = "DO_NOT_USE"


@dataclass(slots=True)
class _Stream:
    """How far a stream is; `id` is the message that stands for it now."""

    begun_at: float
    sequence: int = 1
    open: bool = True
    writing: bool = False
    id: str = ""


class Kept(OrderedDict[str, str]):
    """Names and what belongs to them, the newest ones."""

    def keep(self, name: str, value: str) -> None:
        """Remember it, and forget the oldest."""
        self[name] = value
        while len(self) > _MOST_KEPT:
            self.popitem(last=False)


class Posts:
    """What was posted. For one event loop."""

    def __init__(self, connector: Connector, *, memory: Memory, clock: Callable[[], float] = time.monotonic) -> None:
        self._connector, self._memory, self._clock = connector, memory, clock
        self._nonces = Kept()
        self._streams: OrderedDict[str, _Stream] = OrderedDict()

    def receipt(self, where: Spot, activity: str) -> str:
        """The receipt of the answer that a message shows; "" where it is no answer of the bot's."""
        return self._memory.receipt(_judged(where, activity))

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """As `rag.bots.adapter.ChatAdapter.post`; a nonce is known as long as this process runs."""
        if known := self._nonces.get(nonce):
            return MessageRef(known)
        where = spot_of(place)
        streams = place.audience is Audience.DIRECT and reply.stage is not Stage.FINAL
        activity = _step(reply, sequence=1) if streams else drawn(reply)
        name = await self._created(where, activity)
        ref = _ref(where, name, streamed=streams)
        if streams:
            self._keep(ref, _Stream(self._clock(), writing=bool(reply.text)))
        self._settle(where, name, reply)
        self._nonces.keep(nonce, ref)
        return ref

    async def edit(self, place: Place, ref: MessageRef, reply: Reply) -> None:
        """As `rag.bots.adapter.ChatAdapter.edit`."""
        where, name, streamed = _read(ref)
        if streamed and ref not in self._streams:  # from before a restart: nobody knows how far it is
            moved = self._memory.moved(ref)
            self._keep(ref, _Stream(float("-inf"), open=not moved, id=moved))
        stream = self._streams.get(ref)
        if stream is None or not stream.open:
            name = stream.id if stream and stream.id else name
            await self._replaced(where, name, reply)
        elif reply.stage is Stage.FINAL or self._clock() - stream.begun_at > _STREAM_S:
            name = await self._ended(where, ref, stream, reply)
        else:
            await self._grown(where, name, stream, reply)
        self._settle(where, name, reply)

    async def remove(self, ref: MessageRef) -> None:
        """As `rag.bots.adapter.ChatAdapter.remove`."""
        where, name, _ = _read(ref)
        for one in filter(None, (name, self._memory.moved(ref))):
            try:
                async with self._connector.at(where.service) as api:
                    await api.conversations.delete_activity(where.address, one)
            except Declined as declined:
                if declined.status != _GONE:
                    raise
            self._memory.forget(_judged(where, one))
        if stream := self._streams.get(ref):
            stream.open = False

    async def working(self, place: Place) -> None:
        """Show that somebody is writing; raises as `post`."""
        where = spot_of(place)
        async with self._connector.at(where.service) as api:
            await api.conversations.create_activity(where.address, TypingActivityInput())

    async def _created(self, where: Spot, activity: MessageActivityInput | TypingActivityInput) -> str:
        async with self._connector.at(where.service) as api:
            sent = await api.conversations.create_activity(where.address, activity)
        if not sent.id or sent.id.startswith(_PLACEHOLDER):
            raise PlatformRefused("Teams has taken the message and given it no name; it cannot be changed any more.")
        return sent.id

    async def _replaced(self, where: Spot, name: str, reply: Reply) -> None:
        activity = drawn(reply)
        activity.id = name
        async with self._connector.at(where.service) as api:
            try:
                await api.conversations.update_activity(where.address, name, activity)
            except KeyError:  # the connector has answered without a name: it was done all the same
                return

    async def _grown(self, where: Spot, name: str, stream: _Stream, reply: Reply) -> None:
        """One more step of a stream. A step that Teams declines is no loss: the end says everything."""
        if stream.writing and not reply.text:
            return
        stream.writing = stream.writing or bool(reply.text)
        stream.sequence += 1
        try:
            async with self._connector.at(where.service) as api:
                await api.conversations.create_activity(
                    where.address, _step(reply, sequence=stream.sequence, stream=name)
                )
        except Declined as declined:
            _stopped(declined)
            stream.open = False

    async def _ended(self, where: Spot, ref: MessageRef, stream: _Stream, reply: Reply) -> str:
        """The stream's end; where Teams has ended it, an edit of the same message; where that is gone, a new one."""
        _, name, _ = _read(ref)
        activity = drawn(reply)
        activity.id = name
        activity.add_stream_final()
        try:
            async with self._connector.at(where.service) as api:
                await api.conversations.create_activity(where.address, activity)
        except Declined as declined:
            _stopped(declined)
            stream.open = False
            try:
                await self._replaced(where, name, reply)
            except Declined as gone:
                if gone.status != _GONE:
                    raise
                stream.id = await self._created(where, drawn(reply))
                self._memory.move(ref, stream.id)
        stream.open = False
        return stream.id or name

    def _keep(self, ref: MessageRef, stream: _Stream) -> None:
        self._streams[ref] = stream
        while len(self._streams) > _MOST_KEPT:
            self._streams.popitem(last=False)

    def _settle(self, where: Spot, name: str, reply: Reply) -> None:
        if reply.receipt:
            self._memory.may_be_judged(_judged(where, name), reply.receipt)


def _judged(where: Spot, name: str) -> str:
    """A message as a thumb below it names it: the thread is not always told."""
    return f"{where.service} {where.id} {name}"


def _step(reply: Reply, *, sequence: int, stream: str = "") -> TypingActivityInput:
    """One step of a stream: what is being done, or all of the text so far."""
    activity = TypingActivityInput(text=escaped(reply.text) or escaped(reply.notice) or "…")
    activity.channel_data = ChannelData(stream_type="streaming" if reply.text else "informative")
    if stream:
        activity.id = stream
    return activity.add_stream_update(sequence)


def _stopped(declined: Declined) -> None:
    """Whoever pressed "stop" has no wish for the rest."""
    if "cancel" in declined.said:
        raise PlatformRefused("The person has stopped the answer.") from declined


def _ref(where: Spot, name: str, *, streamed: bool) -> MessageRef:
    parts = (where.service.removeprefix("https://"), where.id, where.thread, name, "s" if streamed else "")
    return MessageRef("|".join(parts))


def _read(ref: MessageRef) -> tuple[Spot, str, bool]:
    service, conversation, thread, name, streamed = ref.split("|")
    return Spot(service=f"https://{service}", id=conversation, thread=thread), name, bool(streamed)
