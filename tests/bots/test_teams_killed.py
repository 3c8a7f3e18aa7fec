"""What the Teams bot leaves in a chat when it is killed. Teams lets it read nothing that it has said, so a message
whose name did not come back may stand twice; then the one that counts says so. RAG_SEED repeats a run."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rag.text.sentences import texts
from tests.bots.contract import Room, Said, Shown
from tests.bots.house import House, served
from tests.bots.teams_bot import reached
from tests.bots.teams_cloud import PEOPLE, TENANT, Cloud, teams
from tests.loops import run

pytest.importorskip("microsoft_teams.apps", reason="the extra `teams` is not installed")
pytestmark = pytest.mark.timeout(900)

COUNTS = texts("de", "bots")["counts"]
LIMIT_S = 90.0


class Killed:
    """The bot, which can be killed, between cloud and service."""

    def __init__(self, cloud: Cloud, at: str, service: str) -> None:
        self.cloud, self.at, self.service = cloud, at, service
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        arguments = (self.at, self.service, str(self.cloud.home), str(self.cloud.port))
        around = os.environ | {"PYTHONPATH": str(Path.cwd())}
        with (self.cloud.home / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bots.teams_bot", *arguments, stdout=log, stderr=log, env=around
            )

    async def kill(self) -> None:
        assert self.process is not None
        assert self.process.returncode is None, (self.cloud.home / "log").read_text(encoding="utf-8")[-3000:]
        self.process.kill()
        await self.process.wait()

    async def given(self, activity: str) -> None:
        """Teams delivers it until somebody takes it."""
        async with asyncio.timeout(LIMIT_S):
            while self.cloud.statuses.get(activity) not in (200, 401):
                await self.cloud.redeliver(activity)

    async def until(self, claim: Callable[[list[Shown]], bool]) -> list[Shown]:
        async with asyncio.timeout(LIMIT_S):
            while not claim(shown := await self.cloud.shown()):
                await asyncio.sleep(0.05)
        return shown


@asynccontextmanager
async def killable(service: str, **more: object) -> AsyncIterator[tuple[Killed, asyncio.Event, asyncio.Event]]:
    """The bot; the first event lets the next message that is made get no answer, the second tells that it is made."""
    silent, made = asyncio.Event(), asyncio.Event()
    over = asyncio.Event()

    async def after(request: httpx.Request) -> None:
        if silent.is_set() and request.method == "POST" and b'"text"' in request.content:
            made.set()
            await over.wait()

    async with teams() as cloud, reached(cloud, after=after) as at:
        bot = Killed(cloud, at, service)
        await bot.start()
        try:
            yield bot, silent, made
        finally:
            over.set()
            await bot.kill()


def answered(question: str) -> Callable[[Shown], bool]:
    """Whether a message is the whole answer."""
    return lambda shown: f"Antwort auf {question}." in shown.text and bool(shown.verdicts)


def house() -> House:
    return House(people={f"teams:{TENANT}:{PEOPLE[who]}" for who in ("anna", "ben")})


@pytest.mark.parametrize("room", ["direct", "team"])
def test_a_message_whose_name_did_not_come_back_is_followed_by_one_that_says_it_counts(room: Room) -> None:
    async def whole(service: str) -> None:
        async with killable(service) as (bot, silent, made):
            silent.set()
            activity = bot.cloud.activity(Said(text="eins", room=room))["id"]
            await bot.given(activity)
            await asyncio.wait_for(made.wait(), LIMIT_S)
            await bot.kill()
            silent.clear()
            await bot.start()
            first, second = await bot.until(lambda shown: any(map(answered("eins"), shown)))
            assert not answered("eins")(first)
            assert COUNTS in second.text
            await bot.given(bot.cloud.activity(Said(text="zwei", room=room))["id"])
            shown = await bot.until(lambda shown: any(map(answered("zwei"), shown)))
            assert COUNTS not in shown[-1].text, "where nothing was broken off nothing is said of it"

    with served(house()) as service:
        run(whole(service))


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.soak)])
def test_killed_at_any_moment_each_question_has_one_answer_and_a_second_message_is_explained(kills: int) -> None:
    seed = int(os.environ.get("RAG_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RAG_SEED={seed}")
    chance = random.Random(seed)
    scripted = house()
    scripted.pause_s = 0.1

    async def whole(service: str) -> int:
        twice = 0
        async with killable(service) as (bot, _, _):
            for number in range(kills):
                before = len(await bot.cloud.shown())
                said = Said(text=f"Frage {number}", room=chance.choice(["direct", "team"]))  # type: ignore[arg-type]
                await bot.given(bot.cloud.activity(said)["id"])
                await asyncio.sleep(chance.random() * 0.6)
                await bot.kill()
                await bot.start()
                shown = await bot.until(lambda shown, number=number: any(map(answered(f"Frage {number}"), shown)))
                new = shown[before:]
                assert sum(map(answered(f"Frage {number}"), new)) == 1
                assert len(new) in (1, 2)
                if len(new) == 2:
                    twice += 1
                    assert COUNTS in new[1].text
        return twice

    with served(scripted) as service:
        twice = run(whole(service))
    print(f"{kills} kills, {twice} second messages")
