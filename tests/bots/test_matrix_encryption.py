"""Encrypted rooms, between the bot and another client over a real homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rag.access import Audience
from rag.bots.adapter import PlatformRefused, Reply, Stage
from tests.bots.contract import Said, Taken, final, receiving
from tests.bots.matrix_platform import MatrixPlatform, aside, matrix_platform, shown_in, until
from tests.bots.synapse import Homeserver, Member
from tests.loops import run

nio = pytest.importorskip("nio", reason="the extra `matrix` is not installed")
pytest.importorskip("vodozemac", reason="the library that encrypts is not installed")
pytestmark = pytest.mark.timeout(240)

Scene = Callable[[MatrixPlatform, Taken], Awaitable[None]]
Play = Callable[..., None]

ENCRYPTED = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}
JOINED = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}


@pytest.fixture
def play(synapse: Homeserver, people: dict[str, Member], tmp_path: Path) -> Play:
    def played(scene: Scene, **more: Any) -> None:
        async def whole() -> None:
            anna = await aside(lambda: synapse.member("anna"))  # a device with keys of its own, for each test
            async with matrix_platform(synapse, people | {"anna": anna}, tmp_path, **more) as platform:
                await asyncio.wait_for(scene(platform, Taken()), 200)

        run(whole())

    return played


@asynccontextmanager
async def device(member: Member, store: Path) -> AsyncIterator[Any]:
    """Anna's program: another client, with the library's own way of sending."""
    store.mkdir(exist_ok=True)
    client = nio.AsyncClient(member.url, member.id, member.device, str(store), nio.AsyncClientConfig())
    client.restore_login(member.id, member.device, member.token)
    try:
        await client.sync(timeout=0, full_state=True)
        await client.keys_upload()
        yield client
    finally:
        await client.close()
        client.store.database.close()


async def say(client: Any, room: str, text: str, **more: Any) -> str:
    await client.sync(timeout=0)
    if client.should_query_keys:
        await client.keys_query()
    content = {"msgtype": "m.text", "body": text, **more}
    answer = await client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
    return str(answer.event_id)


async def read(client: Any, room: str) -> list[dict[str, Any]]:
    """What the program shows of the bot's messages, decrypted."""
    await client.sync(timeout=0)
    page = await client.room_messages(room, start="", limit=100)
    return [event.source for event in reversed(page.chunk)]


async def room_of(platform: MatrixPlatform, *others: Member) -> str:
    anna = platform.people["anna"]
    room = await aside(
        lambda: anna.create(platform.bot, *others, preset="trusted_private_chat", initial_state=[ENCRYPTED, JOINED])
    )
    await until(lambda: platform.bot.id in anna.joined(room))
    return room


