"""Slack as the contract suite plays it, over Socket Mode or over signed HTTP."""

from __future__ import annotations

import asyncio
import html
import itertools
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from rag.bots.adapter import Account, Verdict
from rag.bots.slack import LOCAL_API, SlackAdapter, adapter
from rag.settings.bots import SlackSettings
from tests.bots.contract import LIMIT_S, Said, Shown
from tests.bots.slack_server import ACK_S, SlackServer, event, knock, signed, slack_server, wire
from tests.bots.slack_world import APP_TOKEN, BOT, BOT_TOKEN, PEOPLE, ROOMS, SECRET, TEAM, Row, World
from tests.ports import kept_port

_NAMES = {conversation: name for name, conversation in ROOMS.items()}
_LINKS = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:(?://)?|//|www\.)[\w/%+,?#&=@\[-][^\s<>]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b",
    re.I,
)
"""What a program that shows messages may make a link of by itself: an address, a host's name, a mail address."""
_STEERING = re.compile(r"<[!@#][^>]*>")
"""What Slack itself makes a call of, in text as it was sent."""
_PINGS = re.compile(r"@(?:channel|here|everyone)\b|(?<!\w)@\w+")
"""What a program may make a call of, in text as it is shown."""


@dataclass
class _Delivery:
    kind: str
    payload: Row
    times: int = 0
    outcome: asyncio.Future[bool] | None = None


