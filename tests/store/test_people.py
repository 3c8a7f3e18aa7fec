"""Pseudonyms: in the log always, the way back in the ledger, where it can be erased; in works-council mode sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Principal
from rag.errors import SettingsError, StoreError
from rag.store.audit import AuditLog
from rag.store.chain import COUNCIL
from rag.store.ledger import Ledger
from rag.store.people import People, read_key
from rag.store.sealing import new_private, open_sealed, public_of, seal
from tests.store.test_tampering import Clock


class House:
    """A ledger, an audit log and its people."""

    def __init__(self, home: Path, *, council: bool = False, questions: bool = False) -> None:
        home.mkdir(exist_ok=True)
        self.home, self.clock = home, Clock()
        self.ledger = Ledger(home / "ledger.sqlite")
        self.people = People(self.ledger, keys=home / "audit" / COUNCIL, council=council, questions=questions)
        self.audit = AuditLog(home / "audit", people=self.people, clock=self.clock)

    def __enter__(self) -> House:
        return self

    def __exit__(self, *error: object) -> None:
        self.audit.close()
        self.ledger.close()

    def ask(self, user: str = "anna", question: str = "Was verdient Frau Beispiel?") -> str:
        return self.audit.open(question=question, principal=Principal(user=user), channel=LOOPBACK, passages=())

    def users(self) -> list[str]:
        return [record["user"] for record in self.audit.records()]

    def bytes_of_the_log(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self.home / "audit").iterdir())


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Two keys, their public halves in the home."""
    with House(tmp_path / "home") as house:
        house.people.make_keys(tmp_path / "employer", tmp_path / "council")
    return tmp_path / "employer", tmp_path / "council"


@pytest.fixture
def house(tmp_path: Path, keys: tuple[Path, Path]) -> Iterator[House]:
    with House(tmp_path / "home", council=True) as opened:
        yield opened


# RFC 7748, section 5.2 and 6.1
def test_a_name_opens_with_both_keys_and_with_nothing_less() -> None:
    one, other, third = new_private(), new_private(), new_private()
    sealed = seal("Anna Müller \udc80", (public_of(one), public_of(other)))
    assert open_sealed(sealed, (one, other)) == "Anna Müller \udc80"
    for wrong in ((one, one), (other, other), (one, third), (third, other), (other, one)):
        assert open_sealed(sealed, wrong) is None
    for place in range(0, len(sealed), 7):
        bent = bytearray(sealed)
        bent[place] ^= 1
        assert open_sealed(bytes(bent), (one, other)) is None
    assert open_sealed(sealed[:-1], (one, other)) is None


def test_sealed_names_tell_neither_whose_they_are_nor_how_long_nor_that_two_are_one() -> None:
    publics = (public_of(new_private()), public_of(new_private()))
    once, again, longer = seal("anna", publics), seal("anna", publics), seal("anna-katharina von beispiel", publics)
    assert once != again and len(once) == len(longer)
    assert once[32:] != again[32:]
    with pytest.raises(ValueError, match="254 bytes"):
        seal("x" * 255, publics)


def test_a_pseudonym_leads_to_the_name_until_it_is_erased(tmp_path: Path) -> None:
    with House(tmp_path / "home") as house:
        house.ask("anna")
        house.ask("berta")
        house.ask("anna")
        one, two, three = house.users()
        assert one == three != two
        assert house.people.names() == {one: "anna", two: "berta"}
        assert b"anna" not in house.bytes_of_the_log()
        assert house.people.forget("anna") == 1
        assert house.people.names() == {two: "berta"}
        assert house.audit.verify() is None, "the log is as it was"


def test_the_way_back_is_kept_before_the_record_is_written(tmp_path: Path) -> None:
    with House(tmp_path / "home") as house:
        house.ask("anna")
        with closing(sqlite3.connect(tmp_path / "home" / "ledger.sqlite")) as db:
            db.execute("DROP TABLE audit_people")
            db.commit()
        with pytest.raises(StoreError):
            house.ask("berta")
        assert len(house.users()) == 1


def test_names_of_whom_no_record_is_left_go_with_the_purge(tmp_path: Path) -> None:
    with House(tmp_path / "home") as house:
        house.ask("anna")
        house.clock.tomorrow()
        house.ask("berta")
        house.clock.tomorrow()
        house.audit.turn()
    with House(tmp_path / "home") as again:
        again.clock.at = house.clock.at
        assert again.audit.purge(before="2026-11-27") == 3
        assert set(again.people.names().values()) == {"berta"}


