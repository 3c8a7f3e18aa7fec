"""Matrix as the contract suite plays it: a real homeserver, and a wire before it that can be broken."""

from __future__ import annotations

import asyncio
import html
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import httpx

from rag.bots.adapter import Account, Verdict
from rag.bots.matrix import MatrixChat, adapter
from rag.settings.bots import MatrixSettings
from tests.bots.contract import LIMIT_S, Room, Said, Shown
from tests.bots.synapse import Homeserver, Member
from tests.bots.wire import Wire, wire

T = TypeVar("T")

BOT_NAME: Final = "Archivar"
EVE: Final = "@eve:partner.example"
SIGNS: Final = {Verdict.HELPFUL: "👍", Verdict.WRONG: "👎", Verdict.OUTDATED: "🕒"}
CLOSED_HISTORY: Final = {
    "type": "m.room.history_visibility",
    "state_key": "",
    "content": {"history_visibility": "joined"},
}
_AUTOLINK: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]*://[^\s<]+|\bwww\.[^\s<]+|\b(?:[a-z0-9-]+\.)+(?:example|com|de)\b", re.I
)


class Markup(HTMLParser):
    """What a client shows of a formatted message: the text, the links in it, and the elements."""

    def __init__(self, formatted: str) -> None:
        super().__init__()
        self.text, self.links, self.tags = "", list[str](), list[str]()
        self.feed(formatted)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.text += "\n" if tag in ("br", "p") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def links(content: dict[str, Any]) -> tuple[str, ...]:
    """Everything that a client makes a link of, in either form of a message, each once."""
    formatted = Markup(content.get("formatted_body", ""))
    guessed = [found[0] for text in (content.get("body", ""), formatted.text) for found in _AUTOLINK.finditer(text)]
    return tuple(dict.fromkeys([*formatted.links, *guessed]))


@dataclass(kw_only=True)
class MatrixPlatform:
    """One bot on the homeserver, with rooms of its own."""

    home: Path
    wire: Wire
    bot: Member
    people: dict[str, Member]
    keeps_nonces: bool = True
    knows_members: bool = True
    encryption: bool = True
    rooms: dict[str, str] = field(default_factory=dict)
    delivered: dict[str, str] = field(default_factory=dict)
    said_by: dict[str, Member] = field(default_factory=dict)
    made: list[MatrixChat] = field(default_factory=list)

    def settings(self, **more: Any) -> MatrixSettings:
        token = self.home / "token"
        token.touch(mode=0o600)
        token.write_text(self.bot.token + "\n")
        settings = {"homeserver": self.wire.url, "user": self.bot.id, "token_file": str(token)}
        return MatrixSettings(**(settings | {"encryption": self.encryption} | more))

    def adapter(self, **more: Any) -> MatrixChat:
        made = adapter(self.settings(**more), environ={"RAG_HOME": str(self.home / "home")})
        assert isinstance(made, MatrixChat)
        self.made.append(made)
        return made

    def account(self, who: str) -> Account:
        return Account(id=f"matrix:{EVE if who == 'eve' else self.people[who].id}")

    async def room(self, room: Room) -> str:
        if room not in self.rooms:
            self.rooms[room] = await aside(lambda: self._create(room))
            await until(lambda: self.bot.id in self.people["anna"].joined(self.rooms[room]))
        return self.rooms[room]

    def _create(self, room: Room) -> str:
        anna, ben = self.people["anna"], self.people["ben"]
        if room == "direct":
            return anna.create(self.bot, preset="trusted_private_chat", is_direct=True)
        options: dict[str, Any] = {"preset": "public_chat"} if room == "all" else {"initial_state": [CLOSED_HISTORY]}
        made = anna.create(self.bot, ben, name=room, **options)
        ben.call("POST", f"/join/{quote(made)}")
        return made

    async def deliver(self, said: Said) -> str:
        room = await self.room(said.room)
        content: dict[str, Any] = {"msgtype": "m.text", "body": said.text}
        if said.room != "direct":
            content["body"] = f"{BOT_NAME}: {said.text}"
            pill = f'<a href="https://matrix.to/#/{self.bot.id}">{BOT_NAME}</a>: {html.escape(said.text)}'
            content |= {"format": "org.matrix.custom.html", "formatted_body": pill}
            content["m.mentions"] = {"user_ids": [self.bot.id]}
        if said.thread:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": said.thread}
        event = await aside(lambda: self.people[said.who].say(room, content))
        self.delivered[event], self.said_by[event] = room, self.people[said.who]
        return event

    async def take_back(self, delivery: str) -> str:
        room, member = self.delivered[delivery], self.said_by[delivery]
        path = f"/rooms/{quote(room)}/redact/{quote(delivery)}/{secrets.token_hex(8)}"
        event = str((await aside(lambda: member.call("PUT", path)))["event_id"])
        self.delivered[event] = room
        return event

    async def press(self, shown: Shown, verdict: Verdict, *, who: str = "anna") -> str:
        room = self.rooms[shown.room]
        relation = {"rel_type": "m.annotation", "event_id": shown.id, "key": SIGNS[verdict]}
        content = {"m.relates_to": relation}
        event = await aside(lambda: self.people[who].say(room, content, "m.reaction"))
        self.delivered[event] = room
        return event

    async def redeliver(self, delivery: str) -> None:
        room = self.delivered[delivery]
        event = await aside(lambda: self.people["anna"].call("GET", f"/rooms/{quote(room)}/event/{quote(delivery)}"))
        self.wire.again.append((room, event))
        self.wire.drop()

    async def acknowledged(self, delivery: str, *, within_s: float = LIMIT_S) -> bool:
        try:
            await until(lambda: not self._would_come_again(delivery), limit_s=within_s)
        except TimeoutError:
            return False
        return True

    def _would_come_again(self, delivery: str) -> bool:
        since = self._position()
        if since is None:
            return True
        told = self.bot.call("GET", f"/sync?since={quote(since)}&timeout=0")
        joined = told.get("rooms", {}).get("join", {}).get(self.delivered[delivery], {})
        return any(event["event_id"] == delivery for event in joined.get("timeline", {}).get("events", []))

    def _position(self) -> str | None:
        """Up to where the bot has written down; None while its first start is not over."""
        for file in (self.home / "home" / "bots" / "matrix").glob("*.sqlite"):
            with (
                closing(sqlite3.connect(file)) as rows,
                suppress(sqlite3.OperationalError),
            ):
                if row := rows.execute("SELECT since FROM position").fetchone():
                    return str(row[0])
        return None

    async def drop(self) -> None:
        self.wire.drop()

    def refuse(self, how: Literal["busy", "away", "no"], *, times: int = 1, retry_after_s: float = 1.0) -> None:
        self.wire.refusals += [(how, retry_after_s)] * times

    def revoke(self) -> None:
        self.bot.call("POST", "/logout")

    async def shown(self) -> list[Shown]:
        found = []
        for name, room in self.rooms.items():
            for event in shown_in(await aside(lambda room=room: self.people["anna"].timeline(room)), bot=self.bot.id):
                found.append(_shown(name, event))
        return found