def test_a_question_and_its_answer_are_read_by_the_two_devices_and_by_nobody_between(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with device(anna, platform.home / "anna") as client, receiving(platform.adapter(), taken) as adapter:
            room = await room_of(platform)
            await say(client, room, "Wie viele Urlaubstage?")
            asked = await taken.asked()
            assert asked.text == "Wie viele Urlaubstage?"
            assert asked.place.audience is Audience.DIRECT
            message = await adapter.post(asked.place, Reply(stage=Stage.WRITING, language="de", text="Es"), nonce="n1")
            await adapter.edit(asked.place, message, final("Es sind dreißig."))
            [shown] = shown_in(await read(client, room), bot=platform.bot.id)
            assert shown["content"]["body"] == "Es sind dreißig."
            wire = str(await aside(lambda: anna.timeline(room)))
            assert "dreißig" not in wire
            assert "Urlaubstage" not in wire
            assert "dreißig" not in str(platform.wire.sent)

    play(scene)


def test_keys_and_conversation_are_there_after_a_restart(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with device(platform.people["anna"], platform.home / "anna") as client:
            async with receiving(platform.adapter(), taken) as adapter:
                room = await room_of(platform)
                event = await say(client, room, "eins")
                message = await adapter.post((await taken.asked()).place, final("Antwort eins"), nonce="n1")
                platform.delivered[event] = room
                assert await platform.acknowledged(event)
            await say(client, room, "zwei")
            async with receiving(platform.adapter(), taken) as anew:
                asked = await taken.asked()
                assert (asked.text, asked.earlier) == ("zwei", ("eins",))
                assert await anew.post(asked.place, final("Antwort eins"), nonce="n1") == message
                await anew.edit(asked.place, message, final("Antwort zwei"))
                [shown] = shown_in(await read(client, room), bot=platform.bot.id)
                assert shown["content"]["body"] == "Antwort zwei"

    play(scene)


def test_in_an_encrypted_room_it_answers_in_the_thread_to_whoever_mentions_it(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        ben = platform.people["ben"]
        async with (
            device(platform.people["anna"], platform.home / "anna") as client,
            receiving(platform.adapter(), taken) as adapter,
        ):
            room = await room_of(platform, ben)
            await aside(lambda: ben.call("POST", f"/join/{quote(room)}"))
            await say(client, room, "nicht für dich")
            event = await say(client, room, "Wie viele?", **{"m.mentions": {"user_ids": [platform.bot.id]}})
            asked = await taken.asked()
            assert (asked.text, asked.place.audience) == ("Wie viele?", Audience.PRIVATE_CHANNEL)
            await adapter.post(asked.place, final("Dreißig."), nonce="n1")
            [shown] = shown_in(await read(client, room), bot=platform.bot.id)
            assert shown["content"]["m.relates_to"]["event_id"] == event

    play(scene)


def test_a_room_that_was_encrypted_is_never_spoken_to_in_the_clear(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with device(anna, platform.home / "anna") as client, receiving(platform.adapter(), taken) as adapter:
            room = await room_of(platform)
            await say(client, room, "Wie viele?")
            place = (await taken.asked()).place

            def denying(path: str, answer: Any) -> Any:
                return (
                    [one for one in answer if one["type"] != "m.room.encryption"] if path.endswith("/state") else answer
                )

            platform.wire.rewrite = denying
            await aside(lambda: anna.call("PUT", f"/rooms/{quote(room)}/state/m.room.name", {"name": "x"}))
            await asyncio.sleep(1)
            await adapter.post(place, final("Nur verschlüsselt."), nonce="n1")
            assert "Nur versch" not in str(platform.wire.sent)
            [shown] = shown_in(await read(client, room), bot=platform.bot.id)
            assert shown["content"]["body"] == "Nur verschlüsselt."

    play(scene)


def test_a_question_whose_key_comes_later_is_taken_then(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        async with (
            device(platform.people["anna"], platform.home / "anna") as client,
            receiving(platform.adapter(), taken),
        ):
            room = await room_of(platform)
            held: list[Any] = []

            def holding(path: str, answer: Any) -> Any:
                if "/sync" in path:
                    events = answer.get("to_device", {}).get("events", [])
                    if not held or held[-1] is not None:
                        held.extend(events)
                        answer.get("to_device", {}).pop("events", None)
                    elif len(held) > 1:
                        answer.setdefault("to_device", {})["events"] = [one for one in held if one] + events
                        held.clear()
                        held.append(None)
                return answer

            platform.wire.rewrite = holding
            await say(client, room, "Wie viele?")
            await until(lambda: bool(held))
            await asyncio.sleep(1.5)
            assert taken.events.empty()
            held.append(None)
            await aside(lambda: platform.people["anna"].say(room, {}, "com.example.nudge"))  # the mark moves on
            assert (await taken.asked()).text == "Wie viele?"

    play(scene)


def test_where_it_is_not_set_up_an_encrypted_room_is_told_in_words_once(play: Play) -> None:
    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with device(anna, platform.home / "anna") as client, receiving(platform.adapter(), taken) as adapter:
            room = await room_of(platform)
            for text in ("eins", "zwei"):
                await say(client, room, text)
            await until(lambda: len(shown_in(anna.timeline(room), bot=platform.bot.id)) == 1)
            await asyncio.sleep(1)
            [shown] = shown_in(await aside(lambda: anna.timeline(room)), bot=platform.bot.id)
            for part in ("verschlüsselt", "encrypted"):
                assert part in shown["content"]["body"]
            assert taken.events.empty()
            place_of = await aside(lambda: anna.create(platform.bot))
            assert place_of
            with pytest.raises(PlatformRefused):
                from rag.bots.adapter import Place

                await adapter.post(Place(conversation=room), final("im Klartext"), nonce="n1")

    play(scene, encryption=False)


def test_whoever_throws_the_bot_out_while_it_waits_for_a_key_does_not_make_it_deaf(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.bots.matrix_listener._KEY_WAIT_S", 0.5)

    async def scene(platform: MatrixPlatform, taken: Taken) -> None:
        anna = platform.people["anna"]
        async with receiving(platform.adapter(), taken):
            room = await aside(lambda: anna.create(platform.bot, initial_state=[ENCRYPTED, JOINED]))
            await until(lambda: platform.bot.id in anna.joined(room))
            sealed = {
                "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgAEnB1", "device_id": "GONE",
                "sender_key": "a" * 43, "session_id": "b" * 43,
            }  # fmt: skip
            await aside(lambda: anna.say(room, sealed, "m.room.encrypted"))
            await aside(lambda: anna.call("POST", f"/rooms/{quote(room)}/kick", {"user_id": platform.bot.id}))
            await asyncio.sleep(1.5)
            await platform.deliver(Said(text="Hörst du mich?"))
            assert (await taken.asked()).text == "Hörst du mich?"

    play(scene)
