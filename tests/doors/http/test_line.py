"""The waiting line: fair between people, whatever comes and goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.api.line import Line

Steps = st.lists(st.tuples(st.sampled_from(["join", "leave", "serve"]), st.integers(0, 4)), max_size=60)


def line(*users: str) -> Line[str]:
    made: Line[str] = Line()
    for number, user in enumerate(users):
        made.join(user, f"{user}{number}")
    return made


def served(waiting: Line[str]) -> list[str]:
    found = []
    while (item := waiting.serve()) is not None:
        found.append(item)
    return found


def test_who_asks_much_delays_another_by_one_turn() -> None:
    assert served(line("a", "a", "a", "a", "b")) == ["a0", "b4", "a1", "a2", "a3"]


def test_turns_go_round_in_the_order_people_came() -> None:
    assert served(line("a", "a", "b", "c", "b")) == ["a0", "b2", "c3", "a1", "b4"]


def test_who_was_just_served_waits_behind_those_who_were_not() -> None:
    waiting = line("a", "b", "a")
    assert waiting.serve() == "a0"
    waiting.join("c", "c9")
    assert waiting.order() == ["b1", "a2", "c9"]


def test_who_may_not_be_served_now_keeps_the_turn() -> None:
    waiting = line("a", "b", "a")
    assert waiting.first(lambda user: user != "a") == waiting.serve(lambda user: user != "a") == "b1"
    assert waiting.serve(lambda user: False) is None
    assert waiting.order() == ["a0", "a2"]


def test_what_does_not_wait_cannot_leave() -> None:
    with pytest.raises(ValueError, match="does not wait"):
        line("a").leave("b", "a0")


@given(Steps)
def test_the_order_told_is_the_order_served_and_nobody_is_lost_or_served_twice(steps: list[tuple[str, int]]) -> None:
    waiting: Line[tuple[str, int]] = Line()
    inside: list[tuple[str, int]] = []
    for number, (step, who) in enumerate(steps):
        user = f"user{who}"
        if step == "join":
            inside.append((user, number))
            waiting.join(*inside[-1][:1], inside[-1])
        elif step == "leave" and inside:
            gone = inside.pop(who % len(inside))
            waiting.leave(gone[0], gone)
        elif step == "serve":
            told = waiting.order()
            item = waiting.serve()
            assert item == (told[0] if told else None)
            if item is not None:
                inside.remove(item)
        assert sorted(waiting.order()) == sorted(inside)
        assert len(waiting) == len(inside)
    told = waiting.order()
    assert told == [waiting.serve() for _ in inside]
