"""Windows descriptors and NFSv4 lists, built by their specifications: no such mount can be had in a test."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.accounts import NO_PERSON, Accounts
from connectors.nfs4_rights import nfs4_entries
from connectors.nt_rights import nt_entries
from connectors.posix_rights import PASS, READ, Entry, Malformed, posix_entries
from rag.access import Gate, Principal, Token, gate
from tests.connectors.kernel import GROUP, MASK, NO_ID, OTHER, OWN_GROUP, OWNER, USER, Numbered, acl_bytes

ANNA, HR, LEAD = "S-1-5-21-1-2-3-1105", "S-1-5-21-1-2-3-2001", "S-1-5-21-1-2-3-2002"
EVERYONE, SYSTEM, STRANGER = "S-1-1-0", "S-1-5-18", "S-1-5-21-1-2-3-9999"
ACCOUNTS = Accounts(
    sids={ANNA: Token("user:anna"), HR: Token("group:hr"), LEAD: Token("group:lead")}, domain="Firma.de"
)
ALLOW, DENY, ALLOW_IF, DENY_IF, AUDIT, OBJECT = 0, 1, 9, 10, 2, 5
READ_DATA, ALL, GENERIC_READ, WRITE = 0x1, 0x001F01FF, 0x80000000, 0x2
INHERIT_ONLY, INHERITED = 0x08, 0x10

anna, hr = Principal(user="anna"), Principal(user="berta", groups=frozenset({"hr"}))
both = Principal(user="anna", groups=frozenset({"hr"}))


def sid_bytes(sid: str) -> bytes:
    _, revision, authority, *parts = sid.split("-")
    head = struct.pack("<BB", int(revision), len(parts)) + int(authority).to_bytes(6, "big")
    return head + struct.pack(f"<{len(parts)}I", *map(int, parts))


def descriptor(*aces: tuple[int, int, int, str], owner: str = SYSTEM, control: int = 0x8004) -> bytes:
    listed = b"".join(
        struct.pack("<BBHI", kind, flags, 8 + len(who), mask) + who
        for kind, flags, mask, who in ((*ace[:3], sid_bytes(ace[3])) for ace in aces)
    )
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(listed), len(aces), 0) + listed
    own = sid_bytes(owner)
    return struct.pack("<BBHIIII", 1, 0, control, 20, 0, 0, 20 + len(own)) + own + acl


def passing(entries: Sequence[Entry]) -> Gate:
    return gate(entry.step for entry in entries if entry.token != NO_PERSON)


def reads(who: Principal, value: bytes) -> bool:
    return passing(nt_entries(value, accounts=ACCOUNTS)).passes(who.tokens)


def test_the_first_entry_that_means_a_person_decides() -> None:
    allowed_first = descriptor((ALLOW, 0, ALL, ANNA), (DENY, 0, ALL, HR))
    assert (reads(anna, allowed_first), reads(both, allowed_first), reads(hr, allowed_first)) == (True, True, False)
    denied_first = descriptor((DENY, 0, ALL, HR), (ALLOW, 0, ALL, ANNA), (ALLOW, 0, ALL, EVERYONE))
    assert (reads(anna, denied_first), reads(both, denied_first), reads(hr, denied_first)) == (True, False, False)


@pytest.mark.parametrize(
    ("mask", "may"), [(READ_DATA, True), (GENERIC_READ, True), (0x10000000, True), (WRITE, False), (0x20000000, False)]
)
def test_only_an_entry_about_reading_counts(mask: int, may: bool) -> None:
    assert reads(anna, descriptor((ALLOW, 0, mask, ANNA))) is may
    assert reads(anna, descriptor((DENY, 0, mask, ANNA), (ALLOW, 0, ALL, EVERYONE))) is not may


def test_inherited_entries_count_and_those_only_to_be_inherited_do_not() -> None:
    assert reads(anna, descriptor((ALLOW, INHERITED, ALL, ANNA)))
    assert not reads(anna, descriptor((ALLOW, INHERIT_ONLY | INHERITED, ALL, ANNA)))
    assert reads(anna, descriptor((DENY, INHERIT_ONLY, ALL, ANNA), (ALLOW, 0, ALL, ANNA)))


def test_a_condition_lets_nobody_in_and_shuts_out() -> None:
    assert not reads(anna, descriptor((ALLOW_IF, 0, ALL, ANNA)))
    assert reads(anna, descriptor((ALLOW_IF, 0, ALL, ANNA), (ALLOW, 0, ALL, ANNA)))
    assert not reads(anna, descriptor((DENY_IF, 0, ALL, ANNA), (ALLOW, 0, ALL, EVERYONE)))


def test_auditing_says_nothing_about_reading() -> None:
    assert reads(anna, descriptor((AUDIT, 0, ALL, ANNA), (ALLOW, 0, ALL, ANNA)))


def test_an_unknown_sid_is_nobody_and_where_it_is_denied_everybody_after_it_is() -> None:
    assert not reads(anna, descriptor((ALLOW, 0, ALL, STRANGER)))
    assert not reads(anna, descriptor((DENY, 0, ALL, STRANGER), (ALLOW, 0, ALL, ANNA)))
    assert reads(anna, descriptor((ALLOW, 0, ALL, ANNA), (DENY, 0, ALL, STRANGER), (ALLOW, 0, ALL, EVERYONE)))


def test_the_machines_own_accounts_are_no_person() -> None:
    assert not reads(anna, descriptor((ALLOW, 0, ALL, SYSTEM)))
    assert reads(anna, descriptor((DENY, 0, ALL, "S-1-5-7"), (ALLOW, 0, ALL, "S-1-5-11")))


def test_owner_rights_are_the_owners() -> None:
    assert reads(anna, descriptor((ALLOW, 0, ALL, "S-1-3-4"), owner=ANNA))
    assert not reads(anna, descriptor((ALLOW, 0, ALL, "S-1-3-4"), owner=STRANGER))


def test_an_empty_list_is_nobody() -> None:
    assert not reads(anna, descriptor())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        descriptor((ALLOW, 0, ALL, ANNA), control=0x8000),  # no list: Windows would let everybody in
        descriptor((ALLOW, 0, ALL, ANNA), control=0x0004),
        descriptor((OBJECT, 0, ALL, ANNA)),
        descriptor((ALLOW, 0, ALL, ANNA))[:-1],
        b"\2" + descriptor((ALLOW, 0, ALL, ANNA))[1:],
    ],
)
def test_bytes_that_are_no_descriptor_are_told(value: bytes) -> None:
    with pytest.raises(Malformed):
        nt_entries(value, accounts=ACCOUNTS)


@given(
    st.binary(max_size=200)
    | st.builds(lambda n, b: descriptor((ALLOW, 0, ALL, ANNA))[:n] + b, st.integers(0, 90), st.binary(max_size=20))
)
def test_any_bytes_are_entries_or_malformed_and_nothing_else(value: bytes) -> None:
    calls = [
        lambda: nt_entries(value, accounts=ACCOUNTS),
        lambda: nfs4_entries(READ, value, owner=None, group=None, accounts=ACCOUNTS),
        lambda: posix_entries(READ, mode=0o770, owner=1, group=1, acl=value, accounts=Numbered()),
    ]
    for call in calls:
        try:
            assert all(isinstance(entry, Entry) for entry in call())
        except Malformed:
            continue


aces = st.lists(
    st.tuples(
        st.sampled_from([ALLOW, DENY]),
        st.sampled_from([0, INHERITED, INHERIT_ONLY]),
        st.sampled_from([READ_DATA, ALL, WRITE]),
        st.sampled_from([ANNA, HR, LEAD, EVERYONE, SYSTEM]),
    ),
    max_size=6,
)


@given(aces, st.sampled_from([anna, hr, both]))
def test_a_descriptor_lets_in_as_the_specification_says(some: list[tuple[int, int, int, str]], who: Principal) -> None:
    """[MS-DTYP] 2.5.3.2 over one right, said once more."""
    meant = {ANNA: "user:anna", HR: "group:hr", LEAD: "group:lead", EVERYONE: "everyone"}
    wanted = False
    for kind, flags, mask, sid in some:
        if not flags & INHERIT_ONLY and mask & READ_DATA and meant.get(sid) in who.tokens:
            wanted = kind == ALLOW
            break
    assert reads(who, descriptor(*some)) is wanted


# ---- NFSv4 ----


def nfs4(*aces: tuple[int, int, int, str]) -> bytes:
    listed = b"".join(
        struct.pack(">IIII", kind, flags, mask, len(who)) + who + b"\0" * (-len(who) % 4)
        for kind, flags, mask, who in ((*ace[:3], ace[3].encode()) for ace in aces)
    )
    return struct.pack(">I", len(aces)) + listed


def enters(who: Principal, value: bytes, bit: int = READ) -> bool:
    owner, group = Token("user:anna"), Token("group:hr")
    return passing(nfs4_entries(bit, value, owner=owner, group=group, accounts=ACCOUNTS)).passes(who.tokens)  # type: ignore[arg-type]


def test_nfs4_entries_count_in_their_order_and_for_owner_group_and_everyone() -> None:
    value = nfs4((1, 0, 1, "OWNER@"), (0, 0x40, 1, "GROUP@"), (0, 0, 1, "EVERYONE@"))
    assert (enters(anna, value), enters(hr, value), enters(Principal(user="x"), value)) == (False, True, True)
    assert not enters(hr, nfs4((1, 0x40, 1, "GROUP@"), (0, 0, 1, "EVERYONE@")))


def test_nfs4_reading_and_passing_are_two_rights() -> None:
    value = nfs4((0, 0, 0x20, "EVERYONE@"))
    assert (enters(anna, value, READ), enters(anna, value, PASS)) == (False, True)


@pytest.mark.parametrize(
    ("who", "flags", "may"),
    [
        ("anna@firma.de", 0, True),
        ("anna@FIRMA.DE", 0, True),
        ("anna@other.org", 0, False),
        ("anna", 0, False),
        ("hr@firma.de", 0x40, False),
        ("anna@firma.de", 0x40, False),
    ],
)
def test_an_nfs4_name_is_a_person_of_our_domain_only(who: str, flags: int, may: bool) -> None:
    assert enters(anna, nfs4((0, flags, 1, who))) is may


def test_an_nfs4_list_entry_to_be_inherited_does_not_count() -> None:
    assert not enters(anna, nfs4((0, 0x08, 1, "EVERYONE@")))


@pytest.mark.parametrize("value", [b"", b"\0\0", nfs4((0, 0, 1, "OWNER@"))[:-2], nfs4() + b"\0", nfs4((9, 0, 1, "x"))])
def test_bytes_that_are_no_nfs4_list_are_told(value: bytes) -> None:
    with pytest.raises(Malformed):
        nfs4_entries(READ, value, owner=None, group=None, accounts=ACCOUNTS)


# ---- POSIX, where the kernel lets nobody write such a list ----


@pytest.mark.parametrize(
    "entries",
    [
        [(OWNER, 7, NO_ID), (OTHER, 7, NO_ID)],
        [(OWNER, 7, NO_ID), (OWN_GROUP, 7, NO_ID), (OTHER, 7, NO_ID), (USER, 7, 5)],
        [(OWNER, 7, NO_ID), (OWN_GROUP, 7, NO_ID), (OTHER, 7, NO_ID), (MASK, 7, NO_ID), (MASK, 7, NO_ID)],
        [(OWNER, 9, NO_ID), (OWN_GROUP, 7, NO_ID), (OTHER, 7, NO_ID)],
        [(OWNER, 7, NO_ID), (OWN_GROUP, 7, NO_ID), (OTHER, 7, NO_ID), (0x40, 7, NO_ID)],
    ],
)
def test_a_posix_list_of_another_form_is_told(entries: list[tuple[int, int, int]]) -> None:
    with pytest.raises(Malformed):
        posix_entries(READ, mode=0o777, owner=1, group=1, acl=acl_bytes(entries), accounts=Numbered())


def test_a_number_without_a_name_is_nobody_and_its_refusal_is_everybodys() -> None:
    class Nameless(Numbered):
        def group_name(self, number: int) -> str | None:
            return None

    def admitted(mode: int, acl: bytes | None = None) -> bool:
        found = posix_entries(READ, mode=mode, owner=1, group=2, acl=acl, accounts=Nameless())
        return passing(found).passes(Principal(user="x").tokens)

    assert (admitted(0o644), admitted(0o640), admitted(0o604)) == (True, False, False)
    named = [(OWNER, 6, NO_ID), (OWN_GROUP, 4, NO_ID), (GROUP, 0, 9), (MASK, 6, NO_ID), (OTHER, 4, NO_ID)]
    assert not admitted(0o664, acl_bytes(named))
