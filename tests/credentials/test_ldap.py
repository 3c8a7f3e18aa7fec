"""Groups and accounts of a real directory: who is in which, who is shut out, and what is said when nobody knows."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from rag.access import Acl, Token
from rag.credentials.ldap import Directory, Plan, escaped
from rag.credentials.ldap_connection import Connection, DirectoryError
from rag.errors import AccountClosed
from rag.identity import Memberships
from rag.system_accounts import Account, every
from tests.credentials.site import Clock
from tests.credentials.slapd import GROUPS, PASSWORD, PEOPLE, READER, Slapd, group, in_group, person, posix_group

PLAN = Plan(
    user_base=PEOPLE,
    user_filter="(|(uid={user})(sAMAccountName={user})(userPrincipalName={user}))",
    names=("uid", "sAMAccountName"),
    group_base=GROUPS,
)
YEAR_1601_S = 11_644_473_600
HOUSE = [
    person("anna", sAMAccountName="a.muster", userPrincipalName="anna@firma.example", mail="anna@firma.example"),
    person("bernd", mail="two@firma.example"),
    person("jürgen", mail="two@firma.example"),
    person("o(1)*\\, x", **{}).replace("uid=o(1)*\\, x,", "uid=odd,"),
    group("hr", "anna"),
    group("managers", in_group("hr"), "bernd"),
    group("board", in_group("managers")),
    group("circle-a", in_group("circle-b"), "anna"),
    group("circle-b", in_group("circle-a")),
    group("geschäft", "jürgen"),
    posix_group("unix", 1000, "anna"),
    person("off", userAccountControl="514"),
    person("on", userAccountControl="512"),
    person("expired", accountExpires=str(int((time.time() - 60 + YEAR_1601_S) * 10**7))),
    person("until", accountExpires=str(int((time.time() + 3600 + YEAR_1601_S) * 10**7))),
    person("forever", accountExpires="9223372036854775807"),
    person("locked") + "\npwdAccountLockedTime: 000001010000Z",
    person("ipa", nsAccountLock="TRUE"),
    *(group(f"many-{number}", "until") for number in range(1100)),
    group("deep-0", "forever"),
    *(group(f"deep-{number}", in_group(f"deep-{number - 1}")) for number in range(1, 25)),
]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as running:
        running.start(HOUSE)
        yield running


def directory(
    slapd: Slapd, plan: Plan = PLAN, *, clock: Callable[[], float] = time.monotonic, **wanted: Any
) -> Directory:
    options = {"ca_file": str(slapd.ca_file), "bind_dn": READER, "password": PASSWORD, "timeout_s": 20.0, **wanted}
    url = options.pop("url", slapd.url)
    return Directory(lambda: Connection(url, **options), plan, clock=clock)


@pytest.fixture(scope="module")
def known(slapd: Slapd) -> Callable[[str], Account | None]:
    return directory(slapd).account


ANNAS = {"hr", "managers", "board", "circle-a", "circle-b", "unix"}


def test_groups_within_groups_are_found_and_a_circle_ends(slapd: Slapd) -> None:
    for url in (slapd.url, slapd.ldaps):
        found = directory(slapd, url=url).account("anna")
        assert found is not None and found.groups == ANNAS and not found.closed
        assert found.names == {"anna", "a.muster"}


def test_a_person_is_found_by_each_of_their_names(known: Callable[[str], Account | None]) -> None:
    for name in ("a.muster", "anna@firma.example", "ANNA"):
        found = known(name)
        assert found is not None and found.groups == ANNAS and "anna" in found.names
    for name in ("nobody", "anna@evil.example"):
        assert known(name) is None


def test_letters_beyond_ascii_and_signs_of_the_filter_are_just_letters(known: Callable[[str], Account | None]) -> None:
    found = known("jürgen")
    assert found is not None and found.groups == {"geschäft"}
    assert known("o(1)*\\, x") is not None


@pytest.mark.parametrize(
    "name",
    ["*", "a*", "anna*", "anna)(uid=*", "anna)(|(uid=*", "*)(uid=*))(|(uid=*", "(", ")", "\\", "\\2a", "\x00",
     "anna\x00", "anna)(objectClass=*", "&", "|", "uid=anna", "{user}", ":dn:=anna", "\U0001f600", "o(1)*"],
)  # fmt: skip
def test_no_name_says_more_than_itself(known: Callable[[str], Account | None], name: str) -> None:
    assert known(name) is None


def test_only_plain_letters_and_digits_stand_for_themselves() -> None:
    assert escaped("Anna9") == "Anna9"
    assert escaped("a*(b)\\\x00é²") == "a\\2a\\28b\\29\\5c\\00\\c3\\a9\\c2\\b2"


@pytest.mark.parametrize("name", ["off", "expired", "locked", "ipa"])
def test_a_shut_account_is_refused(known: Callable[[str], Account | None], name: str) -> None:
    with pytest.raises(AccountClosed):
        Memberships({}, system=known).person(name)


@pytest.mark.parametrize("name", ["on", "anna", "until"])
def test_an_open_account_is_not(known: Callable[[str], Account | None], name: str) -> None:
    assert not Memberships({}, system=known).person(name).unsure


def test_more_groups_than_a_page_are_all_found(known: Callable[[str], Account | None]) -> None:
    found = known("until")
    assert found is not None and len(found.groups) == 1100


def test_groups_nested_too_deep_are_not_said_to_be_all(slapd: Slapd) -> None:
    with pytest.raises(DirectoryError, match="deeper than 20"):
        directory(slapd).account("forever")
    assert Memberships({}, system=directory(slapd).account).person("forever").unsure


def test_an_entry_that_cannot_be_used_is_no_failure_of_the_directory(slapd: Slapd) -> None:
    asked = directory(slapd)
    memberships = Memberships({}, system=asked.account)
    for _ in range(2):
        with pytest.raises(DirectoryError, match="deeper than 20"):
            asked.account("forever")
        assert not memberships.person("anna").unsure, "nobody else waits for it, or loses a group"
    assert memberships.person("forever").unsure


def test_a_name_that_fits_two_entries_is_nobody_s(slapd: Slapd) -> None:
    with pytest.raises(DirectoryError, match="More than one entry"):
        directory(slapd, replace(PLAN, user_filter="(|(uid={user})(uid=bernd))")).account("anna")


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "another"}, {"bind_dn": f"cn=nobody,{PEOPLE}"}, {"ca_file": ""}, {"host": "127.0.0.1"},
        {"plan": replace(PLAN, user_base="ou=none,dc=firma,dc=example")},
        {"plan": replace(PLAN, user_filter="((uid={user})")},
        {"plan": replace(PLAN, group_name="description")},
    ],
)  # fmt: skip
def test_what_is_not_sure_is_no_answer(slapd: Slapd, wrong: dict[str, Any]) -> None:
    for url in (slapd.url, slapd.ldaps):
        options = dict(wrong)
        url = url.replace("localhost", options.pop("host", "localhost"))
        asked = directory(slapd, options.pop("plan", PLAN), url=url, **options)
        with pytest.raises(OSError, match=r"directory|filter"):
            asked.account("anna")
        found = Memberships({"all": ("anna",)}, system=asked.account).person("anna")
        assert found.unsure and found.groups == {"all"}


def test_while_the_directory_is_gone_a_person_is_unsure_and_what_shuts_out_a_group_shuts_them_out(
    slapd: Slapd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    denied = Acl(readers=frozenset({Token("user:anna")}), denied=frozenset({Token("group:trainees")}))
    clock = Clock()
    with Slapd(tmp_path_factory.mktemp("own")) as own:
        own.start([person("anna"), group("hr", "anna")])
        memberships = Memberships({}, system=directory(own, clock=clock).account, clock=clock)
        sure = memberships.person("anna")
        assert sure.groups == {"hr"} and denied.admits(sure)
        own.stop()
        clock.now += 61
        unsure = memberships.person("anna")
        assert unsure.unsure and not unsure.groups and not denied.admits(unsure)
        assert "anna" in memberships.failures
        own.start([person("anna"), group("hr", "anna"), group("trainees", "anna")])
        assert memberships.person("anna").unsure  # it rests
        clock.now += 6
        back = memberships.person("anna")
        assert back.groups == {"hr", "trainees"} and not denied.admits(back)


def test_what_changed_is_seen_within_a_minute_also_that_an_account_was_shut(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    clock = Clock()
    with Slapd(tmp_path_factory.mktemp("own")) as own:
        own.start([person("anna"), group("hr", "anna")])
        memberships = Memberships({}, system=directory(own).account, clock=clock, keep_s=3600, strangers=False)
        assert memberships.person("anna").groups == {"hr"} and memberships.stands("anna")
        own.start([person("anna", userAccountControl="514"), group("hr", "anna")])
        clock.now += 59
        assert memberships.person("anna").groups == {"hr"} and memberships.stands("anna")
        clock.now += 2
        with pytest.raises(AccountClosed):
            memberships.person("anna")
        assert not memberships.stands("anna")
        own.start([group("hr", "bernd")])
        clock.now += 61
        assert memberships.person("anna").unsure and not memberships.stands("anna")  # who is not there comes not in


def test_whether_an_account_stands_is_asked_beside_an_answer_never_in_its_way(slapd: Slapd) -> None:
    asked = threading.Event()
    go_on = threading.Event()
    closed = [False]

    def slow(name: str) -> Account:
        asked.set()
        assert go_on.wait(30)
        return Account(names=frozenset({name}), groups=frozenset(), closed=closed[0])

    clock = Clock()
    memberships = Memberships({}, system=slow, clock=clock)
    go_on.set()
    memberships.person("anna")
    go_on.clear()
    asked.clear()
    closed[0] = True
    clock.now += 61
    assert all(memberships.stands("anna") for _ in range(100))
    assert asked.wait(30)
    go_on.set()
    until = time.monotonic() + 30
    while memberships.stands("anna"):
        assert time.monotonic() < until, "nobody learnt that the account was shut"


def test_a_directory_that_hangs_holds_up_one_request_for_its_time_and_no_other(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Slapd(tmp_path_factory.mktemp("own")) as own:
        own.start([person("anna")])
        own.hang(on=True)
        begun: list[float] = []

        def connect() -> Connection:
            begun.append(time.monotonic())
            return Connection(own.url, ca_file=str(own.ca_file), bind_dn=READER, password=PASSWORD, timeout_s=0.5)

        asked = Directory(connect, PLAN, clock=Clock())
        for _ in range(2):
            with pytest.raises(OSError, match="directory"):
                asked.account("anna")
            assert 0.4 <= time.monotonic() - begun[0] < 20
        assert len(begun) == 1, "the second one does not even try"


def test_after_a_failure_one_tries_for_all() -> None:
    clock, come, go_on, tried = Clock(), threading.Event(), threading.Event(), []

    def connect() -> Connection:
        tried.append(clock.now)
        if len(tried) > 1:
            come.set()
            assert go_on.wait(30)
        raise DirectoryError("The directory is gone.")

    asked = Directory(connect, PLAN, clock=clock)

    def ask() -> None:
        with pytest.raises(DirectoryError):
            asked.account("anna")

    ask()
    clock.now += 6
    one = threading.Thread(target=ask)
    one.start()
    assert come.wait(30)
    for _ in range(10):
        ask()
    go_on.set()
    one.join()
    assert len(tried) == 2


def answering(*pieces: bytes) -> tuple[str, list[bytes], threading.Thread]:
    """A server that says this to whoever comes first, whatever they say; what they said, and when it is over."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection, suppress(OSError):  # whoever leaves first
            connection.settimeout(60)
            for piece in pieces:
                heard.append(connection.recv(1000))
                connection.sendall(piece)
            heard.append(connection.recv(1000))

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    return f"ldap://127.0.0.1:{listener.getsockname()[1]}", heard, serving


