"""Whose groups are whose: from settings, the operating system, a credential; for a minute, and never by guessing."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

import pytest

from rag import system_accounts
from rag.access import EVERYONE, Acl, group
from rag.errors import AccountClosed, UnknownPrincipal
from rag.identity import Memberships, chains
from rag.system_accounts import Account

GROUPS = {"hr": ["group:lead"], "lead": ["berta", "group:staff"], "own": ["anna"]}


class Directory:
    """A directory that can be changed, and that counts its questions."""

    def __init__(self, **groups: str) -> None:
        self.groups, self.asked, self.down = groups, 0, False
        self.closed: set[str] = set()

    def __call__(self, name: str) -> Account | None:
        self.asked += 1
        if self.down:
            raise OSError(5, "the directory does not answer")
        if name.lower() not in self.groups:
            return None
        groups = frozenset(self.groups[name.lower()].split())
        return Account(names=frozenset({name.lower()}), groups=groups, closed=name.lower() in self.closed)


def memberships(directory: Callable[[str], Account | None], clock: list[float], **options: float) -> Memberships:
    return Memberships(GROUPS, system=directory, clock=lambda: clock[0], **options)


def test_groups_of_settings_system_and_claims_are_held_together_and_nested() -> None:
    found = memberships(Directory(anna="staff wheel"), [0.0]).person("anna", claims=["finance"])
    assert found.groups == {"own", "staff", "wheel", "lead", "hr", "finance"}
    assert not found.unsure


def test_a_group_left_in_the_system_is_left_at_the_next_question_after_a_minute() -> None:
    directory, clock = Directory(anna="staff"), [0.0]
    known = memberships(directory, clock, keep_s=3600.0)
    assert "hr" in known.person("anna").groups
    directory.groups["anna"] = ""
    clock[0] = 59.9
    assert "hr" in known.person("anna").groups and directory.asked == 1
    clock[0] = 60.0
    assert known.person("anna").groups == {"own"}
    assert directory.asked == 2


def test_a_clock_that_goes_back_keeps_nothing_longer() -> None:
    directory, clock = Directory(anna="staff"), [1000.0]
    known = memberships(directory, clock)
    known.person("anna")
    clock[0] = 0.0
    known.person("anna")
    assert directory.asked == 2


def test_a_failed_look_up_means_no_groups_shut_out_and_is_told() -> None:
    directory, clock = Directory(anna="staff"), [0.0]
    directory.down = True
    known = memberships(directory, clock)
    found = known.person("anna")
    assert (found.groups, found.unsure) == ({"own"}, True)
    assert known.failures == {"anna": "the directory does not answer"}
    directory.down = False
    assert "staff" in known.person("anna").groups, "a failure is not kept"
    assert known.failures == {}


def test_a_door_that_was_shut_stays_shut_while_the_directory_cannot_be_asked() -> None:
    directory, clock = Directory(off="staff", anna="staff"), [0.0]
    directory.closed = {"off"}
    known = memberships(directory, clock, strangers=False)
    known.person("anna")
    with pytest.raises(AccountClosed):
        known.person("off")
    known.person("ghost")
    directory.down = True
    clock[0] = 61.0
    with pytest.raises(AccountClosed):
        known.person("off")
    assert known.person("ghost").unsure and known.person("anna").unsure
    assert [known.stands(name) for name in ("off", "ghost", "anna")] == [False, False, True]
    directory.down, directory.closed = False, set()
    assert known.person("off").groups == {"staff", "lead", "hr"}, "and opens when it says so"


def test_who_comes_without_claims_where_groups_are_claims_is_unsure_and_shut_out_with_them() -> None:
    known = Memberships({}, claimed=True)
    denied = Acl(readers=frozenset({EVERYONE}), denied=frozenset({group("trainees")}))
    assert not denied.admits(known.person("anna", claims=["trainees"]))
    assert denied.admits(known.person("anna", claims=[])) and denied.admits(Memberships({}).person("anna"))
    assert not denied.admits(known.person("anna")), "an API key and an account in a chat say nothing of groups"


def test_who_loses_a_group_or_comes_into_one_stands_no_longer_as_before() -> None:
    directory, clock = Directory(anna="staff"), [0.0]
    known = memberships(directory, clock, keep_s=60.0)
    then = known.person("anna", claims=["finance"])
    assert known.stands("anna", then, claims=["finance"]) and not known.stands("anna", then, claims=[])
    for groups, stands in {"staff": True, "": False, "staff trainees": False}.items():
        directory.groups["anna"] = groups
        clock[0] += 61.0
        known.person("anna")
        assert (known.stands("anna", then, claims=["finance"]), known.stands("anna")) == (stands, True), groups
    directory.down = True
    clock[0] += 61.0
    known.person("anna")
    assert known.stands("anna", then, claims=["finance"]), "as far as is known"


def test_who_is_unknown_to_the_system_is_unsure_only_where_it_is_asked() -> None:
    assert memberships(Directory(), [0.0]).person("anna").unsure
    assert not Memberships(GROUPS).person("anna").unsure


def test_an_account_under_another_spelling_is_the_same_person() -> None:
    found = memberships(Directory(anna="staff"), [0.0]).person("ANNA")
    assert {"user:ANNA", "user:anna"} <= found.tokens
    assert "own" in found.groups


def test_the_shortest_way_into_a_group_is_told() -> None:
    ways = chains(GROUPS, names={"anna"}, held=["staff"])
    assert ways["hr"] == ("staff", "lead", "hr")
    assert ways["own"] == ("own",)
    known = memberships(Directory(anna="staff"), [0.0])
    assert known.ways(known.person("anna")) == ways


def test_a_circle_of_groups_ends_and_holds_nobody_by_itself() -> None:
    assert chains({"a": ["group:b"], "b": ["group:a"]}, names={"anna"}) == {}


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 201])
def test_what_cannot_be_a_name_is_nobody_and_asks_no_directory(name: str) -> None:
    directory = Directory()
    with pytest.raises(UnknownPrincipal):
        memberships(directory, [0.0]).person(name)
    assert directory.asked == 0


def test_the_systems_own_groups_are_those_the_kernel_gives() -> None:
    for entry in pwd.getpwall()[:10]:
        found = system_accounts.account(entry.pw_name)
        numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
        assert found is not None and entry.pw_name in found.names
        assert {grp.getgrnam(name).gr_gid for name in found.groups} <= set(numbers)
    assert system_accounts.account("nobody-is-called-so") is None
