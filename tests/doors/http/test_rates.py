"""How often somebody may, and when to come again: on a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import LOOPBACK
from rag.api.admission import Admission
from rag.api.problems import Refused
from rag.api.rates import Rates
from rag.settings.limits import LimitsSettings


def refused(admission: Admission, user: str, *, now_s: float = 0.0) -> tuple[str, int]:
    with pytest.raises(Refused) as caught:
        admission.admit(user, LOOPBACK, now_s=now_s)
    return caught.value.problem.code, caught.value.problem.retry_after_s


def test_a_burst_then_so_many_a_minute() -> None:
    rates = Rates(per_minute=6, burst=2)
    for _ in range(2):
        assert rates.wait_s("anna", now_s=0.0) == 0
        rates.take("anna", now_s=0.0)
    assert rates.wait_s("anna", now_s=0.0) == pytest.approx(10)
    assert rates.wait_s("anna", now_s=4.0) == pytest.approx(6)
    assert rates.wait_s("berta", now_s=0.0) == 0
    assert rates.wait_s("anna", now_s=10.0) == 0


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5), st.sampled_from([1.0, 6.0, 60.0]))
def test_no_more_than_the_burst_and_the_rate_are_ever_let_through(
    pauses: list[float], burst: int, per_minute: float
) -> None:
    rates, now_s, through = Rates(per_minute=per_minute, burst=burst), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        wait_s = rates.wait_s("anna", now_s=now_s)
        if wait_s == 0:
            rates.take("anna", now_s=now_s)
            through += 1
        else:
            assert rates.wait_s("anna", now_s=now_s + wait_s + 1e-6) == 0, "who comes again when told to is let in"
    assert through <= burst + now_s * per_minute / 60 + 1e-6


def test_those_who_have_all_their_questions_again_are_forgotten() -> None:
    rates = Rates(per_minute=60, burst=1)
    for number in range(10_001):
        rates.take(f"user{number}", now_s=number * 0.01)
    assert len(rates._left) < 200


def test_refusals_are_told_to_come_one_after_the_other_as_places_become_free() -> None:
    admission = Admission(LimitsSettings(waiting=2, user_per_minute=0), slots=1)
    for _ in range(60):
        admission.learn(10.0)
    for user in "ab":
        admission.admit(user, LOOPBACK, now_s=0.0)
    assert [refused(admission, user) for user in "cde"] == [("queue_full", 10), ("queue_full", 20), ("queue_full", 30)]
    admission.leave("a")
    admission.admit("c", LOOPBACK, now_s=0.0)
    assert refused(admission, "d") == ("queue_full", 30)
    assert max(refused(admission, "d")[1] for _ in range(50)) == 60, "nobody is sent away for longer than a minute"


def test_the_time_to_come_again_is_learned_from_answers() -> None:
    admission = Admission(LimitsSettings(waiting=1, user_per_minute=0), slots=2)
    for _ in range(60):
        admission.learn(4.0)
    admission.admit("a", LOOPBACK, now_s=0.0)
    assert refused(admission, "b") == ("queue_full", 3)


def test_a_refused_question_is_not_counted_against_the_rate() -> None:
    admission = Admission(LimitsSettings(waiting=1, user_per_minute=1, user_burst=1), slots=1)
    admission.admit("a", LOOPBACK, now_s=0.0)
    assert refused(admission, "b")[0] == "queue_full"
    admission.leave("a")
    admission.admit("b", LOOPBACK, now_s=0.0)
    assert refused(admission, "a", now_s=0.0)[0] == "queue_full"
