"""What is left of a question that its asker deletes, on every platform: first what the adapter tells, then the whole
way with a runner, an inbox on disk and a service over HTTP. Inherited like `AdapterContract`, and with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rag.bots.adapter import Withdrawn
from rag.bots.client import Service
from rag.bots.inbox import Inbox, waiting_in
from rag.bots.runner import Limits, Runner
from tests.bots.contract import (
    LIMIT_S,
    NOT_YET_S,
    AdapterContract,
    Opened,
    Platform,
    Room,
    Said,
    Shown,
    Taken,
    final,
    receiving,
)
from tests.bots.house import KEY, PAGE, House, served
from tests.loops import run


class AtWork:
    """A bot that is started over the same inbox as often as it takes, between its platform and a scripted service."""

    def __init__(self, platform: Platform, house: House, address: str, folder: Path) -> None:
        self.platform, self.house, self.address, self.folder = platform, house, address, folder

    @asynccontextmanager
    async def bot(self, **more: Any) -> AsyncIterator[None]:
        async with Service(self.address, key=KEY) as service:
            with Inbox(self.folder) as inbox:
                limits = Limits(poll_s=0.1, drain_s=0.1, **more)
                runner = Runner(self.platform.adapter(), service, inbox, page=PAGE, limits=limits)
                task = asyncio.create_task(runner.run())
                try:
                    yield
                finally:
                    runner.stop()
                    await asyncio.wait_for(task, LIMIT_S)

    async def say(self, said: Said) -> str:
        """Somebody says this; what the bot does not acknowledge (on a busy machine) comes once more, as in life."""
        delivery = await self.platform.deliver(said)
        if not await self.platform.acknowledged(delivery, within_s=NOT_YET_S):
            await self.platform.redeliver(delivery)
        return delivery

    async def until(self, claim: Callable[[list[Shown]], bool]) -> list[Shown]:
        """What the bot shows, once that is so and nothing waits."""
        async with asyncio.timeout(2 * LIMIT_S):
            while True:
                shown = await self.platform.shown()
                if claim(shown):
                    return shown
                await asyncio.sleep(0.05)

    async def idle(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while self.waiting():
                await asyncio.sleep(0.02)

    def waiting(self) -> int:
        """How many wait in the inbox; looked at from outside, since the bot's own thread is at work on it."""
        return waiting_in(self.folder / "inbox.sqlite")[0]


Scene = Callable[[AtWork], Coroutine[Any, Any, None]]


def answers(shown: list[Shown], question: str) -> bool:
    return any(f"Antwort auf {question}." in one.text and one.verdicts for one in shown)