REFUSED = bytes.fromhex("300c02010178070a013404000400")  # extendedResp, unavailable
DONE = bytes.fromhex("300c02010178070a010004000400")  # extendedResp, success


@pytest.mark.parametrize(
    "said",
    [REFUSED, DONE + bytes.fromhex("300c02010261070a010004000400"),
     b"\x30\x84\xff\xff\xff\xff", b"HTTP/1.1 200 OK\r\n", b""],
)  # fmt: skip
def test_no_password_is_told_to_who_cannot_encrypt(said: bytes) -> None:
    url, heard, serving = answering(said)
    asked = Directory(lambda: Connection(url, ca_file="", bind_dn=READER, password=PASSWORD, timeout_s=2.0), PLAN)
    with pytest.raises(OSError, match="directory"):
        asked.account("anna")
    serving.join(60)
    assert heard and not any(PASSWORD.encode() in piece for piece in heard)


def test_several_look_ups_add_up_and_what_one_does_not_know_is_not_whole() -> None:
    def one(name: str) -> Account | None:
        return Account(names=frozenset({"a"}), groups=frozenset({"unix"})) if name == "anna" else None

    def other(name: str) -> Account | None:
        return Account(names=frozenset({"b"}), groups=frozenset({"hr"}), closed=name == "off")

    both = Memberships({}, system=every([one, other]))
    assert both.person("anna").groups == {"unix", "hr"} and not both.person("anna").unsure
    assert both.person("bernd").groups == {"hr"} and both.person("bernd").unsure
    with pytest.raises(AccountClosed):
        both.person("off")


def test_an_e_mail_address_is_the_one_persons_who_has_it(slapd: Slapd) -> None:
    found = directory(slapd)
    assert found.named("anna@firma.example") == "anna"
    assert found.named("ANNA@FIRMA.EXAMPLE") == "anna"
    assert found.named("two@firma.example") is None, "two have it"
    assert found.named("*") is None and found.named("*)(uid=anna") is None
