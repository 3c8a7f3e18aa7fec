"""A bot at work, over a real inbox, a real HTTP service and a platform over TCP: every question gets an answer, or why
there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rag.bots.adapter import PlatformRefused, Verdict, Withdrawn
from rag.bots.client import Service
from rag.bots.inbox import Bounds, Inbox, waiting_in
from rag.bots.riding import Patience
from rag.bots.runner import Limits, Runner
from rag.bots.speaking import Patiences
from rag.text.sentences import texts
from tests.bots.contract import Said, Shown
from tests.bots.house import KEY, NOTHING, PAGE, House, served
from tests.bots.room import Message, Room, RoomAdapter
from tests.loops import run

SAID = texts("de", "bots")
LIMIT_S = 60.0
SOON = Patience(whole_s=LIMIT_S, first_s=0.02, longest_s=0.1)
LIMITS = Limits(poll_s=0.05, drain_s=3, patiences=Patiences(service=SOON, platform=SOON))


@dataclass
class Play:
    """A scene: the platform, the house behind the service, and the bot between."""

    room: Room
    house: House
    folder: Path
    address: str
    bounds: Bounds | None = None
    limits: Limits = LIMITS
    clock: Callable[[], float] | None = None
    running: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[Runner]:
        """The bot while it runs."""
        more: dict[str, Any] = {"clock": self.clock} if self.clock else {}
        async with Service(self.address, key=KEY) as service:
            with Inbox(self.folder, bounds=self.bounds, **more) as inbox:
                runner = Runner(self.room.adapter(), service, inbox, page=PAGE, limits=self.limits, **more)
                task = self.running = asyncio.create_task(runner.run())
                try:
                    yield runner
                finally:
                    runner.stop()
                    await asyncio.wait_for(task, LIMIT_S)

    def waiting(self) -> int:
        """How many wait in the inbox; looked at from outside, since the bot's own thread is at work on it."""
        return waiting_in(self.folder / "inbox.sqlite")[0]

    async def until(self, claim: Callable[[], Awaitable[bool] | bool]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                so = claim()
                if so if isinstance(so, bool) else await so:
                    return
                await asyncio.sleep(0.01)

    async def ended(self, count: int = 1) -> list[Shown]:
        """The messages, once so many of them say their last word."""

        def stands() -> bool:
            return sum(message.forms[-1]["stage"] == "final" for message in self.room.messages.values()) >= count

        await self.until(stands)
        await self.until(lambda: not self.waiting())
        return await self.room.shown()

    async def told(self, said: Said) -> Shown:
        """What stands at the end of the one question that was ever asked."""
        await self.room.deliver(said)
        [shown] = await self.ended()
        return shown


Scene = Callable[[Play], Coroutine[Any, Any, None]]
Played = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Played]:
    house = House()
    with served(house) as address:

        def played(scene: Scene, **more: Any) -> None:
            async def whole() -> None:
                async with Room().open() as room:
                    await scene(Play(room=room, house=house, folder=tmp_path / "inbox", address=address, **more))

            run(whole())

        yield played


def stages(room: Room) -> list[str]:
    [message] = room.messages.values()
    return [form["stage"] for form in message.forms]


def test_a_question_is_answered_in_one_message_that_grows(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 1
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: bool(play.room.messages) and "writing" in stages(play.room))
            play.house.held = None
            [shown] = await play.ended()
            assert stages(play.room)[0] == "working"
            assert stages(play.room)[-1] == "final"
            assert "Antwort auf Urlaub. [1] Mehr dazu. [1]" in shown.text
            assert SAID["machine"] in shown.text
            assert "Urlaub regelung, S. 2" in shown.text
            assert shown.links == (f"{PAGE}/?document=k1",)
            assert set(shown.verdicts) == set(Verdict)

    play(scene)


