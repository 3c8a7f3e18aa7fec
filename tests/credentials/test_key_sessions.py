"""Sessions opened with an API key: how long they last, and that they are never more than their key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag.access import Audience, Channel, ChannelKind
from rag.credentials.key_sessions import IDLE_S, LONGEST_S, KeySessions
from rag.credentials.keys import Keys
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from tests.credentials.site import Clock

CHAT = Channel(kind=ChannelKind.CLOUD_CHAT, audience=Audience.PUBLIC_CHANNEL)


class Calendar:
    """The keys' clock, which the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """Keys and their sessions."""

    def __init__(self, ledger: Ledger) -> None:
        self.clock, self.calendar = Clock(), Calendar()
        self.keys = Keys(ledger, clock=self.calendar)
        self.sessions = KeySessions(self.keys, clock=self.clock)

    def key(self, days: int | None = None) -> str:
        made, _ = self.keys.add("key", user="anna", scopes=["ask"], sources=["handbook"], channel=CHAT, days=days)
        return made.id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(AuditLog(tmp_path / "audit")), closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger)


def test_a_session_speaks_with_what_its_key_is_good_for_and_nothing_else(desk: Desk) -> None:
    key = desk.key()
    session = desk.sessions.find(desk.sessions.open(key))
    assert session is not None
    found = desk.sessions.identify(session)
    assert found is not None
    assert (found.user, found.scopes, found.sources, found.channel, found.key) == (
        "anna", {"ask"}, {"handbook"}, CHAT, key,
    )  # fmt: skip


def test_what_the_browser_holds_is_new_each_time_and_is_not_what_is_kept(desk: Desk) -> None:
    key = desk.key()
    shown = {desk.sessions.open(key) for _ in range(3)}
    assert len(shown) == 3 and all(len(one) == 43 for one in shown)
    assert not any(one.encode() in desk.sessions._sessions for one in shown)
    assert all(len(name) == 32 for name in desk.sessions._sessions)
    assert desk.sessions.find("x" * 43) is None


def test_a_session_nobody_uses_ends_and_one_in_use_ends_after_a_day(desk: Desk) -> None:
    idle, used = (desk.sessions.open(desk.key()) for _ in range(2))
    began = desk.clock.now
    while desk.clock.now < began + LONGEST_S:
        session = desk.sessions.find(used)
        assert session is not None and desk.sessions.identify(session) is not None
        assert (desk.sessions.find(idle) is not None) is (desk.clock.now < began + IDLE_S)
        desk.clock.now += IDLE_S / 4
    assert desk.sessions.find(used) is None


def test_asking_whether_it_stands_is_no_use_of_it(desk: Desk) -> None:
    shown = desk.sessions.open(desk.key())
    session = desk.sessions.find(shown)
    assert session is not None
    desk.clock.now += IDLE_S - 1
    assert desk.sessions.good(session) and desk.sessions.find(shown) is session
    desk.clock.now += 1
    assert not desk.sessions.good(session)


@pytest.mark.parametrize("how", ["revoked", "expired", "erased", "closed"])
def test_it_ends_with_its_key_also_for_an_answer_on_its_way(desk: Desk, how: str) -> None:
    key = desk.key(days=1)
    shown, other = desk.sessions.open(key), desk.sessions.open(desk.key())
    session = desk.sessions.find(shown)
    assert session is not None
    found = desk.sessions.identify(session)
    assert found is not None and found.good()
    if how == "revoked":
        desk.keys.revoke(key)
    elif how == "expired":
        desk.calendar.now += timedelta(days=1)
    elif how == "erased":
        assert desk.keys.forget(lambda text: text == "anna") == 2
    else:
        assert desk.sessions.close(shown) and not desk.sessions.close(shown)
    assert not found.good() and desk.sessions.identify(session) is None and desk.sessions.find(shown) is None
    assert (desk.sessions.find(other) is not None) is (how != "erased")


def test_one_key_opens_twenty_browsers_and_ends_the_one_used_least(desk: Desk) -> None:
    key, other = desk.key(), desk.sessions.open(desk.key())
    shown = []
    for _ in range(21):
        shown.append(desk.sessions.open(key))
        desk.clock.now += 1
    assert [desk.sessions.find(one) is not None for one in shown] == [False] + [True] * 20
    assert desk.sessions.find(other) is not None
