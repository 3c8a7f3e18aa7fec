"""Who can read what is said in a conversation of Teams: what is not known in full counts as guests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rag.access import Audience
from rag.bots.adapter import Asked
from rag.bots.teams import TeamsAdapter
from tests.bots.contract import Room, Said, Taken, receiving
from tests.bots.teams_cloud import PEOPLE, TEAM, TENANT, Cloud, teams
from tests.loops import run

OTHER = "99999999-8888-7777-6666-555555555555"


def play(scene: Callable[[Cloud, TeamsAdapter, Taken], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with teams() as cloud:
            taken, adapter = Taken(), cloud.adapter()
            async with receiving(adapter, taken):
                await scene(cloud, adapter, taken)

    run(whole())


async def asked(cloud: Cloud, taken: Taken, room: Room = "team", **more: Any) -> Asked:
    activity = cloud.activity(Said(text="Wie viele?", room=room)) | more
    answer = await cloud.send(activity)
    assert answer is not None
    assert answer.status_code == 200
    return await taken.asked()


def group(kind: str, **more: Any) -> dict[str, Any]:
    """What makes a conversation one of another kind."""
    return {
        "conversation": {"id": "19:team@thread.v2", "conversationType": kind, "isGroup": True, "tenantId": TENANT},
        "channelData": {"tenant": {"id": TENANT}} | more,
    }


def test_members_are_read_page_by_page() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        place = (await asked(cloud, taken)).place
        cloud.page_size = 1
        found = await adapter.members(place)
        assert found is not None
        assert {one.id for one in found} == {f"teams:{TENANT}:{PEOPLE[who]}" for who in ("anna", "ben")}

    play(scene)


@pytest.mark.parametrize(
    ("kind", "audience"),
    [
        ("standard", Audience.PUBLIC_CHANNEL),
        ("private", Audience.PRIVATE_CHANNEL),
        ("shared", Audience.GUESTS),
        ("", Audience.GUESTS),
        ("something new", Audience.GUESTS),
    ],
)
def test_a_channel_is_what_its_team_says_it_is(kind: str, audience: Audience) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        cloud.kinds["team"] = kind
        if kind == "something new":
            del cloud.kinds["team"]
        assert (await asked(cloud, taken)).place.audience is audience

    play(scene)


def test_a_channel_that_calls_itself_something_else_counts_as_one_with_guests() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        channel = {"id": "19:team@thread.tacv2", "type": "standard"}
        data = {"tenant": {"id": TENANT}, "team": {"id": TEAM}, "channel": channel}
        assert (await asked(cloud, taken, channelData=data)).place.audience is Audience.GUESTS

    play(scene)


def test_a_group_chat_is_private_and_one_with_a_guest_is_not() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        assert (await asked(cloud, taken, **group("groupChat"))).place.audience is Audience.PRIVATE_CHANNEL

    async def with_guest(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        cloud.members["team"].append("eve")
        assert (await asked(cloud, taken, **group("groupChat"))).place.audience is Audience.GUESTS

    play(scene)
    play(with_guest)


@pytest.mark.parametrize("kind", ["meeting", "", "Personal "])
def test_a_kind_of_conversation_nobody_knows_counts_as_one_with_guests(kind: str) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        activity = cloud.activity(Said(text="Wie viele?", room="team")) | group(kind)
        answer = await cloud.send(activity)
        assert answer is not None
        if answer.status_code == 200:
            assert (await taken.asked()).place.audience is Audience.GUESTS
        else:
            assert answer.status_code == 503, "the library cannot read it"

    play(scene)


def test_where_the_connector_does_not_answer_there_may_be_guests_and_members_are_unknown() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        place = (await asked(cloud, taken)).place
        assert place.audience is Audience.PRIVATE_CHANNEL
        cloud.down = True
        assert await adapter.members(place) is None
        assert (await asked(cloud, taken, "all")).place.audience is Audience.GUESTS

    play(scene)


def test_a_guest_who_came_in_meanwhile_makes_the_members_unknown() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        place = (await asked(cloud, taken)).place
        assert await adapter.members(place) is not None
        cloud.members["team"].append("eve")
        assert await adapter.members(place) is None

    play(scene)


@pytest.mark.parametrize(
    "change",
    [
        {"userRole": "guest"},
        {"userRole": "anonymous"},
        {"userRole": "a role of tomorrow"},
        {"tenantId": OTHER},
        {"userPrincipalName": "ben_extern.example#EXT#@firma.example"},
        {"aadObjectId": None},
        {"aadObjectId": "ben"},
    ],
)
def test_somebody_who_is_not_plainly_of_the_house_makes_a_room_unclear(change: dict[str, Any]) -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        place = (await asked(cloud, taken)).place
        plain = cloud._member
        cloud._member = lambda who: plain(who) | (change if who == "ben" else {})  # type: ignore[method-assign]
        assert await adapter.members(place) is None

    play(scene)


def test_a_room_whose_pages_never_end_has_no_members_that_are_known() -> None:
    async def scene(cloud: Cloud, adapter: TeamsAdapter, taken: Taken) -> None:
        place = (await asked(cloud, taken)).place
        cloud.members["team"] = ["anna"] * 40
        cloud.page_size = 1
        assert await adapter.members(place) is None

    play(scene)