def test_whom_a_record_that_is_left_is_about_keeps_the_name(tmp_path: Path) -> None:
    """Whose key was revoked, who was shut out."""
    with House(tmp_path / "home") as house:
        house.ask("anna")
        house.clock.tomorrow()
        house.audit.note("user_suspended", user="local", channel=LOOPBACK, about="berta")
        house.clock.tomorrow()
        house.audit.turn()
    with House(tmp_path / "home") as again:
        again.clock.at = house.clock.at
        assert again.audit.purge(before="2026-11-27") == 3
        assert set(again.people.names().values()) == {"local", "berta"}


def test_the_sealed_name_of_whom_a_record_is_about_stays_with_the_record(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    with House(tmp_path / "home", council=True) as house:
        house.ask("anna")
        house.clock.tomorrow()
        house.audit.note("user_suspended", user="local", channel=LOOPBACK, about="berta")
        about = [record["about"] for record in house.audit.records() if "about" in record]
        house.clock.tomorrow()
        house.audit.turn()
    with House(tmp_path / "home", council=True) as again:
        again.clock.at = house.clock.at
        assert again.audit.purge(before="2026-11-27") == 3
        one, other = (read_key(path) for path in keys)
        assert [again.people.reidentify(who, (one, other)) for who in about] == ["berta"]


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_asked_is_kept_only_where_that_is_wanted_and_never_in_the_log(tmp_path: Path, kept: bool) -> None:
    with House(tmp_path / "home", questions=kept) as house:
        receipt = house.ask(question="Was verdient Frau Beispiel?")
        assert [text.text for text in house.people.texts(receipt)] == (["Was verdient Frau Beispiel?"] if kept else [])
        assert b"Beispiel" not in house.bytes_of_the_log()
        assert house.people.purge_texts(before="2999-01-01", reasons=True) == 0
        assert house.people.purge_texts(before="2999-01-01", reasons=False) == int(kept)


# ---- works-council mode ----


def test_without_its_keys_nothing_is_recorded_and_so_nothing_answered(tmp_path: Path) -> None:
    with (
        House(tmp_path / "home", council=True) as house,
        pytest.raises(SettingsError, match="needs its two keys first: `rag audit keys"),
    ):
        house.ask()


def test_a_person_has_another_pseudonym_each_day_that_no_key_of_the_service_leads_to(house: House) -> None:
    house.ask("anna")
    house.ask("anna")
    house.clock.tomorrow()
    house.ask("anna")
    one, two, three = house.users()
    assert one == two != three
    assert house.audit.pseudonym("anna") not in (one, three)
    assert house.people.names() == {}
    for path in house.home.rglob("*"):
        if path.is_file():
            assert b"anna" not in path.read_bytes(), path.name


def test_both_keys_together_say_who_it_was_and_one_says_nothing(house: House, keys: tuple[Path, Path]) -> None:
    house.ask("Anna Müller")
    (pseudonym,) = house.users()
    one, other = (read_key(path) for path in keys)
    assert house.people.reidentify(pseudonym, (one, other)) == "Anna Müller"
    assert house.people.reidentify(pseudonym, (other, one)) == "Anna Müller", "in either order"
    for alone in (one, other):
        assert house.people.reidentify(pseudonym, (alone, alone)) is None
        assert house.people.reidentify(pseudonym, (alone, new_private())) is None
    assert house.people.reidentify("0" * 32, (one, other)) is None


def test_names_kept_before_are_sealed_when_the_mode_is_switched_on(tmp_path: Path) -> None:
    with House(tmp_path / "home") as before:
        before.ask("anna")
        (pseudonym,) = before.users()
        before.people.make_keys(tmp_path / "a", tmp_path / "b")
    with House(tmp_path / "home", council=True) as house:
        assert house.people.names() == {}
        rows = house.ledger.rows("SELECT name FROM audit_people")
        assert [row["name"] for row in rows] == [None]
        keys = (read_key(tmp_path / "a"), read_key(tmp_path / "b"))
        assert house.people.reidentify(pseudonym, keys) == "anna"


def test_keys_are_their_holders_alone_and_never_written_over(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600, 0o600]
    private = keys[0].read_text().strip()
    assert all(private.encode() not in path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    with House(tmp_path / "home") as house, pytest.raises(SettingsError, match="two keys already"):
        house.people.make_keys(tmp_path / "c", tmp_path / "d")
    with House(tmp_path / "other") as house, pytest.raises(SettingsError, match="cannot be made: File exists"):
        house.people.make_keys(keys[0], tmp_path / "e")
    assert keys[0].read_text().strip() == private


def test_by_which_group_somebody_read_is_no_way_to_their_name(house: House) -> None:
    assert house.audit.rule("group:hr") == "group"
    assert house.audit.rule("user:anna") == "user"
    assert house.audit.rule("everyone") == "everyone"


def test_what_is_no_key_is_refused_in_words(tmp_path: Path) -> None:
    for content in ("", "zz", "ab" * 31):
        (tmp_path / "key").write_text(content)
        with pytest.raises(SettingsError, match="key"):
            read_key(tmp_path / "key")
