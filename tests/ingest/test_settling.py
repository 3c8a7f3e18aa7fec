from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ingest.settling import Settling, common_folder, merged

SETTLE_S, LONGEST_S = 2.0, 60.0
NAMES = st.sampled_from(["a", "b", "ü", "a.txt", "b%21"])
SCOPES = st.builds(
    lambda parts, folder: "/".join(parts) + ("/" if parts and folder else ""),
    st.lists(NAMES, max_size=3),
    st.booleans(),
)
GAPS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.999, 2.0, 3.0, 10.0, 61.0])


def covers(scope: str, noted: str) -> bool:
    return scope == noted or (noted.startswith(scope) and (scope == "" or scope.endswith("/")))


def settled(*notes: tuple[float, str]) -> Settling:
    settling = Settling(SETTLE_S, LONGEST_S)
    for moment, scope in notes:
        settling.note(scope, moment)
    return settling


@given(st.lists(st.tuples(GAPS, SCOPES), max_size=60), st.booleans())
def test_every_change_is_given_when_its_place_was_quiet_or_a_minute_after_it_never_sooner_and_never_later(
    notes: Sequence[tuple[float, str]], eager: bool
) -> None:
    """Given to somebody who asks whenever he is told to, or only between the notes and at the end."""
    settling, now = Settling(SETTLE_S, LONGEST_S), 0.0
    waiting: dict[str, tuple[float, float]] = {}

    def take(moment: float) -> None:
        given_now = settling.due(moment)
        assert not any(covers(a, b) for a in given_now for b in given_now if a != b)
        ripe = {s for s, (first, last) in waiting.items() if moment >= last + SETTLE_S or moment >= first + LONGEST_S}
        assert set(given_now) <= ripe, "sooner than promised, or never noted"
        assert all(any(covers(scope, noted) for scope in given_now) for noted in ripe), "later than promised"
        for scope in given_now:
            assert settling.first(scope) == min(waiting[noted][0] for noted in ripe if covers(scope, noted))
        for noted in ripe:
            del waiting[noted]

    def pass_until(moment: float) -> None:
        while (due := settling.next_due(now)) is not None and due <= moment:
            take(due)

    for gap, scope in notes:
        if eager:
            pass_until(now + gap)
        now += gap
        settling.note(scope, now)
        waiting[scope] = (waiting.get(scope, (now, now))[0], now)
        if not eager:
            take(now)
    pass_until(now + LONGEST_S)
    assert not waiting
    assert settling.next_due(now) is None


@given(st.lists(st.tuples(GAPS, SCOPES), min_size=1, max_size=40))
def test_it_says_exactly_from_when_on_something_is_due(notes: Sequence[tuple[float, str]]) -> None:
    now, settling = 0.0, Settling(SETTLE_S, LONGEST_S)
    for gap, scope in notes:
        now += gap
        settling.note(scope, now)
    due = settling.next_due(now)
    assert due is not None
    assert due >= now
    if due > now:
        assert settling.due(due - 0.01) == []
    assert settling.due(due)


def test_a_file_that_is_quiet_is_given_once() -> None:
    settling = settled((0, "a"), (1, "a"))
    assert settling.due(2.9) == []
    assert settling.due(3.0) == ["a"]
    assert settling.due(100) == []


def test_a_file_that_is_never_quiet_does_not_hold_up_the_others() -> None:
    settling = settled((0, "log"), (0, "report"), (1, "log"))
    assert settling.due(2) == ["report"]


def test_a_file_that_is_never_quiet_is_given_after_a_minute_and_then_begins_anew() -> None:
    settling, given_at = Settling(SETTLE_S, LONGEST_S), []
    for second in range(200):
        settling.note("log", second)
        if settling.due(second):
            given_at.append(second)
    assert given_at == [60, 121, 182]


def test_what_lies_in_a_folder_that_is_due_is_given_with_the_folder() -> None:
    assert settled((0, "hr/a"), (0, "hr/"), (0, "hr/b/"), (0, "hr"), (0, "it/a")).due(2) == ["hr", "hr/", "it/a"]


def test_everything_is_given_with_the_whole_source() -> None:
    assert settled((0, "hr/a"), (0, "hr/"), (0, "")).due(2) == [""]


def test_a_file_that_is_still_changing_stays_noted_when_its_folder_is_given() -> None:
    settling = settled((0, "hr/"), (1, "hr/a"))
    assert settling.due(2) == ["hr/"]
    assert settling.restless("hr/a", 2)
    assert settling.due(3) == ["hr/a"]


@pytest.mark.parametrize(("above", "expected"), [("hr/2024/", "hr/2024/"), ("hr/20", "hr/"), ("", "")])
def test_more_than_five_hundred_places_are_given_as_the_folder_that_holds_them(above: str, expected: str) -> None:
    settling = settled(*((moment / 1000, f"{above}{moment}") for moment in range(501)))
    assert settling.due(3) == [expected]
    assert settling.first(expected) == 0.0
    assert len(settled(*((0, f"{above}{n}") for n in range(500))).due(2)) == 500


def test_the_folder_that_holds_everything_is_the_root_if_nothing_else_is() -> None:
    assert common_folder(["hr/a", "it/a"]) == ""
    assert common_folder(["hr/", "hr/it/a"]) == "hr/"
    assert common_folder(["hr", "hr/a"]) == ""


def test_the_earliest_change_counts_for_what_is_given() -> None:
    settling = settled((5, "hr/a"), (6, "hr/"), (7, "hr/b"))
    assert settling.first("hr/b") == 7
    settling.due(9)
    assert settling.first("hr/") == 5
    assert settling.first("hr/b") is None
    assert merged({"a": 3.0, "": 4.0}) == {"": 3.0}


def test_a_path_is_restless_until_it_was_quiet_and_only_that_path() -> None:
    settling = settled((0, "hr/"), (0, "hr/a"))
    assert [settling.restless("hr/a", now) for now in (0, 1.9, 2)] == [True, True, False]
    assert not settling.restless("hr/b", 0)
    assert not settling.restless("hr", 0)


def test_a_path_that_is_never_quiet_is_not_restless_while_it_is_taken() -> None:
    settling = Settling(SETTLE_S, LONGEST_S)
    for second in range(61):
        settling.note("log", second)
    assert not settling.restless("log", 60)
    assert settling.due(60) == ["log"]
    settling.note("log", 60.5)
    assert not settling.restless("log", 60.6), "else it would be left for later once more, and so for ever"
    settling.due(61)
    assert settling.restless("log", 61)
