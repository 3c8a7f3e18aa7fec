"""The whole bot: `rag bot slack` as a process, Slack's edge on one side, the service over HTTP on the other."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.bots.adapter import Verdict
from rag.text.sentences import texts
from tests.bots.contract import Said, Shown
from tests.bots.house import PAGE, House, served
from tests.bots.slack_bot import LIMIT_S, SlackBot
from tests.bots.slack_platform import SlackPlatform, slack_platform
from tests.bots.slack_server import ACK_S
from tests.bots.slack_world import BOT, PEOPLE, TEAM
from tests.loops import run

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")

SAID = texts("de", "bots")
WHY_NOT = ("unknown", "room_unclear", "gone", "away", "busy", "failed", "crowded", "crowded_here", "crowded_each")
LAST = {SAID[key].split("{")[0] for key in (*WHY_NOT, "machine")}
Scene = Callable[[SlackBot, SlackPlatform, House], Coroutine[Any, Any, None]]
Played = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Played]:
    house = House(people={f"slack:{TEAM}:{PEOPLE[who]}" for who in ("anna", "ben")})
    with served(house) as address:

        def played(scene: Scene, *, mode: str = "socket") -> None:
            async def whole() -> None:
                async with slack_platform(tmp_path, mode=mode) as platform:
                    await scene(SlackBot(tmp_path, platform, service=address), platform, house)

            run(whole())

        yield played


async def until(claim: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(3 * LIMIT_S):
        while True:
            so = claim()
            if so if isinstance(so, bool) else await so:
                return
            await asyncio.sleep(0.03)


def ended(message: Shown) -> bool:
    return any(sentence in message.text for sentence in LAST)


async def answers(platform: SlackPlatform, count: int = 1) -> list[Shown]:
    """The bot's messages, once so many of them say their last word."""

    async def stand() -> bool:
        return sum(map(ended, await platform.shown())) >= count

    await until(stand)
    return await platform.shown()


