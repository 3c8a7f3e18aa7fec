"""The Matrix bot on a real homeserver: what is said, taken back, missed, opened and closed there."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rag.access import Audience
from rag.bots.adapter import Place, PlatformBusy, PlatformRefused, Reply, Stage, Verdict
from rag.bots.matrix_events import read
from tests.bots.contract import SOURCE, Said, Taken, final, receiving
from tests.bots.matrix_platform import CLOSED_HISTORY, MatrixPlatform, aside, matrix_platform, shown_in, until
from tests.bots.synapse import Homeserver, Member
from tests.loops import run

pytest.importorskip("nio", reason="the extra `matrix` is not installed")
pytestmark = pytest.mark.timeout(240)

Scene = Callable[[MatrixPlatform, Taken], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def play(synapse: Homeserver, people: dict[str, Member], tmp_path: Path) -> Play:
    def played(scene: Scene, **more: Any) -> None:
        async def whole() -> None:
            async with matrix_platform(synapse, people, tmp_path, **more) as platform:
                await asyncio.wait_for(scene(platform, Taken()), 200)

        run(whole())

    return played


def texts(platform: MatrixPlatform, room: str) -> list[str]:
    found = shown_in(platform.people["anna"].timeline(room), bot=platform.bot.id)
    return [event["content"]["body"] for event in found]


async def quiet(taken: Taken, seconds: float = 1.5) -> None:
    """Nothing is taken any more."""
    await asyncio.sleep(seconds)
    assert taken.events.empty(), taken.events.get_nowait()


def test_a_new_bot_answers_nothing_old_and_what_was_asked_between_invitation_and_joining(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna, ben = platform.people["anna"], platform.people["ben"]
        room = anna.create(ben, preset="private_chat")
        anna.say(room, {"msgtype": "m.text", "body": "!frag alt"})
        anna.call("POST", f"/rooms/{quote(room)}/invite", {"user_id": platform.bot.id})
        anna.say(room, {"msgtype": "m.text", "body": "!frag gefragt"})
        async with receiving(platform.adapter(), taken):
            assert (await taken.asked()).text == "gefragt"
            await quiet(taken)

    play(scene)


def test_a_person_of_another_homeserver_is_neither_followed_into_a_room_nor_heard(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken):
            room = await platform.room("direct")
        async with receiving(platform.adapter(servers=("partner.example",)), taken):
            other = await aside(lambda: anna.create(platform.bot, is_direct=True))
            await aside(lambda: anna.say(room, {"msgtype": "m.text", "body": "Hörst du mich?"}))
            where = f"/rooms/{quote(other)}/state/m.room.member/{quote(platform.bot.id)}"
            await until(lambda: anna.call("GET", where)["membership"] == "leave")
            await quiet(taken)

    play(scene)


def test_nothing_is_lost_of_more_than_the_homeserver_gives_at_once(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken):
            room = await platform.room("team")
            vorher = await platform.deliver(Said(text="vorher", room="team"))
            assert (await taken.asked()).text == "vorher"
            assert await platform.acknowledged(vorher)
        await aside(lambda: anna.say(room, {"msgtype": "m.text", "body": "!frag erste"}))
        for number in range(25):
            await aside(lambda number=number: anna.say(room, {"msgtype": "m.text", "body": f"Geplauder {number}"}))
        await aside(lambda: anna.say(room, {"msgtype": "m.text", "body": "!frag letzte"}))
        async with receiving(platform.adapter(), taken):
            assert [(await taken.asked()).text, (await taken.asked()).text] == ["erste", "letzte"]
            await quiet(taken)

    play(scene)


def test_in_a_room_it_answers_in_a_thread_and_only_when_it_is_spoken_to(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken) as adapter:
            room = await platform.room("team")
            await aside(lambda: anna.say(room, {"msgtype": "m.text", "body": "Archivar ist ein schönes Wort"}))
            event = await platform.deliver(Said(text="Wie viele?", room="team"))
            place = (await taken.asked()).place
            await adapter.post(place, final("30."), nonce="n1")
            [shown] = shown_in(anna.timeline(room), bot=platform.bot.id)
            relation = shown["content"]["m.relates_to"]
            assert (relation["rel_type"], relation["event_id"]) == ("m.thread", event)
            await platform.deliver(Said(text="Und für Azubis?", room="team", thread=event))
            asked = await taken.asked()
            assert asked.earlier == ("Wie viele?",)
            await adapter.post(asked.place, final("25."), nonce="n2")
            later = shown_in(anna.timeline(room), bot=platform.bot.id)[-1]
            assert later["content"]["m.relates_to"]["event_id"] == event, "the thread goes on"

    play(scene)


def test_in_a_direct_conversation_earlier_questions_are_the_conversation(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele Urlaubstage?"))
            await adapter.post((await taken.asked()).place, final("30."), nonce="n1")
            await platform.deliver(Said(text="Und für Azubis?"))
            assert (await taken.asked()).earlier == ("Wie viele Urlaubstage?",)

    play(scene)


def test_a_verdict_or_anything_else_that_is_taken_back_does_not_make_the_bot_deaf(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele?"))
            room = platform.rooms["direct"]
            asked = await taken.asked()
            message = await adapter.post(asked.place, final("30.", receipt="r"), nonce="n1")
            answer = message.partition(" ")[2]
            relation = {"rel_type": "m.annotation", "event_id": answer, "key": "👍"}
            press = await aside(lambda: anna.say(room, {"m.relates_to": relation}, "m.reaction"))
            judged = await taken.judged()
            for event in (press, answer):
                await aside(
                    lambda event=event: anna.call("PUT", f"/rooms/{quote(room)}/redact/{quote(event)}/t{event[1:]}")
                )
            assert (await taken.withdrawn()).question == judged.event
            assert (await taken.withdrawn()).question == answer
            await adapter.remove(message)
            await platform.deliver(Said(text="Noch da?"))
            assert (await taken.asked()).text == "Noch da?"

    play(scene)


def test_taking_a_message_back_takes_every_version_of_it_back(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele?"))
            place = (await taken.asked()).place
            message = await adapter.post(place, final("Geheimnis 0"), nonce="n1")
            for number in range(1, 4):
                await adapter.edit(place, message, final(f"Geheimnis {number}"))
            before = platform.people["anna"].timeline(platform.rooms["direct"])
            assert "Geheimnis 2" in str(before)
            await adapter.remove(message)
            assert "Geheimnis" not in str(platform.people["anna"].timeline(platform.rooms["direct"]))

    play(scene)


def test_it_closes_the_history_of_a_direct_conversation_where_it_may(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna, ben = platform.people["anna"], platform.people["ben"]
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele?"))
            place = (await taken.asked()).place
            assert place.audience is Audience.DIRECT
            await adapter.post(place, final("Nur für Anna"), nonce="n1")
            room = platform.rooms["direct"]
            await aside(lambda: anna.call("POST", f"/rooms/{quote(room)}/invite", {"user_id": ben.id}))
            await aside(lambda: ben.call("POST", f"/join/{quote(room)}"))
            assert "Nur für Anna" not in str(ben.timeline(room)), "who comes later does not read it"
            await until(lambda: "Nur für Anna" in str(anna.timeline(room)))

    play(scene)


def test_a_conversation_that_it_cannot_close_is_no_private_one(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken):
            platform.rooms["direct"] = anna.create(platform.bot, preset="private_chat", is_direct=True)
            await until(lambda: platform.bot.id in anna.joined(platform.rooms["direct"]))
            await platform.deliver(Said(text="Wie viele?"))
            assert (await taken.asked()).place.audience is Audience.PUBLIC_CHANNEL

    play(scene)


def test_a_room_that_is_opened_meanwhile_does_not_get_the_answer(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele?", room="team"))
            place = (await taken.asked()).place
            working = Reply(stage=Stage.WORKING, language="de", notice="Ich suche")
            message = await adapter.post(place, working, nonce="n1")
            where = f"/rooms/{quote(place.conversation)}/state/m.room.join_rules/"
            await aside(lambda: anna.call("PUT", where, {"join_rule": "public"}))
            assert await adapter.members(place) is None, "so nobody's rights are asked for"
            await adapter.edit(place, message, final("Nur für wenige"))
            assert "Nur für wenige" not in str(anna.timeline(place.conversation))
            [reason] = texts(platform, place.conversation)
            assert "mehr Personen mitlesen" in reason

    play(scene)


def test_the_members_are_also_those_who_are_only_invited(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna, ben = platform.people["anna"], platform.people["ben"]
        async with receiving(platform.adapter(), taken) as adapter:
            room = await aside(lambda: anna.create(platform.bot, ben, initial_state=[CLOSED_HISTORY]))
            await until(lambda: platform.bot.id in anna.joined(room))
            place = Place(conversation=room, audience=Audience.PRIVATE_CHANNEL)
            found = await adapter.members(place)
            assert found is not None
            assert {one.id for one in found} == {f"matrix:{anna.id}", f"matrix:{ben.id}"}
            gone = Place(conversation="!nowhere:firma.example", audience=Audience.GUESTS)
            assert await adapter.members(gone) is None

    play(scene)


def test_the_homeservers_own_limit_is_told_with_its_pause(play: Play, synapse: Homeserver) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        admin = await aside(lambda: synapse.member("admin", admin=True))
        async with receiving(platform.adapter(), taken) as adapter:
            await platform.deliver(Said(text="Wie viele?"))
            place = (await taken.asked()).place
            await aside(lambda: limit(admin, platform.bot, per_second=1, burst=1))
            at_once = (adapter.post(place, final(f"{number}"), nonce=f"n{number}") for number in range(9))
            ended = await asyncio.gather(*at_once, return_exceptions=True)
            pauses = [one.retry_after_s for one in ended if isinstance(one, PlatformBusy)]
            assert pauses
            assert all(0 < pause < 30 for pause in pauses)
            await aside(lambda: limit(admin, platform.bot, per_second=0, burst=0))
            await adapter.post(place, final("später"), nonce="n9")

    play(scene)


def limit(admin: Member, bot: Member, *, per_second: int, burst: int) -> None:
    """As an administrator of Synapse sets it for one account."""
    import httpx

    address = f"{admin.url}/_synapse/admin/v1/users/{quote(bot.id)}/override_ratelimit"
    headers = {"Authorization": f"Bearer {admin.token}"}
    body = {"messages_per_second": per_second, "burst_count": burst}
    assert httpx.post(address, json=body, headers=headers, trust_env=False, timeout=30).is_success


def test_an_event_that_nobody_can_make_sense_of_does_not_keep_the_others_waiting(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(source: Any, **more: Any) -> Any:
        if "UNSINN" in str(source):
            raise RecursionError("an event as nobody has foreseen it")
        return read(source, **more)

    monkeypatch.setattr("rag.bots.matrix_listener.read", hostile)

    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken):
            await platform.deliver(Said(text="UNSINN"))
            await platform.deliver(Said(text="Noch da?", who="ben", room="team"))
            assert (await taken.asked()).text == "Noch da?"

    play(scene)


def test_a_picture_is_told_that_only_text_is_read(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken):
            room = await platform.room("direct")
            content = {"msgtype": "m.image", "body": "bild.png", "url": "mxc://firma.example/x"}
            await aside(lambda: anna.say(room, content))
            await until(lambda: any("nur Text" in text and "text only" in text for text in texts(platform, room)))
            await quiet(taken)

    play(scene)


def test_a_verdict_on_a_message_of_before_a_restart_is_taken_and_one_on_anothers_is_not(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken) as adapter:
            question = await platform.deliver(Said(text="Wie viele?", room="team"))
            asked = await taken.asked()
            await adapter.post(asked.place, final("30. [1]", sources=(SOURCE,), receipt="r-1"), nonce="n1")
            [shown] = await platform.shown()
            assert await platform.acknowledged(question)
        async with receiving(platform.adapter(), taken):
            from dataclasses import replace

            await platform.press(replace(shown, id=question), Verdict.WRONG, who="ben")
            await platform.press(shown, Verdict.HELPFUL, who="ben")
            judged = await taken.judged()
            assert (judged.receipt, judged.verdict, judged.account) == ("r-1", Verdict.HELPFUL, platform.account("ben"))
            await quiet(taken)

    play(scene)


def test_the_token_of_another_account_is_refused_and_says_so(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        adapter = platform.adapter(user="@somebody:firma.example")
        with pytest.raises(PlatformRefused, match=r"bots\.matrix\.user"):
            await adapter.run(taken.take)

    play(scene)


def test_a_check_says_who_it_is_and_whether_it_reads_encrypted_rooms(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        assert await platform.adapter().check() == f"it is let in as {platform.bot.id}, and reads encrypted rooms"
        assert "switched off" in await platform.adapter(encryption=False).check()
        platform.revoke()
        with pytest.raises(PlatformRefused, match="token"):
            await platform.adapter().check()

    play(scene)


def test_its_home_is_for_its_owner_alone(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken):
            await platform.deliver(Said(text="Wie viele?"))
            await taken.asked()
            found = list((platform.home / "home" / "bots" / "matrix").rglob("*"))
            assert any("keys" in str(one) and one.is_file() for one in found)
            assert all(stat.S_IMODE(one.stat().st_mode) & 0o077 == 0 for one in found), found

    play(scene)