def test_the_service_hears_who_asked_and_who_reads_along(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub", room="team", who="ben"))
            await play.ended()
            [asked] = play.house.asked
            assert asked == {
                "question": "Urlaub", "stream": True, "on_behalf_of": {"account": "room:ben"},
                "audience": "private_channel", "members": [{"account": "room:anna"}, {"account": "room:ben"}],
            }  # fmt: skip

    play(scene)


def test_what_is_shown_is_registered_and_asked_about_before_the_last_word(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert play.house.messages == [
                {"receipt": "r1", "message": shown.id, "on_behalf_of": {"account": "room:anna"}}
            ]
            assert play.house.stood == [
                {"receipt": "r1", "on_behalf_of": {"account": "room:anna"}, "audience": "direct"}
            ]
            ways = [path for path in play.house.order if "withdrawals" not in path]
            assert ways == ["/api/ask", "/api/bots/messages", "/api/bots/standing"]

    play(scene)


def test_what_stands_no_longer_is_not_shown(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.standing, play.house.pause_s = [False], 0.2
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert shown.text == SAID["gone"]
            assert (shown.links, shown.verdicts) == ((), ())

    play(scene)


def test_standing_is_asked_again_after_the_platform_made_us_wait(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.standing = [True, False]
        waits = [True]

        async def busy_at_the_end(call: dict[str, Any]) -> dict[str, Any] | None:
            if call["do"] == "edit" and call["form"]["stage"] == "final" and waits:
                waits.clear()
                return {"busy": 0.05}
            return None

        play.room.hook = busy_at_the_end
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert shown.text == SAID["gone"]
            assert len(play.house.stood) == 2

    play(scene)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (Said(text="Urlaub", who="stranger"), "unknown"),
        (Said(text="Urlaub", room="shared"), "room_unclear"),
        (Said(text="   "), "empty"),
    ],
)
def test_whoever_gets_no_answer_is_told_why(play: Played, said: Said, key: str) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(said)
            assert shown.text == SAID[key].format(account="room:stranger")
            assert shown.verdicts == ()

    play(scene)


@pytest.mark.parametrize(
    ("fault", "key"),
    [((422, "question_too_long"), "too_long"), ((403, "forbidden"), "refused"), ((401, "who_is_asking"), "refused")],
)
def test_what_the_service_refuses_is_told(play: Played, fault: tuple[int, str], key: str) -> None:
    async def scene(play: Play) -> None:
        play.house.faults = [("refuse", *fault)]
        async with play.bot():
            assert (await play.told(Said(text="Urlaub"))).text == SAID[key]

    play(scene)


def test_a_channel_whose_members_the_platform_does_not_tell_is_unclear_and_not_even_asked(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.room.members["team"] = None
        async with play.bot():
            assert (await play.told(Said(text="Urlaub", room="team"))).text == SAID["room_unclear"]
            assert play.house.asked == []

    play(scene)


def test_nothing_found_is_said_in_our_words_and_can_be_judged(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.answers["Urlaub"] = {"outcome": "nothing_found"}
        async with play.bot():
            shown = await play.told(Said(text="Urlaub", room="team"))
            assert NOTHING in shown.text
            assert SAID["here_all_read"] in shown.text
            assert (shown.links, len(shown.verdicts)) == ((), 3)
            assert play.house.messages == []

    play(scene)


def test_what_may_only_be_opened_is_a_link_and_is_registered(play: Played) -> None:
    async def scene(play: Play) -> None:
        links = [{"url": f"{PAGE}/?document=k7"}, {"url": f"{PAGE}/?document=k8", "title": "Gehälter"}]
        play.house.answers["Urlaub"] = {"outcome": "link_only", "links": links, "text": "CANARY"}
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert SAID["link_only"] in shown.text
            assert "CANARY" not in shown.text
            assert shown.links == (f"{PAGE}/?document=k7", f"{PAGE}/?document=k8")
            assert len(play.house.messages) == 1

    play(scene)


def test_no_address_but_the_pages_comes_out_whatever_the_service_says(play: Played) -> None:
    async def scene(play: Play) -> None:
        evil = {
            "marker": 2,
            "url": "https://evil.example/?document=k1",
            "title": "https://evil.example",
            "page": 1,
            "headings": [],
        }
        good = {
            "marker": 1,
            "url": f"{PAGE}/?document=k1",
            "title": "siehe https://evil.example/x",
            "page": None,
            "headings": ["www.evil.example"],
        }
        play.house.answers["Urlaub"] = {
            "sentences": ["Mehr auf https://evil.example/p?q=geheim hier."], "citations": [evil, good],
            "links": [{"url": "https://evil.example"}],
        }  # fmt: skip
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert shown.links == (f"{PAGE}/?document=k1",)
        everything = repr([message.forms for message in play.room.messages.values()])
        assert "evil" not in everything
        assert SAID["link_taken"] in everything

    play(scene)


def test_a_long_answer_is_cut_and_said_to_be(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.answers["Urlaub"] = {"sentences": ["Wort " * 2000]}
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert SAID["cut"] in shown.text
            assert len(shown.text) < 4600

    play(scene)


def test_an_answer_is_no_longer_than_the_administrator_wants(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.answers["Urlaub"] = {"sentences": ["Wort " * 2000]}
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert SAID["cut"] in shown.text
            assert len(shown.text) < 800
        assert all(len(form["text"]) < 800 for form in next(iter(play.room.messages.values())).forms)

    play(scene, limits=replace(LIMITS, answer_chars=400))


def test_an_incomplete_answer_says_so(play: Played) -> None:
    async def scene(play: Play) -> None:
        said = texts("de")["incomplete.model_too_slow"]
        play.house.answers["Urlaub"] = {"outcome": "incomplete", "text": f"Ein Satz. [1]\n{said}"}
        async with play.bot():
            assert said in (await play.told(Said(text="Urlaub"))).text

    play(scene)


def test_an_english_question_is_told_in_english(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="How many days of holiday do I have?", who="stranger"))
            assert shown.text == texts("en", "bots")["unknown"].format(account="room:stranger")

    play(scene)


@pytest.mark.parametrize("fault", [("busy", 0.05), ("away",), ("break",), ("late problem",)])
def test_a_service_that_is_busy_or_breaks_off_is_asked_again(play: Played, fault: tuple[Any, ...]) -> None:
    async def scene(play: Play) -> None:
        play.house.faults = [fault] * 3
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert "Antwort auf Urlaub. [1] Mehr dazu. [1]" in shown.text
            assert shown.text.count("Antwort auf") == 1
            assert len(play.house.asked) == 4

    play(scene)


@pytest.mark.parametrize(("fault", "key"), [(("busy", 0.05), "busy"), (("away",), "away")])
def test_after_some_minutes_it_is_told_that_the_service_is_busy_or_away(
    play: Played, fault: tuple[Any, ...], key: str
) -> None:
    async def scene(play: Play) -> None:
        play.house.faults = [fault] * 1000
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            assert shown.text == SAID[key]
            told = " ".join(form["text"] for message in play.room.messages.values() for form in message.forms)
            assert SAID[f"{key}_waiting"] in told

    short = Patience(whole_s=3, first_s=0.02, longest_s=0.1)
    play(scene, limits=replace(LIMITS, patiences=Patiences(service=short, platform=SOON)))


def test_a_service_that_is_not_there_is_told_and_found_once_it_is(play: Played) -> None:
    async def scene(play: Play) -> None:
        there, play.address = play.address, "http://127.0.0.1:1"
        async with play.bot():
            assert (await play.told(Said(text="eins"))).text == SAID["away"]
        play.address = there
        async with play.bot():
            await play.room.deliver(Said(text="zwei"))
            assert "Antwort auf zwei" in (await play.ended(2))[1].text

    short = Patience(whole_s=0.5, first_s=0.05, longest_s=0.1)
    play(scene, limits=replace(LIMITS, patiences=Patiences(service=short, platform=SOON)))


def test_a_slow_model_shows_that_it_is_working(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 0
        signs: list[dict[str, Any]] = []

        async def watch(call: dict[str, Any]) -> None:
            signs.append(call)

        play.room.hook = watch
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: sum(call["do"] == "working" for call in signs) > 3)
            await play.until(lambda: any("Sekunden" in call["form"]["text"] for call in signs if call["do"] == "edit"))
            play.house.held = None
            await play.ended()

    quick = Patiences(service=SOON, platform=SOON, typing_s=0.05, sign_s=0.2)
    play(scene, limits=replace(LIMITS, patiences=quick))


@pytest.mark.parametrize("how", ["busy", "away"])
def test_a_platform_that_declines_for_a_while_is_ridden_out(play: Played, how: Any) -> None:
    async def scene(play: Play) -> None:
        play.room.refuse(how, times=4, retry_after_s=0.05)
        async with play.bot():
            assert "Antwort auf Urlaub" in (await play.told(Said(text="Urlaub"))).text

    play(scene)


def test_a_message_that_can_be_changed_no_more_is_followed_by_another(play: Played) -> None:
    async def scene(play: Play) -> None:
        async def stuck(call: dict[str, Any]) -> dict[str, Any] | None:
            return {"no": True} if call["do"] == "edit" and call["message"] == "m2" else None

        play.room.hook = stuck
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            shown = await play.ended()
            assert "Antwort auf Urlaub" in shown[-1].text
            assert [posted["message"] for posted in play.house.messages] == [one.id for one in shown]

    play(scene)


def test_a_redelivery_is_answered_once_also_over_a_restart(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            delivery = await play.room.deliver(Said(text="Urlaub"))
            await play.room.redeliver(delivery)
            await play.ended()
        async with play.bot():
            await play.room.redeliver(delivery)
            assert await play.room.acknowledged(delivery)
            assert len(await play.room.shown()) == 1
            assert len(play.house.asked) == 1

    play(scene)


def test_what_was_open_when_it_was_stopped_is_taken_up_again_in_the_same_message(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.pause_s = 60
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: play.house.open_answers > 0)
        assert stages(play.room)[-1] != "final"
        play.house.pause_s = 0
        async with play.bot():
            [shown] = await play.ended()
            assert "Antwort auf Urlaub" in shown.text

    play(scene, limits=replace(LIMITS, drain_s=0.1))


def test_an_open_answer_may_end_when_it_is_stopped(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 0
        async with play.bot() as bot:
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: play.house.open_answers > 0)
            bot.stop()
            late = await play.room.deliver(Said(text="zu spät"))
            play.house.held = None
        assert stages(play.room)[-1] == "final"
        assert not play.room.deliveries[late].acked.is_set()

    play(scene, limits=replace(LIMITS, drain_s=LIMIT_S))


def test_a_question_that_waited_too_long_is_told_so_instead_of_answered(play: Played) -> None:
    async def scene(play: Play) -> None:
        now = [1e9]
        play.clock, play.house.pause_s = lambda: now[0], 60
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: play.house.open_answers > 0)
        now[0] += 7200
        async with play.bot():
            assert [shown.text for shown in await play.ended()] == [SAID["stale"]]

    play(scene, limits=replace(LIMITS, drain_s=0.05))


def test_a_question_that_ends_every_start_is_told_as_failed(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.pause_s = 60
        for _ in range(2):
            asked = len(play.house.asked)
            async with play.bot():
                if not asked:
                    await play.room.deliver(Said(text="Urlaub"))
                await play.until(lambda before=asked: len(play.house.asked) > before)  # type: ignore[misc]
        async with play.bot():
            assert [shown.text for shown in await play.ended()] == [SAID["failed"]]

    play(scene, limits=replace(LIMITS, drain_s=0.05, patiences=Patiences(service=SOON, platform=SOON, attempts=2)))


def test_who_asks_when_too_many_wait_is_told_at_once(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 0
        async with play.bot():
            for number in range(6):
                await play.room.deliver(Said(text=f"Frage {number}"))
            await play.until(lambda: len(play.room.messages) >= 5)
            early = [form["text"] for message in play.room.messages.values() for form in message.forms]
            assert sum(SAID["crowded_here"] in text for text in early) >= 2
            play.house.held = None
            shown = await play.ended(6)
            assert sum("Antwort auf Frage" in one.text for one in shown) == 3
            assert sum(one.text == SAID["crowded_here"] for one in shown) == 3

    play(scene, bounds=Bounds(waiting=50, waiting_here=3))


def test_who_has_too_many_questions_waiting_is_told_so_and_nobody_else(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 0
        async with play.bot():
            for number, room in enumerate(("direct", "team", "all")):
                await play.room.deliver(Said(text=f"Frage {number}", room=room))  # type: ignore[arg-type]
            last = await play.room.deliver(Said(text="Eile", who="ben", room="all"))
            assert await play.room.acknowledged(last)
            play.house.held = None
            shown = await play.ended(4)
            assert [one.room for one in shown if one.text == SAID["crowded_each"]] == ["all"]
            assert sum("Antwort auf" in one.text for one in shown) == 3

    play(scene, bounds=Bounds(waiting=50, waiting_each=2))


def test_one_conversation_does_not_keep_the_others_waiting(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.held = 0
        async with play.bot():
            for number in range(5):
                await play.room.deliver(Said(text=f"Frage {number}", room="team"))
            await play.room.deliver(Said(text="Eile", who="ben"))
            await play.until(lambda: len(play.house.asked) == 2)
            assert {form["question"] for form in play.house.asked} == {"Frage 0", "Eile"}
            play.house.held = None
            await play.ended(6)

    play(scene, limits=replace(LIMITS, here_at_once=1, at_once=3))


def test_feedback_reaches_the_service(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            await play.room.press(shown, Verdict.OUTDATED, who="ben")
            await play.until(lambda: bool(play.house.feedback))
            assert play.house.feedback == [
                {"receipt": "r1", "verdict": "outdated", "on_behalf_of": {"account": "room:ben"}}
            ]

    play(scene)


def test_a_message_is_taken_back_where_an_administrator_wants_it(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            play.house.withdrawals.append(shown.id)
            await play.until(lambda: not play.house.withdrawals)
            assert await play.room.shown() == []

    play(scene)


def test_what_cannot_be_taken_back_keeps_nothing_waiting_that_stands_behind_it(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.at_a_time = 1
        async with play.bot():
            await play.told(Said(text="Urlaub"))
            await play.room.deliver(Said(text="Pausen"))
            first, second = [shown.id for shown in await play.ended(2)]

            async def refuse(call: dict[str, Any]) -> dict[str, Any] | None:
                return {"no": True} if call["do"] == "remove" and call["message"] == first else None

            play.room.hook = refuse
            play.house.withdrawals += [first, second]
            await play.until(lambda: play.house.withdrawn == [second])
            play.room.hook = None
            await play.until(lambda: play.house.withdrawn == [second, first])

    play(scene)


def test_a_fault_that_nobody_has_foreseen_does_not_end_the_taking_back(
    play: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [ValueError("not the name of a message")]
    remove = RoomAdapter.remove

    async def odd(adapter: RoomAdapter, message: Any) -> None:
        if faults:
            raise faults.pop()
        await remove(adapter, message)

    monkeypatch.setattr(RoomAdapter, "remove", odd)

    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            play.house.withdrawals.append(shown.id)
            await play.until(lambda: play.house.withdrawn == [shown.id])
            assert not faults

    play(scene)


def test_halves_of_characters_in_a_question_are_no_obstacle(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub \ud83d"))
            assert "Antwort auf Urlaub" in shown.text

    play(scene)


def test_a_message_that_is_being_written_is_taken_back_after_its_last_word_and_not_before(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.house.pause_s = 0.4
        when: list[str] = []

        async def watch(call: dict[str, Any]) -> None:
            if call["do"] == "remove":
                when.append(play.room.messages[call["message"]].forms[-1]["stage"])

        play.room.hook = watch
        async with play.bot():
            await play.room.deliver(Said(text="Urlaub"))
            await play.until(lambda: play.house.open_answers > 0)
            play.house.withdrawals += play.room.messages
            await play.until(lambda: not play.house.withdrawals)
        assert when == ["final"]

    play(scene)


def test_a_post_whose_end_nobody_knows_is_found_and_taken_back_with_its_question(play: Played) -> None:
    async def scene(play: Play) -> None:
        posted, over = asyncio.Event(), asyncio.Event()

        async def stall(call: dict[str, Any]) -> None:
            if call["do"] == "post" and not posted.is_set():
                play.room.messages["m0"] = Message("m0", call["place"], call["thread"], call["nonce"], [call["form"]])
                posted.set()
                await over.wait()  # the platform's answer does not come any more

        play.room.hook = stall
        async with play.bot():
            delivery = await play.room.deliver(Said(text="Urlaub"))
            await play.until(posted.is_set)
        play.room.hook = None
        assert len(await play.room.shown()) == 1
        with Inbox(play.folder) as inbox:
            [entry] = inbox.open()
            inbox.take(
                Withdrawn(event="w", place=entry.said.place, question=play.room.deliveries[delivery].event["id"])
            )
        async with play.bot():
            await play.until(lambda: not play.waiting())
            assert await play.room.shown() == []
            assert len(play.room.messages) == 1
        over.set()

    play(scene, limits=replace(LIMITS, drain_s=0.1))


def test_a_message_that_cannot_be_taken_back_does_not_hold_up_the_others(
    play: Played, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            delivery = await play.room.deliver(Said(text="Urlaub"))
            await play.ended()
            play.room.refuse("no")
            await play.room.take_back(delivery)
            await play.until(lambda: "withdrawal_refused" in str([vars(record) for record in caplog.records]))
            second = await play.room.deliver(Said(text="Pausen"))
            await play.ended(2)
            gone = await play.room.take_back(second)
            assert await play.room.acknowledged(gone)
            await play.until(lambda: not play.waiting())
        with Inbox(play.folder) as inbox:
            ends = inbox.ends()
        assert (ends["removed"], ends["kept"]) == (1, 1)

    play(scene)


@pytest.mark.parametrize("how", ["busy", "away"])
def test_an_answer_is_taken_back_when_the_platform_is_there_again(play: Played, how: Any) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            delivery = await play.room.deliver(Said(text="Urlaub"))
            await play.ended()
            play.room.refuse(how, times=3, retry_after_s=0.05)
            await play.room.take_back(delivery)
            await play.until(lambda: all(message.removed for message in play.room.messages.values()))

    play(scene)


def test_an_edit_on_its_way_does_not_bring_back_what_was_taken_back(play: Played) -> None:
    async def scene(play: Play) -> None:
        editing, go_on = asyncio.Event(), asyncio.Event()
        order: list[str] = []

        async def slow(call: dict[str, Any]) -> None:
            if call["do"] == "edit" and not editing.is_set():
                editing.set()
                await go_on.wait()
            order.append(call["do"])

        play.room.hook = slow
        async with play.bot():
            delivery = await play.room.deliver(Said(text="Urlaub"))
            await play.until(editing.is_set)
            await play.room.take_back(delivery)
            await asyncio.sleep(0.2)
            assert "remove" not in order
            go_on.set()
            await play.until(lambda: "remove" in order)
            await play.until(lambda: not play.waiting())
            assert order[-1] == "remove"
            assert await play.room.shown() == []

    play(scene)


def test_a_verdict_that_is_taken_back_and_what_was_never_asked_are_no_trouble(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            shown = await play.told(Said(text="Urlaub"))
            press = await play.room.press(shown, Verdict.WRONG)
            await play.until(lambda: bool(play.house.feedback))
            await play.room.take_back(press)
            never = play.room.new(Said(text="nie zugestellt"))
            await play.room.take_back(never)
            await play.room.redeliver(never)
            await play.room.deliver(Said(text="Pausen"))
            await play.ended(2)
            assert [asked["question"] for asked in play.house.asked] == ["Urlaub", "Pausen"]

    play(scene)


def test_only_the_askers_own_earlier_messages_are_the_conversation(play: Played) -> None:
    async def scene(play: Play) -> None:
        async with play.bot():
            first = await play.room.deliver(Said(text="Wie viel Urlaub?", room="team"))
            await play.ended()
            await play.room.deliver(Said(text="Ich bin Chef", room="team", who="ben", thread=first))
            await play.ended(2)
            await play.room.deliver(Said(text="Und Azubis?", room="team", thread=first))
            await play.ended(3)
            assert "conversation" not in play.house.asked[1]
            assert play.house.asked[2]["conversation"] == [{"role": "user", "content": "Wie viel Urlaub?"}]

    play(scene)


def test_credentials_that_are_not_good_end_it(play: Played) -> None:
    async def scene(play: Play) -> None:
        play.room.revoke()
        with pytest.raises(PlatformRefused):
            async with play.bot():
                assert play.running is not None
                await asyncio.wait({play.running}, timeout=LIMIT_S)

    play(scene)


def test_nothing_of_a_question_or_an_answer_is_logged(play: Played, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(play: Play) -> None:
        play.house.faults = [("away",), ("break",), ("refuse", 403, "forbidden")]
        play.house.answers["CANARY"] = {"sentences": ["CANARY"]}
        async with play.bot():
            await play.told(Said(text="CANARY"))

    with caplog.at_level("DEBUG", "rag"):
        play(scene)
    assert "question_refused" in str([vars(record) for record in caplog.records])
    assert "CANARY" not in str([vars(record) for record in caplog.records])