def test_a_question_is_answered_in_one_message_with_its_proof_and_its_buttons(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        house.held = 1
        async with bot.running() as process:
            await platform.say(Said(text="Urlaub"))
            await until(lambda: any(method == "chat.update" for method, _ in platform.world.calls))
            house.held = None
            [shown] = await answers(platform)
            assert "Antwort auf Urlaub. [1] Mehr dazu. [1]" in shown.text
            assert shown.links == (f"{PAGE}/?document=k1",)
            assert set(shown.verdicts) == set(Verdict)
            await platform.press(shown, Verdict.OUTDATED)
            await until(lambda: bool(house.feedback))
            assert house.feedback[0]["verdict"] == "outdated"
            assert house.messages[0]["message"].startswith("slack:D01:")
        assert process.returncode == 0
        methods = Counter(method for method, _ in platform.world.calls)
        assert methods["chat.postMessage"] == 1
        assert methods["chat.update"] >= 2, "it grew"

    play(scene)


def test_in_a_channel_the_service_hears_of_everybody_who_reads_along(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        async with bot.running():
            await platform.say(Said(text="Urlaub", room="team", who="ben"))
            await answers(platform)
            [asked] = house.asked
            assert asked["audience"] == "private_channel"
            assert [one["account"] for one in asked["members"]] == [f"slack:{TEAM}:U01", f"slack:{TEAM}:U02"]
            assert asked["on_behalf_of"] == {"account": f"slack:{TEAM}:U02", "email": "ben@firma.example"}
            await platform.say(Said(text="Urlaub", room="shared"))
            shown = (await answers(platform, 2))[1]
            assert SAID["room_unclear"][:40] in shown.text

    play(scene)


def test_over_signed_http_it_answers_just_so(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        async with bot.running():
            sent = ""
            async with asyncio.timeout(LIMIT_S):
                sent = await platform.deliver(Said(text="Urlaub"))
                while not await platform.acknowledged(sent, within_s=ACK_S):
                    await platform.redeliver(sent)
            [shown] = await answers(platform)
            assert "Antwort auf Urlaub." in shown.text

    play(scene, mode="http")


def test_what_may_only_be_pointed_at_is_a_button_without_a_name(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        house.answers["Gehalt"] = {"outcome": "link_only", "links": [{"url": f"{PAGE}/?document=k9"}]}
        async with bot.running():
            await platform.say(Said(text="Gehalt"))
            await until(
                lambda: any(row["user"] == BOT and "k9" in str(row["blocks"]) for row in platform.world.messages)
            )
            [shown] = await platform.shown()
            assert SAID["link_only"] in shown.text
            assert shown.links == (f"{PAGE}/?document=k9",)

    play(scene)


def test_a_message_that_is_wanted_back_is_taken_back(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        async with bot.running():
            await platform.say(Said(text="Urlaub"))
            await answers(platform)
        house.withdrawals.append(house.messages[0]["message"])
        async with bot.running():
            await until(lambda: not house.withdrawals)
        assert await platform.shown() == []

    play(scene)


def test_killed_in_the_middle_it_ends_the_same_message(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        house.pause_s = 3
        async with bot.running() as process:
            await platform.say(Said(text="Urlaub"))

            async def stands() -> bool:
                return bool(await platform.shown())

            await until(stands)
            process.kill()
            await process.wait()
        house.pause_s = 0
        async with bot.running():
            [shown] = await answers(platform)
            assert "Antwort auf Urlaub. [1] Mehr dazu. [1]" in shown.text
            assert sum(method == "chat.postMessage" for method, _ in platform.world.calls) == 1

    play(scene)


def test_the_check_says_that_all_is_well_or_what_is_missing(play: Played) -> None:
    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        code, out, err = await bot.done("check")
        assert "workspace T01" in out, err
        assert "127.0.0.1" in out
        platform.world.scopes = platform.world.scopes.replace(",im:write", "")
        code, out, err = await bot.done("check")
        assert code == 1
        assert "im:write" in out + err
        code, out, err = await bot.done("manifest")
        assert (code, out.startswith("# Made by")) == (0, True), err

    play(scene)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("events", [40, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_whatever_happens_each_question_gets_one_last_word(play: Played, events: int) -> None:
    """Twice delivered, in another order, over connections that break, with limits and refusals, and killed every 20."""
    dice = random.Random(seed := int(os.environ.get("RAG_SEED") or random.SystemRandom().randrange(1 << 32)))
    print(f"RAG_SEED={seed}")

    async def scene(bot: SlackBot, platform: SlackPlatform, house: House) -> None:
        sent: list[str] = []
        for first in range(0, events, 20):
            async with bot.running() as process:
                for number in range(first, min(first + 20, events)):
                    who = dice.choice(["anna", "ben"])
                    room = dice.choice(["direct", "team", "all"])
                    said = Said(text=f"Frage {number} zum Urlaub", who=who, room=room)  # type: ignore[arg-type] - of them
                    sent.append(await platform.deliver(said))
                    if dice.random() < 0.4:
                        await platform.redeliver(dice.choice(sent))
                    if dice.random() < 0.1:
                        await platform.drop()
                    if dice.random() < 0.1:
                        platform.refuse(dice.choice(["busy", "away"]), times=dice.randint(1, 2))
                await asyncio.sleep(dice.random())
                process.kill()
                await process.wait()
        async with bot.running():
            left = sent  # all of it comes once more, then what nobody has acknowledged, as Slack does
            while left:
                for delivery in left:
                    await platform.redeliver(delivery)
                settled = await asyncio.gather(*(platform.acknowledged(one, within_s=ACK_S) for one in left))
                left = [delivery for delivery, done in zip(left, settled, strict=True) if not done]
            await answers(platform, events)
        shown = await platform.shown()
        assert len(shown) == events
        asked = Counter(number for number in range(events) for one in shown if f"Frage {number} zum" in one.text)
        assert set(asked.values()) == {1}
        assert all(map(ended, shown))
        print(f"{events} events, {events // 20} kills: {len(asked)} answered, {events - len(asked)} told why not")
        assert asked

    play(scene)
