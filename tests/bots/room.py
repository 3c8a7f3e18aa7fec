"""The smallest chat platform there is, held in memory and reached over TCP, and the adapter that speaks it.

A line of JSON each way. A bot's connection for events begins with ``{"hello": token}``; events come as ``{"delivery",
"event"}`` and are acknowledged as ``{"ack"}``; what is not acknowledged comes again at the next connection. Everything
else is a connection of its own with one call and one reply. In a text ``<url|word>`` is a link and ``<!name>`` a ping;
both are written out by ``&lt;``, ``&gt;`` and ``&amp;``.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Literal

from rag.access import Audience, ChannelKind
from rag.bots.adapter import (
    Account,
    Asked,
    Event,
    Judged,
    MessageRef,
    Place,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Source,
    Stage,
    Take,
    Verdict,
    Withdrawn,
)
from tests.bots.contract import LIMIT_S, Said, Shown

_LINE_BYTES = 1 << 20
_LINK = re.compile(r"<(http[^|>]*)\|([^>]*)>")
_PING = re.compile(r"<!([^>]*)>")
_MEMBERS: Mapping[str, tuple[str, ...] | None] = {
    "team": ("anna", "ben"), "all": ("anna", "ben"), "shared": ("anna", "ben", "eve"),
}  # fmt: skip
_AUDIENCES = {
    "team": Audience.PRIVATE_CHANNEL,
    "all": Audience.PUBLIC_CHANNEL,
    "shared": Audience.GUESTS,
}


@dataclass
class Message:
    """One message of the bot: every form it had, the last one first shown."""

    id: str
    place: str
    thread: str
    nonce: str
    forms: list[dict[str, Any]]
    removed: bool = False


@dataclass
class Delivery:
    """One event, as often as it is delivered."""

    id: str
    event: dict[str, Any]
    sent: bool = False
    acked: asyncio.Event = field(default_factory=asyncio.Event)


class Room:
    """The platform. Lives in the event loop of the test, also where the bot is another process."""

    keeps_nonces = True
    knows_members = True

    def __init__(self) -> None:
        self.token = "good"
        self.messages: dict[str, Message] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.members: dict[str, tuple[str, ...] | None] = dict(_MEMBERS)
        self.port = 0
        self._server: asyncio.Server | None = None
        self._listening: set[asyncio.StreamWriter] = set()
        self._refusals: list[dict[str, Any]] = []
        self._said: dict[str, list[tuple[str, str]]] = {}
        self._numbers = count(1)
        self.hook: Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]] | None = None
        """Sees every call first; gives what is answered in its place, or None."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Room]:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0, limit=_LINE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            await self.drop()
            await self._server.wait_closed()

    def adapter(self) -> RoomAdapter:
        return RoomAdapter(self.port)

    def account(self, who: str) -> Account:
        return Account(id=f"room:{who}")

    def new(self, said: Said) -> str:
        """An event that nobody was given yet."""
        number = f"d{next(self._numbers)}"
        thread = self.deliveries[said.thread].event["thread"] if said.thread else number
        place = f"direct-{said.who}" if said.room == "direct" else said.room
        event = {"kind": "asked", "id": f"e-{number}", "who": said.who, "text": said.text, "place": place}
        event |= {"thread": thread, "earlier": list(self._said.get(thread, ()))}
        self._said.setdefault(thread, []).append((said.who, said.text))
        self.deliveries[number] = Delivery(number, event)
        return number

    async def deliver(self, said: Said) -> str:
        number = self.new(said)
        await self.redeliver(number)
        return number

    async def take_back(self, delivery: str) -> str:
        number, said = f"d{next(self._numbers)}", self.deliveries[delivery].event
        event = {"kind": "withdrawn", "id": f"e-{number}", "place": said["place"], "question": said["id"]}
        self.deliveries[number] = Delivery(number, event)
        await self.redeliver(number)
        return number

    async def press(self, shown: Shown, verdict: Verdict, *, who: str = "anna") -> str:
        number, message = f"d{next(self._numbers)}", self.messages[shown.id]
        event = {"kind": "judged", "id": f"e-{number}", "who": who, "place": message.place, "thread": message.thread}
        event |= {"receipt": message.forms[-1]["receipt"], "verdict": verdict.value}
        self.deliveries[number] = Delivery(number, event)
        await self.redeliver(number)
        return number

    async def redeliver(self, delivery: str) -> None:
        wanted = self.deliveries[delivery]
        wanted.sent = True
        wanted.acked.clear()
        for writer in list(self._listening):
            await self._give(writer, wanted)

    async def acknowledged(self, delivery: str, *, within_s: float = LIMIT_S) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.deliveries[delivery].acked.wait(), within_s)
        return self.deliveries[delivery].acked.is_set()

    async def drop(self) -> None:
        for writer in list(self._listening):
            writer.transport.abort()
        self._listening.clear()

    def refuse(self, how: Literal["busy", "away", "no"], *, times: int = 1, retry_after_s: float = 1.0) -> None:
        self._refusals += [{"busy": retry_after_s} if how == "busy" else {how: True}] * times

    def revoke(self) -> None:
        self.token = "another"

    async def shown(self) -> list[Shown]:
        return [_shown(message) for message in self.messages.values() if not message.removed]

    @property
    def listened(self) -> bool:
        """Whether a bot is connected."""
        return bool(self._listening)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = json.loads(await reader.readline() or b"{}")
            if "hello" in first:
                await self._events(first, reader, writer)
            elif first:
                answer = await self._call(first)
                if answer.get("away"):
                    writer.transport.abort()
                    return
                await _send(writer, answer)
        except (OSError, ValueError):
            return
        finally:
            self._listening.discard(writer)
            writer.close()

    async def _events(self, hello: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if hello["hello"] != self.token or hello.get("only"):
            await _send(writer, {"no": True} if hello["hello"] != self.token else {})
            return
        self._listening.add(writer)
        for delivery in list(self.deliveries.values()):
            if delivery.sent and not delivery.acked.is_set():
                await self._give(writer, delivery)
        while line := await reader.readline():
            self.deliveries[json.loads(line)["ack"]].acked.set()

    async def _give(self, writer: asyncio.StreamWriter, delivery: Delivery) -> None:
        with contextlib.suppress(OSError):
            await _send(writer, {"delivery": delivery.id, "event": delivery.event})

    async def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        if self.hook is not None and (instead := await self.hook(call)) is not None:
            return instead
        do = call["do"]
        if do == "members":
            return {"members": self.members.get(call["place"])}
        if do == "working":
            return {}
        if self._refusals:
            return self._refusals.pop(0)
        if do == "post":
            return {"message": self._post(call)}
        message = self.messages.get(call["message"])
        if do == "remove":
            if message is not None:
                message.removed = True
        elif message is None or message.removed:
            return {"no": True}
        else:
            message.forms.append(call["form"])
        return {}

    def _post(self, call: dict[str, Any]) -> str:
        for message in self.messages.values():
            if message.nonce == call["nonce"] and message.place == call["place"]:
                return message.id
        number = f"m{next(self._numbers)}"
        self.messages[number] = Message(number, call["place"], call["thread"], call["nonce"], [call["form"]])
        return number


class RoomAdapter:
    """Speaks to a `Room`."""

    name: ClassVar[str] = "room"
    kind: ClassVar[ChannelKind] = ChannelKind.SELF_HOSTED_CHAT
    most_chars: ClassVar[int] = 4000
    pace_s: ClassVar[float] = 0.05
    finds_again: ClassVar[bool] = True
    account: ClassVar[str] = "room:{}"

    def __init__(self, port: int, *, token: str = "good") -> None:
        self._port, self._token = port, token
        self._takings: set[asyncio.Task[None]] = set()

    @property
    def hosts(self) -> tuple[str, ...]:
        return (f"127.0.0.1:{self._port}",)

    async def run(self, take: Take) -> None:
        pause = 0.01
        while True:
            with contextlib.suppress(OSError):
                await self._receive(take)
                pause = 0.01
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    async def _receive(self, take: Take) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LINE_BYTES)
        try:
            await _send(writer, {"hello": self._token})
            while line := await reader.readline():
                said = json.loads(line)
                if "no" in said:
                    raise PlatformRefused("The room does not know this token. Give the bot another.")
                task = asyncio.create_task(self._taking(take, said, writer))
                self._takings.add(task)
                task.add_done_callback(self._takings.discard)
        finally:
            writer.close()

    async def _taking(self, take: Take, said: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        try:
            await take(self._event(said["event"]))
        except Exception:
            return  # not acknowledged: it comes again
        with contextlib.suppress(OSError):
            await _send(writer, {"ack": said["delivery"]})

    def _event(self, said: dict[str, Any]) -> Event:
        place = said["place"]
        if said["kind"] == "withdrawn":
            return Withdrawn(event=said["id"], place=Place(conversation=place), question=said["question"])
        account = Account(id=self.account.format(said["who"]))
        audience = _AUDIENCES.get(place, Audience.DIRECT)
        where = Place(conversation=place, thread=said["thread"], audience=audience)
        if said["kind"] == "judged":
            verdict = Verdict(said["verdict"])
            return Judged(event=said["id"], account=account, place=where, receipt=said["receipt"], verdict=verdict)
        earlier = tuple(text for who, text in said["earlier"] if who == said["who"])
        return Asked(event=said["id"], account=account, place=where, text=said["text"], earlier=earlier, language="de")

    async def check(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LINE_BYTES)
        try:
            await _send(writer, {"hello": self._token, "only": True})
            if "no" in json.loads(await reader.readline()):
                raise PlatformRefused("The room does not know this token. Give the bot another.")
        finally:
            writer.close()
        return "the bot is in the room"

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        found = (await self._call(do="members", place=place.conversation))["members"]
        return None if found is None else tuple(Account(id=self.account.format(who)) for who in found)

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        answer = await self._call(
            do="post", place=place.conversation, thread=place.thread, nonce=nonce, form=_form(reply)
        )
        return MessageRef(answer["message"])

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        await self._call(do="edit", message=message, form=_form(reply))

    async def remove(self, message: MessageRef) -> None:
        await self._call(do="remove", message=message)

    async def working(self, place: Place) -> None:
        with contextlib.suppress(PlatformUnreachable, PlatformBusy, PlatformRefused):
            await self._call(do="working", place=place.conversation)

    async def _call(self, **call: Any) -> dict[str, Any]:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LINE_BYTES)
            try:
                await _send(writer, call)
                answer: dict[str, Any] = json.loads(await reader.readline() or b'{"away": true}')
            finally:
                writer.close()
        except (OSError, ValueError) as error:
            raise PlatformUnreachable("The room does not answer.") from error
        if "away" in answer:
            raise PlatformUnreachable("The room does not answer.")
        if "busy" in answer:
            raise PlatformBusy("The room is busy.", retry_after_s=answer["busy"])
        if "no" in answer:
            raise PlatformRefused("The room says no.")
        return answer


