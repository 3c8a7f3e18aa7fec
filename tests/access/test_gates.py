"""Ordered rights in their short form decide as the entries they were made of, and live in the ledger as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.access import EVERYONE, NOBODY, OPEN, Acl, Principal, Step, Token, both, gate, group, through, user
from rag.identity import break_glass
from rag.store.ledger import Ledger
from rag.store.rows import acl_of, rights_text

TOKENS = [EVERYONE, *(user(name) for name in "ab"), *(group(name) for name in "xyz")]
tokens = st.sampled_from(TOKENS)
steps = st.builds(Step, st.booleans(), st.frozensets(tokens, max_size=2))
entries = st.lists(steps, max_size=5)
people = st.builds(
    lambda name, groups, unsure: Principal(user=name, groups=groups, unsure=unsure),
    st.sampled_from("abc"),
    st.frozensets(st.sampled_from("xyz")),
    st.booleans(),
)
denials = st.frozensets(st.sampled_from(TOKENS[1:]), max_size=2)
acls = st.builds(lambda lists, denied: through(map(gate, lists), denied=denied), st.lists(entries, max_size=3), denials)


def decided(listed: Sequence[Step], who: Principal) -> bool:
    """What entries mean, said once more: the first that names the person; whom it shuts out unknown ends it."""
    for admits, named in listed:
        if not named and not admits:
            return False
        if named & who.tokens:
            return admits
        if who.unsure and not admits and any(token.startswith("group:") for token in named):
            return False
    return False


@given(entries, people.filter(lambda who: not who.unsure))
def test_a_gate_decides_as_its_entries_do_in_their_order(listed: list[Step], who: Principal) -> None:
    assert gate(listed).passes(who.tokens) == decided(listed, who)


@given(entries, people)
def test_an_unsure_person_passes_no_gate_that_the_entries_would_close(listed: list[Step], who: Principal) -> None:
    sure = Principal(user=who.user, groups=who.groups)
    if gate(listed).passes(who.tokens, unsure=who.unsure):
        assert decided(listed, sure)
        for others in ("", "x", "y", "z", "xy", "yz", "xz", "xyz"):  # whatever other groups they may be in
            more = Principal(user=who.user, groups=who.groups | frozenset(others))
            assert not who.unsure or gate(listed).passes(more.tokens)


@given(st.lists(entries, max_size=3), denials, people)
def test_rights_let_in_who_passes_every_gate_and_is_not_denied(
    lists: list[list[Step]], denied: frozenset[Token], who: Principal
) -> None:
    acl = through(map(gate, lists), denied=denied)
    if not who.unsure:
        wanted = not denied & who.tokens and all(decided(listed, who) for listed in lists)
        assert acl.admits(who) == wanted
    assert acl.admits(who) <= bool(acl.readers & who.tokens), "no one reads who is none of the readers"


@given(st.lists(entries, max_size=3), denials)
def test_equal_gates_in_another_order_are_the_same_rights(lists: list[list[Step]], denied: frozenset[Token]) -> None:
    assert through(map(gate, lists), denied=denied) == through(map(gate, [*lists[::-1], *lists]), denied=denied)


@given(acls, acls, people)
def test_both_rights_let_in_whom_either_lets_in(one: Acl, other: Acl, who: Principal) -> None:
    if not who.unsure:
        assert both(one, other).admits(who) == (one.admits(who) and other.admits(who))
    else:
        assert both(one, other).admits(who) <= (one.admits(who) and other.admits(who))


@given(acls)
def test_rights_come_back_from_the_ledger_as_they_went_in(acl: Acl) -> None:
    assert acl_of(rights_text(acl)) == acl


@pytest.mark.parametrize("who", [Principal(user="anna"), Principal(user="anna", groups=frozenset({"hr"}))])
def test_deny_wins_over_any_reader(who: Principal) -> None:
    readers = frozenset({EVERYONE, user("anna"), group("hr")})
    assert Acl(readers=readers).admits(who)
    assert not Acl(readers=readers, denied=frozenset({user("anna")})).admits(who)
    assert Acl(readers=readers, denied=frozenset({group("hr")})).admits(who) is ("hr" not in who.groups)


def test_somebody_whose_groups_are_not_known_is_shut_out_with_every_group_that_is() -> None:
    unsure = Principal(user="anna", unsure=True)
    assert Acl(readers=frozenset({EVERYONE})).admits(unsure)
    assert not Acl(readers=frozenset({EVERYONE}), denied=frozenset({group("hr")})).admits(unsure)
    shut = gate([Step(False, frozenset({group("hr")})), Step(True, frozenset({EVERYONE}))])
    assert not shut.passes(unsure.tokens, unsure=True)


def test_without_gates_everybody_passes_and_without_readers_nobody() -> None:
    assert through([]) == Acl(readers=frozenset({EVERYONE})) == through([OPEN, OPEN])
    assert through([gate([])]) == NOBODY
    assert through([OPEN], denied=frozenset({EVERYONE})) == NOBODY


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    opened = Ledger(tmp_path_factory.mktemp("home") / "ledger.sqlite")
    yield opened
    opened.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acls, max_size=4), people)
def test_the_classes_a_person_reads_are_those_whose_rights_admit_them(
    ledger: Ledger, some: list[Acl], who: Principal
) -> None:
    numbers = {ledger.acl_class(acl): acl for acl in some}
    readable = ledger.readable_classes(who)
    assert {number for number in numbers if number in readable} == {
        number for number, acl in numbers.items() if acl.admits(who)
    }
    assert all(ledger.acl_class_of(acl) == number for number, acl in numbers.items())


def test_a_ledger_of_version_2_says_the_same_of_its_readers(tmp_path: Path) -> None:
    import sqlite3

    from rag.store import tables

    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(tables.DOCUMENTS + tables.STRETCHES)
        old.execute("INSERT INTO acl_classes VALUES (7, '[\"user:anna\"]')")
        old.execute("PRAGMA user_version = 2")
    old.close()
    opened = Ledger(path)
    assert opened.readable_classes(Principal(user="anna")) == {7}
    assert opened.acl_class(Acl(readers=frozenset({user("anna")}))) == 7
    assert opened.acl_class(Acl(readers=frozenset({EVERYONE}), denied=frozenset({user("anna")}))) != 7
    assert opened.readable_classes(Principal(user="anna")) == {7}
    opened.close()


def test_who_breaks_the_glass_reads_past_denials_and_gates_but_not_what_nobody_may() -> None:
    glass = break_glass("local", frozenset({Token("group:hr"), Token("user:anna")}), reason="Wasserschaden")
    shut = gate([Step(False, frozenset({Token("user:anna")})), Step(True, frozenset({EVERYONE}))])
    readers, denied = frozenset({Token("group:hr")}), frozenset({Token("user:anna")})
    assert Acl(readers=readers, denied=denied, gates=(shut,)).admits(glass)
    assert not NOBODY.admits(glass)
