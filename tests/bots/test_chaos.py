"""Whatever happens on the way, each question is answered exactly once, or its asker is told why not.

Some questions are deleted again by who asked them, early or late: nothing stays of those. Events come twice and three
times, in another order, over connections that break; the platform and the service decline; and every hundred events the
bot's process is killed (SIGKILL) and started again over the same inbox. RAG_SEED repeats a run; 500 events here, 10,000
in the soak.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from rag.bots.inbox import waiting_in
from rag.text.sentences import texts
from tests.bots.contract import Said
from tests.bots.house import House, served
from tests.bots.room import Message, Room
from tests.loops import run

LIMIT_S = 120.0
KILL_EVERY = 100
UNDER_WAY = 40
SAID = texts("de", "bots")
REASONS = {key: SAID[key] for key in ("unknown", "room_unclear", "gone", "away", "busy", "failed", "empty")}


class Chaos:
    """One run."""

    def __init__(self, room: Room, house: House, address: str, folder: Path, chance: random.Random) -> None:
        self.room, self.house, self.address, self.folder, self.chance = room, house, address, folder, chance
        self.process: asyncio.subprocess.Process | None = None
        self.kills = 0
        self.asked: dict[str, Said] = {}
        self.gone: dict[str, str] = {}

    async def start(self) -> None:
        arguments = (str(self.room.port), self.address, str(self.folder / "inbox"))
        around = os.environ | {"PYTHONPATH": str(Path.cwd())}
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bots.chaos_bot", *arguments, stdout=log, stderr=log, env=around
            )

    async def kill(self) -> None:
        """At whatever moment this is."""
        assert self.process is not None
        assert self.process.returncode is None, (self.folder / "log").read_text(encoding="utf-8")[-3000:]
        self.process.kill()
        await self.process.wait()
        self.kills += 1

    async def run(self, events: int) -> None:
        await self.start()
        late: list[str] = []
        for number in range(1, events + 1):
            late.append(self._new(number))
            if len(late) > 10 or number == events:
                self.chance.shuffle(late)
                while late and (len(late) > 5 or number == events):
                    await self._give(late.pop())
            if number % KILL_EVERY == 0:
                await asyncio.sleep(self.chance.random() * 0.3)
                await self.kill()
                await self.start()
            await self._no_more_than(UNDER_WAY)
        await self._no_more_than(0)
        await self._acknowledged()
        await self.kill()

    def _new(self, number: int) -> str:
        who = self.chance.choices(["anna", "ben", "stranger"], [10, 10, 1])[0]
        place = self.chance.choices(["direct", "team", "all", "shared"], [10, 5, 5, 1])[0]
        said = Said(text=f"Frage {number} zum Urlaub", who=who, room=place)  # type: ignore[arg-type]
        delivery = self.room.new(said)
        self.asked[delivery] = said
        return delivery

    async def _give(self, delivery: str) -> None:
        """The event, perhaps an older one again, and perhaps something breaks."""
        await self.room.redeliver(delivery)
        while self.chance.random() < 0.3:
            await self.room.redeliver(self.chance.choice([d for d in self.asked if self.room.deliveries[d].sent]))
        if self.chance.random() < 0.1:
            question = self.chance.choice(list(self.asked))
            if question not in self.gone:
                self.gone[question] = await self.room.take_back(question)
        if self.chance.random() < 0.02:
            await self.room.drop()
        if self.chance.random() < 0.05:
            self.room.refuse(self.chance.choice(["busy", "away"]), times=self.chance.randint(1, 3), retry_after_s=0.05)
        if self.chance.random() < 0.1:
            self.house.faults.append(self.chance.choice([("busy", 0.05), ("away",), ("break",), ("late problem",)]))
        if self.chance.random() < 0.02:
            self.house.standing.append(False)
        await asyncio.sleep(0)

    def open(self) -> list[str]:
        """Given, and not yet ended in the chat."""
        ended = {message.thread for message in self.room.messages.values() if message.forms[-1]["stage"] == "final"}
        left = ended | self.gone.keys()
        return [one for one in self.asked if self.room.deliveries[one].sent and one not in left]

    async def _no_more_than(self, many: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.open()) > many:
                await asyncio.sleep(0.02)

    async def _acknowledged(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not all(self.room.deliveries[one].acked.is_set() for one in (*self.asked, *self.gone.values())):
                await asyncio.sleep(0.02)
            while waiting_in(self.folder / "inbox" / "inbox.sqlite")[0]:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(500, marks=pytest.mark.timeout(900)),
        pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_each_question_is_answered_exactly_once_or_its_asker_is_told_why_not(tmp_path: Path, events: int) -> None:
    seed = int(os.environ.get("RAG_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RAG_SEED={seed}")
    house = House()

    async def whole(address: str) -> Chaos:
        async with Room().open() as room:
            chaos = Chaos(room, house, address, tmp_path, random.Random(seed))
            try:
                await chaos.run(events)
            finally:
                if chaos.process is not None and chaos.process.returncode is None:
                    chaos.process.kill()
                    await chaos.process.wait()
            return chaos

    with served(house) as address:
        chaos = run(whole(address))
    taken_back = [message for message in chaos.room.messages.values() if message.thread in chaos.gone]
    assert all(message.removed for message in taken_back), "nothing stays of a question that was deleted"
    messages = [message for message in chaos.room.messages.values() if message.thread not in chaos.gone]
    assert not any(message.removed for message in messages)
    kept_questions = [one for one in chaos.asked if one not in chaos.gone]
    assert Counter(message.thread for message in messages) == Counter(dict.fromkeys(kept_questions, 1))
    ends = Counter(ending(message, chaos.asked[message.thread]) for message in messages)
    print(f"{events} events, {chaos.kills} kills, {len(house.asked)} asked of the service: {dict(ends)}")
    print(f"{len(chaos.gone)} deleted, {len(taken_back)} of them after something was said")
    assert chaos.kills == events // KILL_EVERY + 1
    assert ends["answered"] > len(kept_questions) * 0.75
    assert not ends["failed"]
    with sqlite3.connect(tmp_path / "inbox" / "inbox.sqlite") as inbox:
        kept = dict(inbox.execute("SELECT state, count(*) FROM event GROUP BY state").fetchall())
        assert events <= sum(kept.values()) <= events + len(chaos.gone)
        assert set(kept) == {"ended"}
    inbox.close()


def ending(message: Message, said: Said) -> str:
    """How it ended: an answer to just this question and no other, or a reason."""
    form = message.forms[-1]
    assert form["stage"] == "final"
    assert message.place == (f"direct-{said.who}" if said.room == "direct" else said.room)
    if f"Antwort auf {said.text}. [1]" in form["text"]:
        assert form["text"].count("Antwort auf") == 1
        return "answered"
    assert "Antwort auf" not in form["text"]
    return next(key for key, text in REASONS.items() if text.split("{")[0] in form["text"])
