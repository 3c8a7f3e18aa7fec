"""API keys, and people who are shut out, in a home of their own."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import string
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.access import Audience, Channel, ChannelKind
from rag.credentials import revocations
from rag.credentials.api_key import ApiKey
from rag.credentials.failures import Failures
from rag.credentials.identified import INTRANET, READING
from rag.credentials.keys import Keys
from rag.credentials.suspensions import Suspensions, plain
from rag.errors import SettingsError, StoreError, StoreFull
from rag.govern.restored_keys import RestoredKeys
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Home:
    """A ledger, its keys, and a clock that is set by hand."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path, self.now = path, NOON
        AuditLog(path / "audit").close()
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path / "ledger.sqlite")
        self.keys = Keys(self.ledger, clock=lambda: self.now)
        self.suspensions = Suspensions(self.ledger)

    def again(self) -> None:
        self.ledger.close()
        self.open()

    def add(self, user: str | None = "anna", **options: Any) -> tuple[ApiKey, str]:
        given = {"scopes": READING, "channel": INTRANET, "days": None} | options
        return self.keys.add("laptop", user=user, **given)

    def bytes(self) -> bytes:
        self.ledger.empty_log()
        return b"".join(path.read_bytes() for path in self.path.rglob("*") if path.is_file())


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    made: list[Home] = []

    def home(name: str) -> Home:
        made.append(Home(tmp_path / name))
        return made[-1]

    yield home
    for one in made:
        one.ledger.close()


@pytest.fixture
def home(homes: Callable[[str], Home]) -> Home:
    return homes("home")


def test_a_key_holds_256_random_bits_and_says_which_it_is(home: Home) -> None:
    shown = [home.add()[1] for _ in range(20)]
    assert all(re.fullmatch(r"archivar_[0-9a-f]{8}_[0-9a-f]{64}", one) for one in shown)
    assert len({one.split("_")[2] for one in shown}) == len({one.split("_")[1] for one in shown}) == 20


def test_the_secret_is_kept_nowhere(home: Home) -> None:
    key, shown = home.add()
    secret = shown.split("_")[2]
    home.keys.identify(shown)
    kept = home.bytes()
    assert hashlib.sha256(secret.encode()).digest() in kept
    for form in (secret.encode(), bytes.fromhex(secret), shown.encode()):
        assert form not in kept
    assert secret not in repr(key) + repr(home.keys.listed())


def test_a_key_says_what_it_was_made_for_also_after_a_restart(home: Home) -> None:
    channel = Channel(kind=ChannelKind.SELF_HOSTED_CHAT, audience=Audience.PRIVATE_CHANNEL)
    key, shown = home.add(scopes=["search", "admin"], sources=["hr"], channel=channel, days=30)
    for _ in range(2):
        found = home.keys.identify(shown)
        assert found is not None
        assert (found.user, found.scopes, found.sources) == ("anna", {"search", "admin"}, {"hr"})
        assert (found.channel, found.key, found.groups) == (channel, key.id, None)
        home.again()
    assert home.keys.listed()[0]["expires_at"] == "2026-12-26T12:00:00+00:00"


def test_a_key_without_a_person_speaks_for_a_program(home: Home) -> None:
    _, shown = home.add(None)
    found = home.keys.identify(shown)
    assert found is not None and found.user == "service:laptop"
    with pytest.raises(SettingsError, match="leave --user away"):
        home.add("service:laptop")


def test_it_expires_to_the_second(home: Home) -> None:
    _, shown = home.add(days=1)
    found = home.keys.identify(shown)
    home.now = NOON + timedelta(days=1) - timedelta(seconds=1)
    assert home.keys.identify(shown) and found is not None and found.good()
    home.now = NOON + timedelta(days=1)
    assert home.keys.identify(shown) is None and not found.good()
    assert home.keys.listed()[0]["state"] == "expired"


def test_a_key_is_revoked_by_a_name_that_no_other_has(home: Home) -> None:
    one, other, third = (home.keys.add(name, user="anna", scopes=["ask"], channel=Channel(kind=ChannelKind.INTRANET),
                                       days=1)[0] for name in ("Laptop", "Telefon", "Telefon"))  # fmt: skip
    assert home.keys.revoke("Laptop").id == one.id
    assert home.keys.revoke("Laptop").id == one.id
    with pytest.raises(SettingsError, match="There are 2 keys") as told:
        home.keys.revoke("Telefon")
    assert other.id in str(told.value) and third.id in str(told.value)
    home.keys.revoke(other.id)
    assert home.keys.revoke("Telefon").id == third.id
    with pytest.raises(SettingsError, match="no key with this id or name"):
        home.keys.revoke("telefon")