async def _send(writer: asyncio.StreamWriter, what: dict[str, Any]) -> None:
    writer.write(json.dumps(what).encode() + b"\n")
    await writer.drain()


def _form(reply: Reply) -> dict[str, Any]:
    lines = [html.escape(line, quote=False) for line in (reply.text, reply.notice) if line]
    lines += [_line(source) for source in reply.sources if reply.stage is Stage.FINAL]
    verdicts = [verdict.value for verdict in Verdict] if reply.receipt and reply.stage is Stage.FINAL else []
    return {"text": "\n".join(lines), "verdicts": verdicts, "receipt": reply.receipt, "stage": reply.stage.value}


def _line(source: Source) -> str:
    words = ", ".join(filter(None, (source.title, source.place))) or "öffnen"
    return f"<{source.url}|[{source.marker}] {html.escape(words, quote=False)}>"


def _shown(message: Message) -> Shown:
    form = message.forms[-1]
    raw = form["text"]
    return Shown(
        id=message.id,
        room="direct" if message.place.startswith("direct-") else message.place,
        text=html.unescape(_LINK.sub(r"\2", raw)),
        links=tuple(link for link, _ in _LINK.findall(raw)),
        pings=tuple(_PING.findall(raw)),
        verdicts=tuple(map(Verdict, form["verdicts"])),
        threaded=message.thread != "",
    )
