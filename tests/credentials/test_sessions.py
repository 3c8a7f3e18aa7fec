"""How long a sign-in lasts: idle, absolute, and until the provider says no."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.answers import AnswerEvent
from rag.credentials.login import SignedIn
from rag.credentials.oidc import Claims
from rag.credentials.sessions import CHECK_S, GRACE_S, Session, Sessions
from rag.errors import SignInUnavailable, UnknownPrincipal
from tests.credentials.authority import PEOPLE, Authority
from tests.credentials.site import Browser, Clock, own_url, served, signing_in
from tests.doors.http.house import House, answered

ANNA = Claims(user="anna", subject="1", groups=frozenset({"hr"}), unsure=False, until=time.time() + 300)
SIGNED = SignedIn(claims=ANNA, refresh_token="r1", id_token="i")


class Renewals:
    """Stands for the provider's word: what it says next, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says: Callable[[SignedIn], SignedIn] = lambda signed: replace(signed, refresh_token="r2")

    def __call__(self, signed: SignedIn) -> SignedIn:
        self.asked.append(signed.refresh_token)
        return self.says(signed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider() -> Renewals:
    return Renewals()


@pytest.fixture
def sessions(provider: Renewals, clock: Clock) -> Sessions:
    return Sessions(provider, idle_s=3600, longest_s=36000, clock=clock)


def found(sessions: Sessions, shown: str) -> Session:
    session = sessions.find(shown)
    assert session is not None
    return session


def test_a_session_that_nobody_uses_ends_and_one_in_use_lasts_until_its_longest(
    sessions: Sessions, clock: Clock
) -> None:
    left, used = sessions.open(SIGNED), sessions.open(SIGNED)
    for _ in range(10):
        clock.now += 3500
        assert sessions.identify(found(sessions, used)) is not None
        assert sessions.find(left) is None or clock.now < 1000 + 3600
    clock.now += 3500 - 2500
    assert sessions.find(used) is None  # 36,000 s after it began, however much it was used


def test_only_what_was_given_out_finds_a_session(sessions: Sessions) -> None:
    shown = sessions.open(SIGNED)
    assert shown != sessions.open(SIGNED)
    for other in ("", "x", shown[:-1], shown + "x", shown.swapcase(), shown.encode().hex()):
        assert sessions.find(other) is None
    held = repr(sessions.__dict__)
    assert shown not in held


def test_the_provider_is_asked_once_a_minute_of_use_and_no_more(
    sessions: Sessions, provider: Renewals, clock: Clock
) -> None:
    session = found(sessions, sessions.open(SIGNED))
    for _ in range(100):
        sessions.identify(session)
    assert provider.asked == []
    clock.now += CHECK_S
    for _ in range(100):
        sessions.identify(session)
    assert provider.asked == ["r1"]
    clock.now += CHECK_S
    sessions.identify(session)
    assert provider.asked == ["r1", "r2"]  # with the token it gave the last time


def test_many_requests_at_once_use_a_refresh_token_once(sessions: Sessions, provider: Renewals, clock: Clock) -> None:
    session = found(sessions, sessions.open(SIGNED))
    clock.now += CHECK_S
    together = threading.Barrier(20)

    def ask() -> None:
        together.wait()
        sessions.identify(session)
        sessions.good(session)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.asked == ["r1"]


def test_a_provider_that_hangs_holds_up_a_few_and_the_others_go_on_with_its_last_word(
    sessions: Sessions, provider: Renewals, clock: Clock
) -> None:
    answers, done = threading.Event(), threading.Semaphore(0)

    def hang(signed: SignedIn) -> SignedIn:
        assert answers.wait(60)
        return signed

    provider.says = hang
    people = [replace(SIGNED, claims=replace(ANNA, user=f"person-{number}")) for number in range(40)]
    open_ones = [found(sessions, sessions.open(signed)) for signed in people]
    clock.now += CHECK_S

    def ask(session: Session) -> None:
        assert sessions.identify(session) is not None
        done.release()

    threads = [threading.Thread(target=ask, args=(session,)) for session in open_ones]
    try:
        for thread in threads:
            thread.start()
        assert all(done.acquire(timeout=30) for _ in range(24)), "more than 16 wait"
        assert all(sessions.good(session) for session in open_ones)
    finally:
        answers.set()
        for thread in threads:
            thread.join()
    for session in open_ones:
        sessions.identify(session)
    assert len(provider.asked) == 40


def test_groups_are_those_of_the_last_word(sessions: Sessions, provider: Renewals, clock: Clock) -> None:
    session = found(sessions, sessions.open(SIGNED))
    provider.says = lambda signed: replace(signed, claims=replace(ANNA, groups=frozenset({"sales"})))
    clock.now += CHECK_S
    identified = sessions.identify(session)
    assert identified is not None and identified.groups == {"sales"}


def test_a_no_of_the_provider_ends_the_session_and_what_streams_for_it(
    sessions: Sessions, provider: Renewals, clock: Clock
) -> None:
    shown = sessions.open(SIGNED)
    identified = sessions.identify(found(sessions, shown))
    assert identified is not None and identified.good()

    def no(signed: SignedIn) -> SignedIn:
        raise UnknownPrincipal("The sign-in provider refuses: invalid_grant.")

    provider.says = no
    clock.now += CHECK_S
    until = time.monotonic() + 30
    while identified.good():  # asks beside, and never waits
        assert time.monotonic() < until
    assert sessions.find(shown) is None


def test_while_the_provider_cannot_be_asked_its_last_word_counts_for_minutes_only(
    sessions: Sessions, provider: Renewals, clock: Clock
) -> None:
    def gone(signed: SignedIn) -> SignedIn:
        raise SignInUnavailable("The sign-in provider cannot be reached.")

    session = found(sessions, sessions.open(SIGNED))
    provider.says = gone
    clock.now += CHECK_S + GRACE_S - 1
    assert sessions.identify(session) is not None
    for _ in range(50):
        assert sessions.identify(session) is not None
    assert len(provider.asked) == 1  # and is not hammered
    clock.now += 1
    assert not sessions.good(session)
    with pytest.raises(SignInUnavailable):
        sessions.identify(session)
    provider.says = lambda signed: signed
    clock.now += 5
    assert sessions.identify(session) is not None and sessions.good(session)


def test_without_a_refresh_token_a_session_ends_with_its_identity_token_unless_a_directory_is_asked(
    provider: Renewals, clock: Clock
) -> None:
    plain = replace(SIGNED, refresh_token="", claims=replace(ANNA, until=1_000_300.0))
    for directory, lasts in ((False, 300), (True, 3599)):
        sessions = Sessions(
            provider, idle_s=3600, longest_s=36000, checked_otherwise=directory, clock=clock, now=lambda: 1_000_000.0
        )
        shown = sessions.open(plain)
        clock.now += lasts - 1
        assert sessions.find(shown) is not None
        clock.now += 1 if not directory else 2
        assert sessions.find(shown) is None
    assert provider.asked == []


def test_one_person_and_all_together_have_room_for_so_many(sessions: Sessions, clock: Clock) -> None:
    shown = []
    for _ in range(25):
        clock.now += 1
        shown.append(sessions.open(SIGNED))
    assert [sessions.find(one) is not None for one in shown] == [False] * 5 + [True] * 20
    other = sessions.open(replace(SIGNED, claims=replace(ANNA, user="bernd")))
    assert sessions.find(other) is not None and sessions.find(shown[-1]) is not None


# ---- with the real provider ----


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Authority, House]]:
    url = own_url()
    with (
        Authority(f"{url}/login/callback") as authority,
        signing_in(authority, url, tmp_path_factory.mktemp("home")) as house,
        served(house),
    ):
        yield authority, house


