"""Who can read a Matrix room, from its state."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rag.access import Audience
from rag.bots.matrix_rooms import Room, is_wider, room

BOT = "@archivar:firma.example"
ANNA, BEN = "@anna:firma.example", "@ben:firma.example"
EVE = "@eve:partner.example"


def event(kind: str, key: str = "", **content: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": key, "sender": ANNA, "content": content}


def state(*members: str, rule: Any = "invite", history: Any = "joined", **more: Any) -> list[dict[str, Any]]:
    return [
        event("m.room.join_rules", join_rule=rule),
        event("m.room.history_visibility", history_visibility=history),
        *[event("m.room.member", one, membership="join") for one in (BOT, *members)],
        *more.get("events", ()),
    ]


def seen(*members: str, **more: Any) -> Room:
    return room(state(*members, **more), bot=BOT)


def test_one_person_and_the_bot_is_a_direct_conversation() -> None:
    found = seen(ANNA)
    assert (found.audience, found.members, found.alone) == (Audience.DIRECT, (ANNA,), True)


def test_two_people_are_a_closed_channel() -> None:
    assert seen(ANNA, BEN).audience is Audience.PRIVATE_CHANNEL


def test_who_is_invited_counts_as_a_member() -> None:
    found = seen(ANNA, events=[event("m.room.member", BEN, membership="invite")])
    assert (found.audience, found.members) == (Audience.PRIVATE_CHANNEL, (ANNA, BEN))


def test_who_left_or_was_banned_or_only_knocked_does_not_count() -> None:
    gone = [event("m.room.member", f"@{how}:firma.example", membership=how) for how in ("leave", "ban", "knock")]
    assert seen(ANNA, events=gone).members == (ANNA,)


def test_a_membership_nobody_knows_counts() -> None:
    assert seen(ANNA, events=[event("m.room.member", BEN, membership=7)]).members == (ANNA, BEN)


def test_a_member_of_another_homeserver_makes_it_a_room_of_guests_even_alone() -> None:
    assert seen(ANNA, EVE).audience is Audience.GUESTS
    assert seen(EVE).audience is Audience.GUESTS


def test_a_room_that_anybody_may_join_is_public() -> None:
    for rule in ("public", "restricted", "knock_restricted", "something_new", None, 7):
        assert seen(ANNA, BEN, rule=rule).audience is Audience.PUBLIC_CHANNEL, rule


def test_a_room_whose_history_later_comers_read_is_public() -> None:
    for history in ("shared", "world_readable", "something_new", None, 7):
        assert seen(ANNA, history=history).audience is Audience.PUBLIC_CHANNEL, history
    assert seen(ANNA, history="invited").audience is Audience.DIRECT


def test_a_room_without_a_word_on_its_history_or_its_door_is_public() -> None:
    for missing in ("m.room.history_visibility", "m.room.join_rules"):
        left = [one for one in state(ANNA) if one["type"] != missing]
        assert room(left, bot=BOT).audience is Audience.PUBLIC_CHANNEL


def test_the_history_of_a_conversation_may_be_closed_by_whoever_has_the_power() -> None:
    powers = {"users": {BOT: 100}, "state_default": 50, "events": {"m.room.history_visibility": 100}}
    strong = event("m.room.power_levels", **powers)
    weak = event("m.room.power_levels", **(powers | {"users": {BOT: 99}}))
    assert seen(ANNA, history="shared", events=[strong]).may_close
    assert not seen(ANNA, history="shared", events=[weak]).may_close
    assert not seen(ANNA, history="joined", events=[strong]).may_close, "it is closed"
    assert not seen(ANNA, BEN, history="shared", events=[strong]).may_close, "a room of others is theirs"
    assert not seen(ANNA, history="shared", rule="public", events=[strong]).may_close, "that would not make it closed"


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["m.room.join_rules", "m.room.history_visibility", "m.room.power_levels", "m.room.create"])


@given(
    st.lists(
        odd
        | st.builds(
            lambda kind, key, content: {"type": kind, "state_key": key, "content": content},
            kinds,
            st.just("") | odd,
            odd,
        )
    )
)
def test_nothing_strange_in_a_state_makes_it_more_closed_or_fails(strange: list[Any]) -> None:
    before = seen(ANNA, BEN)
    after = room([*state(ANNA, BEN), *strange], bot=BOT)
    closed = [one for one in strange if isinstance(one, dict) and str(one.get("content")).find("invite") >= 0]
    assert closed or not is_wider(before.audience, after.audience)


def test_the_width_of_audiences_is_their_order() -> None:
    order = [Audience.DIRECT, Audience.PRIVATE_CHANNEL, Audience.PUBLIC_CHANNEL, Audience.GUESTS]
    for place, one in enumerate(order):
        assert [is_wider(one, other) for other in order] == [place > index for index in range(4)]
