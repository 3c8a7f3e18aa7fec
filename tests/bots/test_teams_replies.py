"""How a reply grows, ends and is taken back in Teams, and what Microsoft's marks say of it."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.access import Audience
from rag.bots.adapter import (
    MessageRef,
    Place,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Source,
    Stage,
    Verdict,
)
from rag.bots.teams import TeamsAdapter
from rag.bots.teams_memory import Memory
from rag.bots.teams_posts import Posts
from tests.bots.contract import SOURCE, Said, Taken, final, receiving
from tests.bots.teams_cloud import APP, PEOPLE, TENANT, Cloud, teams
from tests.loops import run

DIRECT = Place(conversation="smba.trafficmanager.net/emea a:1direct-anna", audience=Audience.DIRECT)
TEAM = Place(
    conversation="smba.trafficmanager.net/emea 19:team@thread.tacv2", thread="17", audience=Audience.PRIVATE_CHANNEL
)
WORKING = Reply(stage=Stage.WORKING, language="de", notice="Ich suche")


def writing(text: str) -> Reply:
    return Reply(stage=Stage.WRITING, language="de", text=text)


def play(scene: Callable[[Cloud, TeamsAdapter], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with teams() as cloud:
            await scene(cloud, cloud.adapter())

    run(whole())


def forms(cloud: Cloud) -> list[dict[str, Any]]:
    [message] = [one for one in cloud.messages.values() if not one.removed]
    return message.forms


def stream(content: dict[str, Any]) -> tuple[str, int | None]:
    [info] = [one for one in content["entities"] if one["type"] == "streaminfo"]
    return info["streamType"], info.get("streamSequence")


def test_in_a_chat_with_one_person_it_streams() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        await adapter.edit(DIRECT, message, writing("Es sind 30."))
        await adapter.edit(DIRECT, message, writing("Es sind 30. Und mehr."))
        await adapter.edit(DIRECT, message, final("Es sind 30. Und mehr. [1]", sources=(SOURCE,), receipt="r"))
        sent = forms(cloud)
        assert [stream(one) for one in sent] == [
            ("informative", 1), ("streaming", 2), ("streaming", 3), ("final", None),
        ]  # fmt: skip
        assert [one["type"] for one in sent] == ["typing", "typing", "typing", "message"]
        assert "attachments" not in sent[1]
        assert sent[3]["attachments"]

    play(scene)


@pytest.mark.parametrize("place", [TEAM, replace(TEAM, audience=Audience.GUESTS)])
def test_in_a_channel_it_grows_by_edits_and_never_streams(place: Place) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(place, WORKING, nonce="n")
        await adapter.edit(place, message, writing("Es sind 30."))
        await adapter.edit(place, message, final("Es sind 30."))
        assert [one["type"] for one in forms(cloud)] == ["message"] * 3
        [shown] = await cloud.shown()
        assert shown.threaded

    play(scene)


def test_a_stream_is_ended_before_its_two_minutes_are_over_and_goes_on_by_edits() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        now = 0.0
        posts = Posts(adapter._connector, memory=Memory(cloud.home), clock=lambda: now)
        message = await posts.post(DIRECT, WORKING, nonce="n")
        now = 50.0
        await posts.edit(DIRECT, message, writing("Es sind"))
        now = 105.0
        await posts.edit(DIRECT, message, writing("Es sind 30."))
        cloud.streams_over = True
        now = 400.0
        await posts.edit(DIRECT, message, writing("Es sind 30. Und mehr."))
        await posts.edit(DIRECT, message, final("Es sind 30. Und mehr. Ende."))
        [shown] = await cloud.shown()
        assert "Ende" in shown.text
        kinds = [any(one["type"] == "streaminfo" for one in form.get("entities", ())) for form in forms(cloud)]
        assert kinds == [True, True, True, False, False]

    play(scene)


def test_a_stream_that_teams_breaks_off_ends_in_the_same_message() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        cloud.streams_over = True
        await adapter.edit(DIRECT, message, writing("Es sind 30."))
        await adapter.edit(DIRECT, message, final("Es sind 30. Ende."))
        [shown] = await cloud.shown()
        assert "Ende" in shown.text

    play(scene)


def test_a_stream_whose_message_is_gone_is_answered_by_a_new_one_that_can_be_taken_back() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        cloud.messages.clear()
        await adapter.edit(DIRECT, message, final("Es sind 30."))
        [shown] = await cloud.shown()
        assert "30" in shown.text
        await adapter.edit(DIRECT, message, final("Es sind 31."))
        [shown] = await cloud.shown()
        assert "31" in shown.text
        await adapter.remove(message)
        assert await cloud.shown() == []

    play(scene)


def test_who_presses_stop_gets_no_more() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        cloud.streams_stopped = True
        with pytest.raises(PlatformRefused, match="stopped"):
            await adapter.edit(DIRECT, message, writing("Es sind 30."))
        with pytest.raises(PlatformRefused, match="stopped"):
            await adapter.edit(DIRECT, message, final("Es sind 30."))
        assert len(forms(cloud)) == 1

    play(scene)


def test_a_stream_from_before_a_restart_is_ended_by_the_next_process() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        await adapter.edit(DIRECT, message, writing("Es sind"))
        anew = cloud.adapter()
        await anew.edit(DIRECT, message, final("Es sind 30."))
        await cloud.adapter().edit(DIRECT, message, final("Es sind 31."))
        [shown] = await cloud.shown()
        assert "31" in shown.text

    play(scene)


def test_an_answer_says_that_a_machine_wrote_it_on_what_and_how_sensitive_it_is() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        source = Source(marker=1, url=SOURCE.url, title="T" * 200, place="P" * 300)
        reply = final("Es sind 30. [1]", sources=(source,), sensitivity="internal", receipt="r")
        await adapter.post(DIRECT, reply, nonce="n")
        [content] = forms(cloud)
        [marks] = content["entities"]
        assert marks["additionalType"] == ["AIGeneratedContent"]
        [claim] = marks["citation"]
        assert claim["position"] == 1
        assert claim["appearance"]["url"] == SOURCE.url
        assert (len(claim["appearance"]["name"]), len(claim["appearance"]["abstract"])) == (80, 160)
        assert marks["usageInfo"]["name"] == "Intern"
        assert content["channelData"] == {"feedbackLoop": {"type": "default"}}

    play(scene)


def test_a_reply_that_only_points_says_neither_that_a_machine_wrote_it_nor_what_is_behind() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        await adapter.post(
            DIRECT, final("", notice="Nur intern.", sources=(Source(marker=1, url=SOURCE.url),)), nonce="n"
        )
        [content] = forms(cloud)
        [marks] = content["entities"]
        assert marks.keys() & {"additionalType", "citation", "usageInfo"} == set()
        [shown] = await cloud.shown()
        assert shown.text == "Nur intern.\n\nQuellen\n[1] Interne Seite"

    play(scene)


@pytest.mark.parametrize(("sensitivity", "name"), [("public", "Öffentlich"), ("strict", "Streng vertraulich")])
def test_the_class_is_named_in_the_persons_language(sensitivity: str, name: str) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        await adapter.post(DIRECT, final("30.", sensitivity=sensitivity), nonce="n")
        [content] = forms(cloud)
        assert content["entities"][0]["usageInfo"]["name"] == name

    play(scene)


@pytest.mark.parametrize("place", [DIRECT, TEAM])
def test_a_thumb_on_a_message_from_before_a_restart_counts(place: Place) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(place, WORKING, nonce="n")
        await adapter.edit(place, message, final("30.", receipt="r"))
        [shown] = await cloud.shown()
        taken = Taken()
        async with receiving(cloud.adapter(), taken):
            for verdict in (Verdict.HELPFUL, Verdict.WRONG, Verdict.OUTDATED):
                delivery = await cloud.press(shown, verdict)
                assert cloud.statuses[delivery] == 200
                judged = await taken.judged()
                assert (judged.receipt, judged.verdict) == ("r", verdict)

    play(scene)


def test_a_thumb_on_a_message_that_shows_no_answer_fails_where_the_person_sees_it() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, final("30.", receipt="r"), nonce="n")
        [shown] = await cloud.shown()
        await adapter.remove(message)
        taken = Taken()
        async with receiving(cloud.adapter(), taken):
            delivery = await cloud.press(shown, Verdict.HELPFUL)
            assert cloud.statuses[delivery] == 404
            assert taken.events.empty()

    play(scene)


def test_what_is_kept_of_messages_is_for_the_bots_user_alone_and_not_for_ever(tmp_path: Path) -> None:
    now = [1e9]
    memory = Memory(tmp_path / "teams", clock=lambda: now[0])
    memory.may_be_judged("m1", "r1")
    memory.move("s1", "m2")
    assert (memory.receipt("m1"), memory.moved("s1"), memory.receipt("m2")) == ("r1", "m2", "")
    now[0] += 91 * 24 * 3600
    memory.may_be_judged("m3", "r3")
    assert (memory.receipt("m1"), memory.moved("s1"), memory.receipt("m3")) == ("", "", "r3")
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "teams").iterdir()} == {0o600}


def test_what_stands_in_a_streams_place_is_taken_back_after_a_restart_too() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        message = await adapter.post(DIRECT, WORKING, nonce="n")
        for one in cloud.messages.values():
            one.removed = True  # Teams has dropped the stream
        await adapter.edit(DIRECT, message, final("30.", receipt="r"))
        [shown] = await cloud.shown()
        assert "30." in shown.text
        await cloud.adapter().edit(DIRECT, message, final("31.", receipt="r"))
        [shown] = await cloud.shown()
        assert "31." in shown.text
        await cloud.adapter().remove(message)
        assert await cloud.shown() == []

    play(scene)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"receipt": 17, "verdict": "wrong"},
        {"receipt": "r" * 300, "verdict": "wrong"},
        {"receipt": "r", "verdict": "great"},
        {"receipt": "r", "verdict": ["wrong"]},
    ],
)
def test_a_press_that_was_written_by_hand_is_answered_and_not_taken(data: dict[str, Any]) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        taken = Taken()
        async with receiving(adapter, taken):
            activity = cloud.activity(Said(text=""))
            value = {"action": {"type": "Action.Execute", "verb": "archivar.verdict", "data": data}}
            activity |= {"type": "invoke", "name": "adaptiveCard/action", "value": value}
            answer = await cloud.send(activity)
            assert answer is not None
            assert (answer.status_code, answer.json()["type"]) == (200, "application/vnd.microsoft.activity.message")
            assert taken.events.empty()

    play(scene)


@pytest.mark.parametrize(
    "more",
    [
        {"type": "conversationUpdate", "membersAdded": [{"id": f"28:{APP}"}]},
        {"type": "installationUpdate", "action": "add"},
        {"type": "messageReaction", "reactionsAdded": [{"type": "like"}]},
        {"type": "messageUpdate"},
        {"type": "event", "name": "application/vnd.microsoft.readReceipt"},
        {"text": ""},
        {"text": "<at>Archivar</at>"},
        {"from": {"id": "28:another", "role": "bot"}},
    ],
)
def test_what_is_no_question_is_acknowledged_and_not_taken(more: dict[str, Any]) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        taken = Taken()
        async with receiving(adapter, taken):
            answer = await cloud.send(cloud.activity(Said(text="x", room="team")) | more)
            assert answer is not None
            assert answer.status_code == 200
            assert taken.events.empty()

    play(scene)


@pytest.mark.parametrize("name", ["signin/tokenExchange", "signin/verifyState", "task/fetch", "composeExtension/query"])
def test_a_call_that_is_none_of_ours_is_not_let_into_the_library(name: str) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        async with receiving(adapter, Taken()):
            answer = await cloud.send(cloud.activity(Said(text="")) | {"type": "invoke", "name": name, "value": {}})
            assert answer is not None
            assert answer.status_code == 501

    play(scene)


def test_an_activity_the_library_cannot_read_is_no_error_500() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        async with receiving(adapter, Taken()):
            answer = await cloud.send(cloud.activity(Said(text="x")) | {"entities": 17, "from": "anna"})
            assert answer is not None
            assert answer.status_code == 503

    play(scene)


def test_a_token_that_is_taken_no_longer_is_renewed() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        await adapter.post(DIRECT, final("eins"), nonce="n1")
        cloud._tokens.clear()
        with pytest.raises(PlatformUnreachable):
            await adapter.post(DIRECT, final("zwei"), nonce="n2")
        await adapter.post(DIRECT, final("zwei"), nonce="n2")
        assert len(await cloud.shown()) == 2

    play(scene)


def test_it_waits_at_the_start_until_microsoft_answers() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        cloud.down = True
        taken = Taken()
        task = asyncio.create_task(adapter.run(taken.take))
        while not cloud.requests:
            await asyncio.sleep(0.01)
        cloud.down = False
        await cloud.deliver(Said(text="gut"))
        assert (await taken.asked()).text == "gut"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(scene)


def test_it_says_which_secret_is_not_good_and_never_shows_it() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        cloud.secret_good = False
        with pytest.raises(PlatformRefused, match="AADSTS7000215") as refused:
            await adapter.check()
        assert "s3cret" not in str(refused.value) + repr(adapter._settings)

    play(scene)


@pytest.mark.parametrize(
    "service", ["evil.example/emea", "smba.trafficmanager.net.evil.example/emea", "127.0.0.1/emea"]
)
def test_nothing_is_ever_sent_to_a_host_that_is_not_listed(service: str) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        place = Place(conversation=f"{service} a:1direct-anna", audience=Audience.DIRECT)
        with pytest.raises(PlatformRefused, match="service_hosts"):
            await adapter.post(place, final("geheim"), nonce="n")
        with pytest.raises(PlatformRefused, match="service_hosts"):
            await adapter.remove(MessageRef(f"{service}|a:1direct-anna||17|"))
        with pytest.raises(PlatformRefused, match="may not connect"):
            await adapter._http.get(f"https://{service}/x")
        assert await adapter.members(place) is None
        await adapter.working(place)
        assert cloud.requests == []

    play(scene)


def test_the_account_is_the_object_id_and_never_a_name() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter) -> None:
        taken = Taken()
        async with receiving(adapter, taken):
            activity = cloud.activity(Said(text="x"))
            activity["from"] = {"id": "29:1x", "name": "Anna", "aadObjectId": PEOPLE["ben"].upper()}
            await cloud.send(activity)
            assert (await taken.asked()).account == cloud.account("ben")
            nobody = cloud.activity(Said(text="x"))
            nobody["from"] = {"id": "29:1anna", "name": "Anna", "email": "anna@firma.example"}
            await cloud.send(nobody)
            asked = await taken.asked()
            assert (asked.account.id, asked.account.email) == (f"teams:{TENANT}:unknown", "")

    play(scene)