def shown_in(timeline: list[dict[str, Any]], *, bot: str) -> list[dict[str, Any]]:
    """The bot's messages as they stand after their edits, oldest first; what was taken back is gone."""
    standing: dict[str, dict[str, Any]] = {}
    for event in timeline:
        content = event["content"]
        if event["type"] != "m.room.message" or event["sender"] != bot or not content:
            continue
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") != "m.replace":
            standing[event["event_id"]] = event
        elif relation["event_id"] in standing:
            before = standing[relation["event_id"]]
            kept = {"m.relates_to": before["content"].get("m.relates_to", {})}
            standing[relation["event_id"]] = before | {"content": content["m.new_content"] | kept}
    return list(standing.values())


def _shown(room: str, event: dict[str, Any]) -> Shown:
    content = event["content"]
    markup = Markup(content.get("formatted_body", ""))
    text = f"{content['body']}\n{markup.text}"
    mentions = content.get("m.mentions", {"room": True})
    pings = [str(one) for one in mentions.get("user_ids", [])] + ["room"] * bool(mentions.get("room"))
    pings += [tag for tag in markup.tags if tag not in ("p", "br", "a", "em", "code")]
    return Shown(
        id=event["event_id"],
        room=room,
        text=text,
        links=links(content),
        pings=tuple(pings),
        verdicts=tuple(verdict for verdict, sign in SIGNS.items() if sign in text),
        threaded=content.get("m.relates_to", {}).get("rel_type") == "m.thread",
    )


async def aside(work: Callable[[], T]) -> T:
    """What a blocking call gives, beside the loop."""
    return await asyncio.to_thread(work)


async def until(holds: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    """Wait for the homeserver to say so. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not await aside(holds):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def matrix_platform(
    server: Homeserver, people: dict[str, Member], home: Path, **more: Any
) -> AsyncIterator[MatrixPlatform]:
    """A bot of its own on a running homeserver, until the block ends."""
    bot = await aside(lambda: server.member("archivar", display_name=BOT_NAME))
    async with wire(server.url) as way:
        platform = MatrixPlatform(home=home, wire=way, bot=bot, people=people, **more)
        way.rewrite = lambda path, answer: _with_eve(platform, path, answer)
        try:
            yield platform
        finally:
            for one in platform.made:
                await one.aclose()


def _with_eve(platform: MatrixPlatform, path: str, answer: Any) -> Any:
    """The room `shared` has a member of another homeserver: a federation of one."""
    room = platform.rooms.get("shared")
    if room and httpx.URL(path).path.endswith("/state") and quote(room, safe="") in path:
        member = {"type": "m.room.member", "state_key": EVE, "content": {"membership": "join"}, "sender": EVE}
        return [*answer, member]
    return answer
