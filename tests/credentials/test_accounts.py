"""Whose an account in a chat is: by a list, by what a platform has verified, and never by what somebody types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.credentials.accounts import Accounts, Linked, Links
from rag.errors import SignInUnavailable
from rag.store.ledger import Ledger
from tests.credentials.site import Clock

TENANT, OBJECT = "7f0c1d3e-9a7b-4c2d-8e6f-1a0b5f0c1d3e", "0a0b1c2d-0000-4c2d-8e6f-1a0b5f0c1d3e"
LINKS = Links(
    listed={"slack:T01:U01": "anna", f"teams:{TENANT.upper()}:{OBJECT}": "boss", "matrix:@odd:else.example": "ben"},
    emails={"Carla@firma.example": "carla"},
    team="T01",
    tenant=TENANT,
    server="firma.example",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("account", "email", "linked"),
    [
        ("slack:T01:U01", "", Linked("anna", "accounts")),
        ("slack:T01:U01", "carla@firma.example", Linked("anna", "accounts")),
        ("slack:T01:U02", "carla@firma.example", Linked("carla", "email")),
        ("slack:T01:U02", " CARLA@FIRMA.EXAMPLE ", Linked("carla", "email")),
        ("slack:T01:U02", "carla@else.example", None),
        ("slack:T01:U02", "carla", None),
        ("slack:T01:U02", "", None),
        ("slack:T02:U02", "carla@firma.example", None),
        ("slack:T01:", "carla@firma.example", None),
        ("slack:carla", "carla@firma.example", None),
        (f"teams:{TENANT}:{OBJECT.upper()}", "", Linked("boss", "accounts")),
        (f"teams:{TENANT}:0b", "carla@firma.example", None),
        ("matrix:@anna:firma.example", "", Linked("anna", "localpart")),
        ("matrix:@local:firma.example", "", None),
        ("matrix:@anna:firma.example.evil.example", "", None),
        ("matrix:@anna:evil.example:firma.example", "", None),
        ("matrix:@Anna:firma.example", "", None),
        ("matrix:@service:x:firma.example", "", None),
        ("matrix:@odd:else.example", "", Linked("ben", "accounts")),
        ("matrix:anna:firma.example", "", None),
        ("anna", "", None),
        ("user:anna", "", None),
        ("slack:T01:U01\n", "", None),
        ("slack:T01:U\u200b01", "", None),
        ("", "", None),
    ],
)
def test_an_account_is_whose_the_rules_say(ledger: Ledger, account: str, email: str, linked: Linked | None) -> None:
    assert Accounts(ledger, LINKS).linked(account, email=email) == linked


@given(account=st.text(max_size=60), email=st.text(max_size=40))
def test_without_a_rule_only_the_list_links(account: str, email: str) -> None:
    class NoLedger:
        def rows(self, *_: object) -> list[object]:
            raise AssertionError("no sign-in is asked about where no rule does")

    found = Accounts(NoLedger(), Links(listed=LINKS.listed)).linked(account, email=email)  # type: ignore[arg-type]
    assert found is None or account in LINKS.listed


def test_an_object_id_is_whose_sign_in_named_it_last(ledger: Ledger) -> None:
    accounts, other = Accounts(ledger, LINKS), "0c0b1c2d-0000-4c2d-8e6f-1a0b5f0c1d3e"
    account = f"teams:{TENANT}:{other}"
    assert accounts.linked(account) is None
    accounts.note(f"{TENANT}:{other}", "carla")
    assert accounts.linked(account) == Linked("carla", "object-id")
    accounts.note(f"{TENANT}:{other}".upper(), "carla2")
    assert accounts.linked(account) == Linked("carla2", "object-id"), "never two"
    assert Accounts(ledger, LINKS).linked(account) == Linked("carla2", "object-id"), "also after a restart"
    assert accounts.linked(f"teams:{OBJECT}:{other}") is None, "another tenant's"
    assert accounts.forget(lambda name: name == "carla2") == 1
    assert accounts.linked(account) is None and not ledger.rows("SELECT * FROM provider_accounts")


def test_a_directory_is_asked_whose_an_address_is_and_again_after_a_minute(ledger: Ledger) -> None:
    clock, asked = Clock(), list[str]()
    answers = {"dora@firma.example": "dora"}

    def by_mail(address: str) -> str | None:
        asked.append(address)
        return answers.get(address)

    accounts = Accounts(ledger, replace(LINKS, by_mail=by_mail), clock=clock)
    for _ in range(3):
        assert accounts.linked("slack:T01:U09", email="Dora@firma.example") == Linked("dora", "email")
    assert accounts.linked("slack:T01:U02", email="carla@firma.example") == Linked("carla", "email")
    assert asked == ["dora@firma.example"]
    answers.clear()
    clock.now += 61
    assert accounts.linked("slack:T01:U09", email="dora@firma.example") is None


def test_where_the_directory_cannot_be_asked_nobody_is_taken_for_a_stranger(ledger: Ledger) -> None:
    def by_mail(address: str) -> str | None:
        raise OSError("away")

    with pytest.raises(SignInUnavailable):
        Accounts(ledger, replace(LINKS, by_mail=by_mail)).linked("slack:T01:U09", email="dora@firma.example")