def test_an_id_goes_before_a_name(home: Home) -> None:
    one, _ = home.add()
    way = Channel(kind=ChannelKind.INTRANET)
    other, _ = home.keys.add(one.id, user="anna", scopes=["ask"], channel=way, days=1)
    assert home.keys.revoke(one.id).id == one.id and home.keys.good(other.id)


def test_a_revoked_key_is_good_for_nothing_from_that_moment_and_after_a_restart(home: Home) -> None:
    key, shown = home.add()
    _, other = home.add()
    found = home.keys.identify(shown)
    home.keys.revoke(key.id)
    assert home.keys.identify(shown) is None and found is not None and not found.good()
    home.again()
    assert home.keys.identify(shown) is None
    assert home.keys.identify(other)
    home.keys.revoke(other)  # the whole key, pasted
    assert home.keys.identify(other) is None
    with pytest.raises(SettingsError, match="rag keys list") as told:
        home.keys.revoke("archivar_00000000_" + "5" * 64)
    assert "5" * 64 not in str(told.value)


def test_a_key_that_cannot_be_written_down_as_revoked_is_revoked_all_the_same(home: Home) -> None:
    key, shown = home.add()
    (home.path / revocations.NAME).unlink()
    (home.path / revocations.NAME).mkdir()
    with pytest.raises(StoreError, match="It has ended here"):
        home.keys.revoke(key.id)
    assert home.keys.identify(shown) is None


@given(
    st.one_of(
        st.text(max_size=200),
        st.text(string.hexdigits + "_", max_size=200).map("archivar_".__add__),
        st.builds("archivar_{}_{}".format, st.text("0123456789abcdef", min_size=8, max_size=8), st.just("0" * 64)),
    )
)
def test_nothing_but_the_whole_key_is_one(tmp_path_factory: pytest.TempPathFactory, token: str) -> None:
    home = _shared(tmp_path_factory)
    assert home.keys.identify(token) is None


_kept: list[Home] = []


def _shared(factory: pytest.TempPathFactory) -> Home:
    if not _kept:
        _kept.append(Home(factory.mktemp("keys")))
        _kept[0].add()
    return _kept[0]


def test_every_changed_letter_makes_it_another(home: Home) -> None:
    _, shown = home.add()
    for place in range(len(shown)):
        other = "0" if shown[place] != "0" else "1"
        assert home.keys.identify(shown[:place] + other + shown[place + 1 :]) is None
    for wrong in (shown + "0", shown[:-1], shown.upper(), f" {shown}", f"{shown}\n", shown.replace("_", "-")):
        assert home.keys.identify(wrong) is None
    assert home.keys.identify(shown)


def test_what_is_wrong_with_a_key_shows_in_no_time(home: Home) -> None:
    good, expired, revoked = home.add()[1], home.add(days=1)[1], home.add()[1]
    home.keys.revoke(revoked)
    home.now = NOON + timedelta(days=2)
    kinds = [good[:-1] + "g", good[:-1] + ("0" if good[-1] != "0" else "1"), "archivar_" + "0" * 8 + good[17:]]
    quickest = [quickest_us(home.keys, token) for token in (*kinds, expired, revoked)]
    assert max(quickest) - min(quickest) < 40, f"microseconds: {quickest}"


def quickest_us(keys: Keys, token: str) -> float:
    """The shortest of many: what other processes take is not in it."""
    found = []
    for _ in range(500):
        began = time.perf_counter_ns()
        assert keys.identify(token) is None
        found.append(time.perf_counter_ns() - began)
    return min(found) / 1000