class SlackPlatform:
    """Keeps `tests.bots.contract.Platform`."""

    keeps_nonces = True
    knows_members = True

    def __init__(self, server: SlackServer, *, mode: str, folder: Path, port: int) -> None:
        self.server = server
        self.world = server.world
        self.mode = mode
        self.port = port
        self._folder = folder
        self._deliveries: dict[str, _Delivery] = {}
        self._numbers = itertools.count(1)
        self._background: set[asyncio.Task[Any]] = set()
        self.world.heard = self._echo

    def settings(self, **more: Any) -> SlackSettings:
        files = {"token_file": BOT_TOKEN, "app_token_file": APP_TOKEN, "signing_secret_file": SECRET}
        for name, content in files.items():
            path = self._folder / name
            path.touch(mode=0o600)
            path.write_text(content + "\n")
        listen = f"127.0.0.1:{self.port}"
        paths = {name: str(self._folder / name) for name in files}
        return SlackSettings(**{"team": TEAM, "mode": self.mode, "listen": listen, "people": "email", **paths, **more})

    def adapter(self, **more: Any) -> SlackAdapter:
        return adapter(self.settings(**more), environ={LOCAL_API: self.server.address})

    def account(self, who: str) -> Account:
        return Account(id=f"slack:{TEAM}:{PEOPLE[who]}", email=f"{who}@firma.example" if who in ("anna", "ben") else "")

    async def deliver(self, said: Said) -> str:
        direct = said.room == "direct"
        conversation = f"D{PEOPLE[said.who][1:]}" if direct else ROOMS[said.room]
        begun = self._deliveries[said.thread].payload["event"] if said.thread else {}
        text = html.escape(said.text, quote=False)
        row = self.world.say(
            conversation,
            PEOPLE[said.who],
            text if direct else f"<@{BOT}> {text}",
            thread=begun.get("thread_ts") or begun.get("ts") or "",
        )
        sort = {"channel_type": "im"} if direct else {"type": "app_mention"}
        return await self.event({**row, **sort})

    async def say(self, said: Said) -> str:
        """Somebody says this, and Slack sends it again where it is not acknowledged in time, three times at most."""
        delivery = await self.deliver(said)
        for _ in range(3):
            if await self.acknowledged(delivery, within_s=ACK_S):
                break
            await self.redeliver(delivery)
        return delivery

    async def take_back(self, delivery: str) -> str:
        return await self.event(self.world.unsay(self._deliveries[delivery].payload["event"]))

    async def event(self, row: Row, *, shared: bool = False) -> str:
        """Slack's event about this."""
        number = next(self._numbers)
        return await self._new("events_api", event(row, number=number, shared=shared))

    async def command(self, text: str, *, who: str = "anna", team: str = TEAM) -> str:
        """Somebody uses the command."""
        payload = {"command": "/frag", "text": text, "team_id": team, "user_id": PEOPLE[who], "channel_id": "C01"}
        payload |= {"trigger_id": f"12.{next(self._numbers)}.ab", "response_url": "https://hooks.slack.com/commands/x"}
        return await self._new("slash_commands", payload)

    async def press(self, shown: Shown, verdict: Verdict, *, who: str = "anna") -> str:
        row = next(row for row in self.world.messages if row["ts"] == shown.id)
        buttons = [button for block in row["blocks"] if block["type"] == "actions" for button in block["elements"]]
        button = next(button for button in buttons if button["action_id"] == f"archivar_{verdict.value}")
        return await self.click(row, button, who=who)

    async def click(self, row: Row, button: Row, *, who: str = "anna", home: str = TEAM) -> str:
        """Somebody presses any button."""
        payload = {"type": "block_actions", "user": {"id": PEOPLE[who], "team_id": home}, "team": {"id": TEAM}}
        place = {"type": "message", "message_ts": row["ts"], "channel_id": row["channel"], "is_ephemeral": False}
        payload |= {"container": place, "message": row, "trigger_id": f"13.{next(self._numbers)}"}
        payload |= {"actions": [{**button, "block_id": "b", "action_ts": self.world.now()}]}
        return await self._new("interactive", payload)

    async def redeliver(self, delivery: str) -> None:
        await self._send(self._deliveries[delivery])

    async def acknowledged(self, delivery: str, *, within_s: float = LIMIT_S) -> bool:
        outcome = self._deliveries[delivery].outcome
        if outcome is None:
            return False
        await asyncio.wait({outcome}, timeout=within_s)
        return outcome.done() and outcome.result()

    async def drop(self) -> None:
        await self.server.drop()

    def refuse(self, how: Literal["busy", "away", "no"], *, times: int = 1, retry_after_s: float = 1.0) -> None:
        answers: dict[str, tuple[int, dict[str, str], Row]] = {
            "busy": (429, {"retry-after": str(int(retry_after_s))}, {"ok": False, "error": "ratelimited"}),
            "away": (503, {}, {}),
            "no": (200, {}, {"ok": False, "error": "restricted_action"}),
        }
        self.server.refusals += [answers[how]] * times

    def revoke(self) -> None:
        self.server.revoked = True

    async def shown(self) -> list[Shown]:
        return [seen(row) for row in self.world.messages if row["user"] == BOT]

    async def _new(self, kind: str, payload: Row) -> str:
        name = f"delivery-{next(self._numbers)}"
        self._deliveries[name] = _Delivery(kind, payload)
        await self._send(self._deliveries[name])
        return name

    async def _send(self, delivery: _Delivery) -> None:
        outcome = delivery.outcome = asyncio.get_running_loop().create_future()
        again, delivery.times = delivery.times, delivery.times + 1
        if self.mode == "http":
            task = asyncio.create_task(self._knock(delivery, outcome, again=again))
        else:
            task = asyncio.create_task(self._envelope(delivery, outcome, again=again))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _knock(self, delivery: _Delivery, outcome: asyncio.Future[bool], *, again: int) -> None:
        body = wire(delivery.kind, delivery.payload)
        try:
            answer = await knock(self.port, body, lambda: signed(body, at=int(time.time()) + again, again=again))
        except httpx.HTTPError:
            answer = None  # the bot went away in the middle
        outcome.set_result(answer is not None and answer.status_code == 200)

    async def _envelope(self, delivery: _Delivery, outcome: asyncio.Future[bool], *, again: int) -> None:
        waiting = await self.server.send(delivery.kind, delivery.payload, again=again)
        if waiting is not None:
            await waiting
        outcome.set_result(waiting is not None)

    def _echo(self, row: Row) -> None:
        """Slack tells the bot of its own messages too."""
        task = asyncio.create_task(self.event(row))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def seen(row: Row) -> Shown:
    """A message as people see it; whatever a program may make a link or a call of counts as one."""
    texts, links = [row["text"]], []
    verdicts: list[Verdict] = []
    for block in row["blocks"]:
        parts = block["elements"] if block["type"] in ("actions", "context") else [block]
        for part in parts:
            text = part if block["type"] == "context" else part["text"]
            assert text["type"] == "plain_text", "only plain text is free of markup"
            assert text["emoji"] is False
            texts.append(text["text"])
            links += [part["url"]] if "url" in part else []
            name = part.get("action_id", "").removeprefix("archivar_")
            verdicts += [Verdict(name)] if name in set(Verdict) else []
    assert row["flags"]["unfurl_links"] is row["flags"]["unfurl_media"] is False
    assert row["flags"]["parse"] == "none"
    raw = "\n".join(texts)
    shown = html.unescape(raw).replace("\u2060", "")
    room = "direct" if row["channel"].startswith("D") else _NAMES[row["channel"]]
    return Shown(
        id=row["ts"],
        room=room,
        text=shown,
        links=(*links, *_LINKS.findall(html.unescape(raw))),
        pings=tuple(_STEERING.findall(raw) + _PINGS.findall(html.unescape(raw))),
        verdicts=tuple(verdicts),
        threaded="thread_ts" in row,
    )


@asynccontextmanager
async def slack_platform(
    folder: Path, *, mode: str = "socket", look_up_s: float = LIMIT_S
) -> AsyncIterator[SlackPlatform]:
    """It, with its server running. A bot in this process waits `look_up_s` for what Slack tells of who asks: so long
    that a machine that stands still for a while does not make it leave an event to come again."""
    with pytest.MonkeyPatch.context() as patch, kept_port() as port:
        patch.setattr("rag.bots.slack_asking._LOOK_UP_S", look_up_s)
        async with _opened(folder, mode=mode, port=port) as platform:
            yield platform


@asynccontextmanager
async def _opened(folder: Path, *, mode: str, port: int) -> AsyncIterator[SlackPlatform]:
    async with slack_server(World()) as server:
        platform = SlackPlatform(server, mode=mode, folder=folder, port=port)
        try:
            yield platform
        finally:
            await platform.close()