ASK = {"question": "Wie lange dauert der Urlaub?"}


def test_whom_the_provider_knows_no_longer_is_signed_out_within_a_minute(site: tuple[Authority, House]) -> None:
    authority, house = site
    browser = Browser(house.auth.oidc.url)
    browser.sign_in("anna")
    house.clock.now += 61
    assert browser.send("POST", "/api/ask", json=ASK).status_code == 200  # renewed, and again with what that gave
    house.clock.now += 61
    assert browser.send("POST", "/api/ask", json=ASK).status_code == 200
    authority.tell(people={"anna": {"preferred_username": "anna", "groups": ["sales"]}})
    house.clock.now += 61
    browser.send("POST", "/api/ask", json=ASK)
    assert house.asked[-1][1].groups == {"sales"}
    authority.tell(people={})
    assert browser.send("POST", "/api/ask", json=ASK).status_code == 200
    house.clock.now += 61
    refused = browser.send("POST", "/api/ask", json=ASK)
    assert refused.status_code == 401
    assert browser.get("/").status_code == 303
    authority.tell(people=PEOPLE)


def test_an_answer_under_way_ends_when_its_person_is_suspended_at_the_provider(site: tuple[Authority, House]) -> None:
    authority, house = site
    browser = Browser(house.auth.oidc.url)
    browser.sign_in("anna")
    go_on = threading.Event()

    def slow(question: str, passages: Any) -> Iterator[AnswerEvent]:
        events = answered(question, passages)
        yield next(events)
        go_on.wait(60)
        yield from events

    house.script = slow
    cookies = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.own.items())}
    try:
        with httpx.stream(
            "POST", f"{browser.url}/api/ask", json={**ASK, "stream": True}, headers=cookies, timeout=60, trust_env=False
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: passages"
            authority.tell(people={})
            house.clock.now += 61
            said = [line for line in lines if line.startswith(("event:", "data:"))]
        assert said[-2] == "event: error"
        assert json.loads(said[-1].removeprefix("data: "))["code"] == "credential_ended"
    finally:
        go_on.set()
        house.script = None
        authority.tell(people=PEOPLE)


def test_a_provider_that_hangs_ends_no_session_and_no_answer_of_others(
    site: tuple[Authority, House], tmp_path: Path
) -> None:
    authority, house = site
    browser = Browser(house.auth.oidc.url)
    browser.sign_in("anna")
    authority.tell(hang=True)
    try:
        house.clock.now += 61
        began = time.monotonic()
        assert browser.send("POST", "/api/ask", json=ASK, timeout=60).status_code == 200
        assert time.monotonic() - began < 30
    finally:
        authority.tell(hang=False)