def test_only_the_day_of_its_last_use_is_kept(home: Home) -> None:
    _, shown = home.add()
    assert home.keys.listed()[0]["used_on"] is None
    home.keys.identify(shown)
    written = home.ledger._db.total_changes
    for hour in range(3):
        home.now = NOON + timedelta(hours=hour)
        home.keys.identify(shown)
    assert home.ledger._db.total_changes == written, "once a day is enough"
    home.again()
    assert home.keys.listed()[0]["used_on"] == "2026-11-26"


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["all"]}, {"days": 0}, {"user": "a\nb"}, {"user": " "}])
def test_what_cannot_be_a_key_is_refused_in_words(home: Home, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        home.add(**wrong)
    assert not home.keys.any


# ---- shut out ----


def test_a_suspended_person_is_shut_out_however_the_name_is_written(home: Home) -> None:
    home.suspensions.suspend("Jürgen")
    for name in ("Jürgen", "jürgen", "JÜRGEN", "Ju\u0308rgen", " jürgen "):
        assert home.suspensions.hold({name})
    assert home.suspensions.hold({"j.meier", "jürgen"}), "by any name of the account"
    assert not home.suspensions.hold({"jurgen", "anna"})
    home.again()
    assert home.suspensions.hold({"jürgen"})
    assert home.suspensions.resume("JÜRGEN") and not home.suspensions.hold({"Jürgen"})
    home.again()
    assert not home.suspensions.hold({"Jürgen"})


def test_who_is_suspended_in_the_settings_is_let_in_there(home: Home) -> None:
    listed = Suspensions(home.ledger, listed=("Anna",))
    assert listed.hold({"anna"})
    with pytest.raises(SettingsError, match=r"rag\.toml"):
        listed.resume("anna")


@given(st.text(min_size=1, max_size=30))
def test_a_name_is_compared_the_same_whoever_normalised_it(name: str) -> None:
    assert plain(plain(name)) == plain(name)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert plain(unicodedata.normalize(form, name)) == plain(name)


def test_who_erases_the_person_of_the_last_key_does_not_open_the_door(home: Home) -> None:
    assert not home.keys.any
    home.suspensions.suspend("berta")
    home.again()
    assert not home.keys.any, "who is shut out is no key"
    home.keys.add("key", user="anna", scopes=READING, channel=INTRANET, days=None)
    assert home.keys.forget(lambda name: name == "anna") == 1
    assert home.keys.any and not home.keys.all()
    home.again()
    assert home.keys.any and not home.keys.all()


def test_erasing_a_person_takes_keys_and_name_and_leaves_them_shut_out(home: Home) -> None:
    _, shown = home.add("Anna Beispiel")
    _, kept = home.add("otto")
    home.keys.add("Notebook von Anna Beispiel", user="otto", scopes=READING, channel=INTRANET, days=None)
    home.suspensions.suspend("Anna Beispiel")

    def names_person(text: str) -> bool:
        return "Anna Beispiel" in text

    assert home.keys.forget(names_person) == 1 and home.suspensions.forget(names_person) == 1
    assert home.keys.identify(shown) is None and home.keys.identify(kept)
    assert home.suspensions.hold({"Anna Beispiel"})
    home.ledger.scrub()
    home.again()
    assert b"Beispiel" not in home.bytes()
    assert home.suspensions.hold({"anna beispiel"}) and home.keys.identify(shown) is None


def test_keys_of_a_person_are_known_to_have_ended_before_they_go(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an erasure that is cut short in between leaves ids that only an older backup knows."""
    key, _ = home.add("anna")

    def full(sql: str, parameters: object) -> int:
        raise StoreFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(home.ledger, "change", full)
        with pytest.raises(StoreFull):
            home.keys.forget(lambda name: name == "anna")
    assert key.id in revocations.known(home.ledger).keys
    assert home.keys.forget(lambda name: name == "anna") == 1, "it is found again"


# ---- backups ----


def backed_up(home: Home, homes: Callable[[str], Home], name: str) -> Home:
    """The home as it is now, elsewhere: what a restore stages."""
    copy = homes(name)
    copy.ledger.close()
    (copy.path / "ledger.sqlite").unlink()
    (copy.path / "audit" / "key").write_bytes((home.path / "audit" / "key").read_bytes())
    with closing(sqlite3.connect(copy.path / "ledger.sqlite")) as out:
        home.ledger._db.backup(out)
    copy.open()
    return copy


def test_an_older_backup_does_not_bring_back_what_was_revoked_shut_out_or_erased(
    home: Home, homes: Callable[[str], Home]
) -> None:
    key, revoked = home.add()
    _, kept = home.add("otto")
    _, erased = home.add("Frau Weg")
    copy = backed_up(home, homes, "copy")
    home.keys.revoke(key.id)
    home.suspensions.suspend("Eva")
    home.keys.forget(lambda text: text == "Frau Weg")
    assert copy.keys.identify(revoked) and copy.keys.identify(erased), "so far it is as it was"

    restoring = RestoredKeys(home.path, None)
    restoring.reapply(copy.ledger, copy.path)
    assert (restoring.again, restoring.held) == (3, 0)
    restoring.keep(copy.ledger)
    for _ in range(2):
        copy.again()
        assert copy.keys.identify(revoked) is None and copy.keys.identify(erased) is None
        assert copy.suspensions.hold({"eva"})
        assert copy.keys.identify(kept)
    known = revocations.read(copy.path / revocations.NAME, copy.ledger.home_key)
    assert len(known.keys) == 2 and len(known.people) == 1, "the next restore knows it too"


def test_where_nobody_knows_what_was_revoked_every_key_waits_for_a_person(
    home: Home, homes: Callable[[str], Home], tmp_path: Path
) -> None:
    _, one = home.add()
    key, other = home.add()
    gone, revoked = home.add()
    home.keys.revoke(gone.id)
    copy = backed_up(home, homes, "copy")
    restoring = RestoredKeys(tmp_path / "nowhere", None)
    restoring.reapply(copy.ledger, copy.path)
    assert restoring.held == 2
    copy.again()
    assert copy.keys.identify(one) is None and copy.keys.identify(other) is None
    assert copy.keys.any, "and this machine gets no free pass meanwhile"
    copy.keys.release([key.id])
    assert copy.keys.identify(other) and copy.keys.identify(one) is None
    copy.keys.release()
    copy.again()
    assert copy.keys.identify(one) and copy.keys.identify(revoked) is None


def test_revocations_of_another_home_mean_nothing_and_those_that_are_named_count(
    home: Home, homes: Callable[[str], Home]
) -> None:
    key, shown = home.add()
    copy, stranger = backed_up(home, homes, "copy"), homes("stranger")
    stranger.add()
    home.keys.revoke(key.id)
    foreign = RestoredKeys(stranger.path, None)
    foreign.reapply(copy.ledger, copy.path)
    assert (foreign.again, foreign.held) == (0, 1)
    with pytest.raises(SettingsError, match="another home"):
        RestoredKeys(home.path, stranger.path / revocations.NAME).reapply(copy.ledger, copy.path)
    beside = RestoredKeys(stranger.path, home.path / revocations.NAME)
    beside.reapply(copy.ledger, copy.path)
    assert beside.again == 1
    copy.again()
    copy.keys.release()
    assert copy.keys.identify(shown) is None


def test_the_revocations_name_nobody_and_are_ours_alone(home: Home) -> None:
    key, _ = home.add("Anna Beispiel")
    home.keys.revoke(key.id)
    home.suspensions.suspend("Otto Beispiel")
    path = home.path / revocations.NAME
    assert "eispiel" not in path.read_text() and path.stat().st_mode & 0o077 == 0
    path.write_text("{}")
    with pytest.raises(SettingsError, match="damaged"):
        revocations.read(path, home.ledger.home_key)


# ---- guessing ----


def test_ten_wrong_ones_at_once_then_one_every_six_seconds() -> None:
    now = [0.0]
    failures = Failures(clock=lambda: now[0])
    assert [failures.note("192.168.7.9") for _ in range(10)] == [None] * 10
    assert failures.blocked("192.168.7.9") and failures.note("192.168.7.9") == 6
    assert failures.note("192.168.7.8") is None and not failures.blocked("192.168.7.8")
    now[0] = 6.0
    assert not failures.blocked("192.168.7.9")
    assert failures.note("192.168.7.9") is None and failures.note("192.168.7.9") == 6
    now[0] = 10_000.0
    assert [failures.note("192.168.7.9") for _ in range(11)] == [*[None] * 10, 6]


def test_a_site_of_ipv6_counts_as_one_address_and_memory_is_bounded() -> None:
    failures = Failures(clock=lambda: 0.0)
    found = [failures.note(f"2001:db8::{number:x}") for number in range(12)]
    assert found[9] is None and found[10] == 6
    for number in range(30_000):
        failures.note(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}")
    assert len(failures._free_at) <= 10_000