class TakingBackContract(AdapterContract):
    """Inherit it, and override `opened`."""

    @pytest.mark.parametrize("room", ["direct", "team"])
    def test_what_is_taken_back_is_told_by_the_event_it_was_asked_in(self, opened: Opened, room: Room) -> None:
        async def scene(platform: Platform, taken: Taken) -> None:
            async with receiving(platform.adapter(), taken):
                delivery = await platform.deliver(Said(text="Wie viele?", room=room))
                asked = await taken.asked()
                await platform.deliver(Said(text="Wie wenige?", room=room))
                other = await taken.asked()
                gone = await platform.take_back(delivery)
                withdrawn = await taken.withdrawn()
                assert withdrawn.question == asked.event
                assert withdrawn.event not in (asked.event, other.event)
                assert withdrawn.place.conversation == asked.place.conversation
                assert await platform.acknowledged(gone)

        self.play(opened, scene)

    def test_what_is_taken_back_while_nobody_runs_is_told_at_the_next_start(self, opened: Opened) -> None:
        async def scene(platform: Platform, taken: Taken) -> None:
            async with receiving(platform.adapter(), taken):
                delivery = await platform.deliver(Said(text="Wie viele?"))
                asked = await taken.asked()
                assert await platform.acknowledged(delivery)
            gone = await platform.take_back(delivery)
            async with receiving(platform.adapter(), taken):
                await platform.redeliver(gone)
                assert (await told(taken)).question == asked.event

        self.play(opened, scene)

    def test_a_taking_back_that_could_not_be_written_down_is_not_acknowledged_and_comes_again(
        self, opened: Opened
    ) -> None:
        async def scene(platform: Platform, taken: Taken) -> None:
            async with receiving(platform.adapter(), taken):
                delivery = await platform.deliver(Said(text="Wie viele?"))
                await taken.asked()
                assert await platform.acknowledged(delivery)
                taken.refusing = True
                gone = await platform.take_back(delivery)
                first = await taken.withdrawn()
                assert not await platform.acknowledged(gone, within_s=NOT_YET_S)
                taken.refusing = False
            async with receiving(platform.adapter(), taken):
                await platform.redeliver(gone)
                again = await told(taken)
                assert (again.event, again.question) == (first.event, first.question)

        self.play(opened, scene)

    def test_what_the_bot_itself_takes_back_is_nobodys_wish(self, opened: Opened) -> None:
        async def scene(platform: Platform, taken: Taken) -> None:
            async with receiving(platform.adapter(), taken) as adapter:
                await platform.deliver(Said(text="eins"))
                place = (await taken.asked()).place
                await adapter.remove(await adapter.post(place, final("Eine Antwort."), nonce="n1"))
                await platform.deliver(Said(text="zwei"))
                assert (await taken.asked()).text == "zwei"

        self.play(opened, scene)

    def at_work(self, opened: Opened, folder: Path, scene: Scene) -> None:
        house = House()

        async def whole(address: str) -> None:
            async with opened() as platform:
                house.people |= {platform.account(who).id for who in ("anna", "ben")}
                await asyncio.wait_for(scene(AtWork(platform, house, address, folder)), 5 * LIMIT_S)

        with served(house) as address:
            run(whole(address))

    @pytest.mark.parametrize("room", ["direct", "team"])
    def test_an_answer_goes_when_its_question_is_deleted_and_no_other(
        self, opened: Opened, tmp_path: Path, room: Room
    ) -> None:
        async def scene(play: AtWork) -> None:
            async with play.bot():
                first = await play.say(Said(text="eins", room=room))
                await play.until(lambda shown: answers(shown, "eins"))
                thread, who = (first, "ben") if room == "team" else ("", "anna")
                await play.say(Said(text="zwei", room=room, who=who, thread=thread))
                await play.until(lambda shown: answers(shown, "zwei"))
                await play.idle()
                assert answers(await play.platform.shown(), "eins")
                await play.platform.take_back(first)
                left = await play.until(lambda shown: len(shown) == 1)
                assert answers(left, "zwei")
                await play.idle()
                assert play.house.withdrawn == [play.house.messages[0]["message"]], "the service need not remember it"

        self.at_work(opened, tmp_path / "inbox", scene)

    def test_an_answer_that_is_being_written_is_ended_and_goes(self, opened: Opened, tmp_path: Path) -> None:
        async def scene(play: AtWork) -> None:
            play.house.pause_s = 0.5
            play.house.answers["eins"] = {"sentences": ["Satz"] * 200}
            async with play.bot():
                delivery = await play.say(Said(text="eins"))
                await play.until(lambda shown: any("Satz" in one.text for one in shown))
                await play.platform.take_back(delivery)
                await play.until(lambda shown: not shown)
                await play.idle()
                async with asyncio.timeout(LIMIT_S):
                    while play.house.open_answers:
                        await asyncio.sleep(0.02)  # the model is stopped
                play.house.pause_s = 0.0
                await play.say(Said(text="zwei"))
                [left] = await play.until(lambda shown: answers(shown, "zwei"))
                assert "Satz" not in left.text

        self.at_work(opened, tmp_path / "inbox", scene)

    def test_a_question_that_waits_is_never_asked(self, opened: Opened, tmp_path: Path) -> None:
        async def scene(play: AtWork) -> None:
            play.house.pause_s = 60
            async with play.bot(here_at_once=1):
                first = await play.say(Said(text="eins"))
                await play.until(lambda _: bool(play.house.asked))
                second = await play.say(Said(text="zwei"))
                await play.until(lambda _: play.waiting() == 2)
                await play.platform.take_back(second)
                await play.until(lambda _: play.waiting() == 1)
                await play.platform.take_back(first)
                await play.until(lambda shown: not shown)
                await play.idle()
            assert [asked["question"] for asked in play.house.asked] == ["eins"]

        self.at_work(opened, tmp_path / "inbox", scene)

    def test_an_answer_goes_that_was_given_before_a_restart(self, opened: Opened, tmp_path: Path) -> None:
        async def scene(play: AtWork) -> None:
            async with play.bot():
                delivery = await play.say(Said(text="eins"))
                await play.until(lambda shown: answers(shown, "eins"))
                await play.idle()
            gone = await play.platform.take_back(delivery)
            async with play.bot():
                await play.platform.redeliver(gone)
                await play.until(lambda shown: not shown)
                await play.idle()
                with suppress(TimeoutError):
                    await asyncio.wait_for(play.until(lambda shown: bool(shown)), 0.5)
                    pytest.fail("it was answered anew")

        self.at_work(opened, tmp_path / "inbox", scene)

    def test_an_answer_that_was_being_written_when_the_bot_stopped_goes(self, opened: Opened, tmp_path: Path) -> None:
        async def scene(play: AtWork) -> None:
            play.house.pause_s = 60
            async with play.bot():
                delivery = await play.say(Said(text="eins"))
                await play.until(lambda shown: bool(shown and play.house.asked))
            gone = await play.platform.take_back(delivery)
            play.house.pause_s = 0.0
            async with play.bot():
                await play.platform.redeliver(gone)
                await play.until(lambda shown: not shown)
                await play.idle()

        self.at_work(opened, tmp_path / "inbox", scene)


async def told(taken: Taken) -> Withdrawn:
    """The taking back, whatever comes again before it."""
    while not isinstance(event := await taken.one(), Withdrawn):
        pass
    return event
