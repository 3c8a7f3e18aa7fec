"""Who is heard in Slack, who reads along, and what becomes of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rag.access import Audience
from rag.bots.adapter import MessageRef, Place, PlatformBusy, PlatformRefused, Reply, Stage
from rag.bots.slack import SlackAdapter
from rag.bots.slack_asking import _LOOK_UP_S
from tests.bots.contract import LIMIT_S, NOT_YET_S, Said, Taken, final, receiving
from tests.bots.slack_platform import SlackPlatform, slack_platform
from tests.bots.slack_world import BOT, OTHER_TEAM, PEOPLE, TEAM
from tests.loops import run

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")

Scene = Callable[[SlackPlatform, Taken, SlackAdapter], Coroutine[Any, Any, None]]


def play(folder: Path, scene: Scene, *, look_up_s: float = LIMIT_S, **settings: Any) -> None:
    async def whole() -> None:
        async with slack_platform(folder, look_up_s=look_up_s) as platform:
            taken = Taken()
            adapter = platform.adapter(**settings)
            async with receiving(adapter, taken):
                await asyncio.wait_for(scene(platform, taken, adapter), 3 * LIMIT_S)

    run(whole())


async def nothing(platform: SlackPlatform, taken: Taken, delivery: str) -> None:
    """That one is acknowledged, and not heard."""
    assert await platform.acknowledged(delivery)
    assert taken.events.empty()


def spoken(
    platform: SlackPlatform, text: str, *, who: str = "anna", room: str = "G01", thread: str = ""
) -> dict[str, Any]:
    return {**platform.world.say(room, PEOPLE[who], text, thread=thread), "channel_type": "group"}


def test_the_email_is_told_only_where_slack_has_had_it_confirmed(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.world.users[PEOPLE["anna"]]["is_email_confirmed"] = False
        await platform.deliver(Said(text="eins"))
        assert (await taken.asked()).account.email == ""
        await platform.deliver(Said(text="zwei", who="ben"))
        assert (await taken.asked()).account.email == "ben@firma.example"

    play(tmp_path, scene)


def test_no_email_is_told_where_people_are_known_by_account_alone(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        await platform.deliver(Said(text="eins"))
        assert (await taken.asked()).account.email == ""

    play(tmp_path, scene, people="accounts")


def test_a_guest_asks_among_guests_even_in_a_direct_message(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        await platform.deliver(Said(text="eins", who="eve"))
        asked = await taken.asked()
        assert (asked.place.audience, asked.account.email) == (Audience.GUESTS, "")

    play(tmp_path, scene)


def test_who_comes_from_another_workspace_is_not_heard(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = spoken(platform, f"<@{BOT}> Geheim?", who="otto", room="C02")
        for home in ({"user_team": OTHER_TEAM}, {"source_team": OTHER_TEAM}, {"team": OTHER_TEAM}):
            await nothing(platform, taken, await platform.event({**row, "type": "app_mention", **home}))
        await platform.command("Geheim?", who="otto", team=OTHER_TEAM)
        await platform.deliver(Said(text="eins"))
        assert (await taken.asked()).text == "eins"

    play(tmp_path, scene)


@pytest.mark.parametrize("mark", ["is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared"])
def test_a_conversation_that_is_shared_with_others_is_among_guests(tmp_path: Path, mark: str) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.world.rooms["G01"][mark] = True
        await platform.deliver(Said(text="eins", room="team"))
        assert (await taken.asked()).place.audience is Audience.GUESTS

    play(tmp_path, scene)


def test_what_the_event_says_of_sharing_counts_at_once(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = spoken(platform, f"<@{BOT}> Wann?")
        await platform.event({**row, "type": "app_mention"}, shared=True)
        assert (await taken.asked()).place.audience is Audience.GUESTS

    play(tmp_path, scene)


def test_a_guest_who_comes_in_after_the_question_makes_the_room_unclear(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        await platform.deliver(Said(text="Wann?", room="team"))
        place = (await taken.asked()).place
        assert place.audience is Audience.PRIVATE_CHANNEL
        platform.world.members["G01"].append(PEOPLE["eve"])
        later = platform.adapter()  # what this one knows is a few seconds old
        assert await later.members(place) is None
        platform.world.members["G01"].pop()
        platform.world.rooms["G01"]["is_private"] = False
        anew = platform.adapter()
        assert await anew.members(place) is None, "and so does a channel that is public by now"
        for one in (later, anew):
            await one.close()

    play(tmp_path, scene)


def test_the_bots_of_others_count_as_members(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.world.users["U0JIRA"] = {"id": "U0JIRA", "team_id": TEAM, "is_bot": True, "is_email_confirmed": True}
        platform.world.users["U0JIRA"] |= {"profile": {"email": "boss@firma.example"}}
        platform.world.members["G01"].append("U0JIRA")
        await platform.deliver(Said(text="Wann?", room="team"))
        members = await adapter.members((await taken.asked()).place)
        assert members is not None
        assert {(one.id, one.email) for one in members} >= {(f"slack:{TEAM}:U0JIRA", "")}

    play(tmp_path, scene)


def test_of_too_many_it_is_not_asked_who_they_are(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.world.page = 50
        platform.world.members["C01"] += [f"U{number}" for number in range(1000, 1120)]
        await platform.deliver(Said(text="Wann?", room="all"))
        asked = await taken.asked()
        assert asked.place.audience is Audience.PUBLIC_CHANNEL
        assert await adapter.members(asked.place) is None
        assert sum(method == "users.info" for method, _ in platform.world.calls) == 1

    play(tmp_path, scene)


def test_a_channel_the_bot_cannot_see_is_unclear(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        assert await adapter.members(Place(conversation="C99", audience=Audience.PUBLIC_CHANNEL)) is None

    play(tmp_path, scene)


def test_who_asked_in_a_thread_goes_on_without_calling_again(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        begun = spoken(platform, f"<@{BOT}> Wie viele Urlaubstage?")
        await platform.event({**begun, "type": "app_mention"})
        await taken.asked()
        ben = spoken(platform, "Das wüsste ich auch gern", who="ben", thread=begun["ts"])
        await nothing(platform, taken, await platform.event(ben))
        await platform.event(spoken(platform, "Und für Azubis?", thread=begun["ts"]))
        asked = await taken.asked()
        assert (asked.text, asked.earlier) == ("Und für Azubis?", ("Wie viele Urlaubstage?",))
        to_ben = spoken(platform, "<@U02> weißt du das?", thread=begun["ts"])
        await nothing(platform, taken, await platform.event(to_ben))

    play(tmp_path, scene)


def test_the_thread_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        begun = spoken(platform, f"<@{BOT}> Wie viele?")
        await platform.event(spoken(platform, "Und für Azubis?", thread=begun["ts"]))
        assert (await taken.asked()).text == "Und für Azubis?"
        ben = spoken(platform, "Hm", who="ben", thread=begun["ts"])
        await nothing(platform, taken, await platform.event(ben))

    play(tmp_path, scene)


def test_only_who_calls_it_is_heard_where_the_settings_say_so(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        begun = spoken(platform, f"<@{BOT}> Wie viele?")
        row = spoken(platform, "Und für Azubis?", thread=begun["ts"])
        await nothing(platform, taken, await platform.event(row))

    play(tmp_path, scene, threads="mention")


def test_talk_in_a_channel_that_is_not_for_the_bot_is_not_heard(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        await nothing(platform, taken, await platform.event(spoken(platform, "Mahlzeit")))
        human = spoken(platform, "Wer kommt mit?")
        await nothing(platform, taken, await platform.event(spoken(platform, "Ich", thread=human["ts"])))

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "mark",
    [
        {"bot_id": "B07"},
        {"subtype": "bot_message"},
        {"subtype": "channel_join"},
        {"user": BOT},
        {"user": "<U1>"},
        {"ts": "x"},
    ],
)
def test_bots_and_notices_are_not_heard(tmp_path: Path, mark: dict[str, str]) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = {**platform.world.say("D01", PEOPLE["anna"], "Wie viele?"), "channel_type": "im", **mark}
        await nothing(platform, taken, await platform.event(row))

    play(tmp_path, scene)


def test_an_edited_question_is_answered_once_as_it_was_asked(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = spoken(platform, f"<@{BOT}> Wie viele?")
        await platform.event({**row, "type": "app_mention"})
        first = await taken.asked()
        changed = {"type": "message", "subtype": "message_changed", "channel": "G01", "ts": platform.world.now()}
        edited = {**row, "text": f"<@{BOT}> Wie wenige?", "edited": {"user": row["user"], "ts": row["ts"]}}
        await nothing(platform, taken, await platform.event({**changed, "message": edited, "previous_message": row}))
        await platform.event({**edited, "type": "app_mention"})  # Slack may call once more, with the same message
        assert (await taken.asked()).event == first.event

    play(tmp_path, scene)


def test_a_question_below_which_others_go_on_is_withdrawn_when_it_becomes_a_stone(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = spoken(platform, f"<@{BOT}> Wie viele?")
        await platform.event({**row, "type": "app_mention"})
        asked = await taken.asked()
        spoken(platform, "Das frage ich mich auch", who="ben", thread=row["ts"])
        delivery = await platform.event(platform.world.unsay(row))
        assert (await taken.withdrawn()).question == asked.event
        assert await platform.acknowledged(delivery)

    play(tmp_path, scene)


def test_the_command_is_answered_in_a_direct_message(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        delivery = await platform.command("Wie viele Urlaubstage?")
        asked = await taken.asked()
        assert (asked.text, asked.account) == ("Wie viele Urlaubstage?", platform.account("anna"))
        assert asked.place == Place(conversation="D01", audience=Audience.DIRECT)
        assert await platform.acknowledged(delivery)
        [said] = [ack["payload"]["text"] for ack in platform.server.acks.values() if "payload" in ack]
        assert said == "Die Antwort kommt als Direktnachricht."
        await platform.redeliver(delivery)
        assert (await taken.asked()).event == asked.event

    play(tmp_path, scene)


@pytest.mark.parametrize(("text", "who", "told"), [("", "anna", "/frag Wie viele"), ("Wie viele?", "eve", "eigenen")])
def test_a_command_without_a_question_or_of_a_guest_is_told_why_not(
    tmp_path: Path, text: str, who: str, told: str
) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        await nothing(platform, taken, await platform.command(text, who=who))
        [said] = [ack["payload"]["text"] for ack in platform.server.acks.values() if "payload" in ack]
        assert told in said

    play(tmp_path, scene)


def test_a_press_on_a_source_is_acknowledged_and_says_nothing(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = {"ts": "1790000000.000001", "channel": "D01", "blocks": []}
        button = {
            "type": "button",
            "action_id": "archivar_source_0",
            "url": "https://archivar.firma.example/?document=a",
        }
        await nothing(platform, taken, await platform.click(row, button))
        helpful = {"type": "button", "action_id": "archivar_helpful", "value": "r1"}
        await nothing(platform, taken, await platform.click(row, helpful, home=OTHER_TEAM))

    play(tmp_path, scene)


def test_who_gave_a_verdict_is_thanked_and_nobody_else_sees_it(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = {"ts": "1790000000.000001", "channel": "D01", "blocks": []}
        await platform.click(row, {"type": "button", "action_id": "archivar_helpful", "value": "r1"})
        await taken.judged()
        while not platform.world.whispers:
            await asyncio.sleep(0.01)
        assert platform.world.whispers[0]["user"] == PEOPLE["anna"]

    play(tmp_path, scene)


def test_while_slack_is_slow_an_event_is_left_to_come_again_and_at_last_taken_in_the_closed_way(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.server.slow_s["users.info"] = 30
        delivery = await platform.deliver(Said(text="Wie viele?", room="team"))
        assert not await platform.acknowledged(delivery, within_s=NOT_YET_S)
        assert taken.events.empty()
        for _ in range(3):
            await platform.redeliver(delivery)
        asked = await taken.asked()
        assert (asked.account.email, asked.place.audience) == ("", Audience.GUESTS)
        assert await platform.acknowledged(delivery)

    play(tmp_path, scene, look_up_s=_LOOK_UP_S)


def test_a_message_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = platform.world.say("D01", PEOPLE["anna"], "Meins")
        place = Place(conversation="D01", audience=Audience.DIRECT)
        with pytest.raises(PlatformRefused):
            await adapter.edit(place, MessageRef(f"slack:D01:{row['ts']}"), final("Deins"))
        for foreign in ("", "teams:1:2", "slack:D01", "slack:d01:1.1", "slack:D01:1.1:x"):
            with pytest.raises(PlatformRefused):
                await adapter.remove(MessageRef(foreign))

    play(tmp_path, scene)


def test_nobody_elses_nonce_is_taken_for_its_own(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        row = platform.world.say("D01", PEOPLE["anna"], "Falle")
        row["metadata"] = {"event_type": "archivar_reply", "event_payload": {"nonce": "n1"}}
        place = Place(conversation="D01", audience=Audience.DIRECT)
        assert await adapter.post(place, final("30."), nonce="n1") != f"slack:D01:{row['ts']}"

    play(tmp_path, scene)


def test_growing_edits_leave_room_for_last_words(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        place = Place(conversation="D01", audience=Audience.DIRECT)
        message = await adapter.post(place, final("0"), nonce="n1")
        growing = Reply(stage=Stage.WRITING, language="de", text="Es")
        with pytest.raises(PlatformBusy) as busy:
            for _ in range(60):
                await adapter.edit(place, message, growing)
        assert 1 <= busy.value.retry_after_s <= 60
        await adapter.edit(place, message, final("Es sind 30."))
        edits = sum(method == "chat.update" for method, _ in platform.world.calls)
        assert edits <= 50

    play(tmp_path, scene)


def test_what_slack_told_too_late_is_known_when_the_event_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(platform: SlackPlatform, taken: Taken, adapter: SlackAdapter) -> None:
        platform.server.slow_s["users.info"] = 2.6
        delivery = await platform.deliver(Said(text="Wie viele?"))
        assert not await platform.acknowledged(delivery, within_s=NOT_YET_S)
        monkeypatch.setattr("rag.bots.slack_asking._LOOK_UP_S", LIMIT_S)
        await platform.redeliver(delivery)
        asked = await taken.asked()
        assert (asked.account, asked.place.audience) == (platform.account("anna"), Audience.DIRECT)
        assert sum(method == "users.info" for method, _ in platform.world.calls) == 1

    play(tmp_path, scene, look_up_s=_LOOK_UP_S)
