"""Questions over a real homeserver while connections break, posts are declined and the bot stops anywhere: each is
answered in exactly one message. RAG_SEED repeats a run; `make soak` has the full size."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from rag.bots.client import Service
from rag.bots.inbox import Inbox
from rag.bots.runner import Runner
from tests.bots.contract import Said
from tests.bots.house import KEY, PAGE, House, served
from tests.bots.matrix_platform import MatrixPlatform, aside, matrix_platform, shown_in, until
from tests.bots.synapse import Homeserver, Member
from tests.loops import run

pytest.importorskip("nio", reason="the extra `matrix` is not installed")


@pytest.mark.parametrize("size", [8, pytest.param(300, marks=pytest.mark.soak)])
@pytest.mark.timeout(3600)
def test_each_question_is_answered_in_exactly_one_message_whatever_breaks(
    size: int, synapse: Homeserver, people: dict[str, Member], tmp_path: Path
) -> None:
    seed = int(os.environ.get("RAG_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RAG_SEED={seed}")
    house = House(people={f"matrix:{people['anna'].id}"})

    async def whole(address: str) -> None:
        async with matrix_platform(synapse, people, tmp_path) as platform:
            await troubled(platform, address, size=size, chance=random.Random(seed))

    with served(house) as address:
        run(whole(address))


async def troubled(platform: MatrixPlatform, address: str, *, size: int, chance: random.Random) -> None:
    running = asyncio.create_task(bot(platform, address))
    anna = platform.people["anna"]
    room = await platform.room("direct")
    for number in range(size):
        await platform.deliver(Said(text=f"Frage {number}"))
        what = chance.choice(["nothing", "drop", "busy", "away", "kill", "kill"])
        if what == "drop":
            await platform.drop()
        elif what in ("busy", "away"):
            platform.refuse("busy" if what == "busy" else "away", times=chance.randint(1, 2), retry_after_s=0.2)
        elif what == "kill":
            await asyncio.sleep(chance.uniform(0, 2))
            await killed(running)
            running = asyncio.create_task(bot(platform, address))

    def answered() -> bool:
        said = [event["content"]["body"] for event in shown_in(anna.timeline(room), bot=platform.bot.id)]
        return all(any(f"Antwort auf Frage {number}." in text for text in said) for number in range(size))

    try:
        await until(answered, limit_s=120 + 10 * size)
    finally:
        await killed(running)
    said = [
        event["content"]["body"] for event in shown_in(await aside(lambda: anna.timeline(room)), bot=platform.bot.id)
    ]
    assert len(said) == size, said
    for number in range(size):
        assert sum(f"Antwort auf Frage {number}." in text for text in said) == 1


async def bot(platform: MatrixPlatform, address: str) -> None:
    """The bot as `rag bot matrix` runs it, over the same inbox as before."""
    async with Service(address, key=KEY) as service:
        with Inbox(platform.home / "inbox") as inbox:
            await Runner(platform.adapter(), service, inbox, page=PAGE).run()


async def killed(running: asyncio.Task[None]) -> None:
    """It stops where it is; nothing is brought to its end."""
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
