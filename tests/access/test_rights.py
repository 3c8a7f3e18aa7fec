"""Nobody sees what they may not, whatever the indexes hold. Real ledger, Chroma and tantivy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.access import EVERYONE, NOBODY, Acl, Confidentiality, Principal, Token, group, user
from rag.documents import DocumentId
from rag.identity import person
from rag.store.ledger import Ledger
from tests.ingest.house import House
from tests.ingest.room import ANNA, Room, folder

BERTA = Principal(user="berta", groups=frozenset({"hr"}))
HR = ("group:hr",)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with Room(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    (made / "a.txt").write_text("Gehalt und Urlaub")
    return made


tokens = st.sampled_from([EVERYONE, *(user(name) for name in "abc"), *(group(name) for name in "xyz")])
acls = st.frozensets(tokens, max_size=3).map(lambda readers: Acl(readers=readers))
people = st.builds(
    lambda name, groups: Principal(user=name, groups=groups),
    st.sampled_from("abc"),
    st.frozensets(st.sampled_from("xyz")),
)


@given(acls, people)
def test_a_document_admits_who_holds_one_of_its_tokens_and_no_one_else(acl: Acl, principal: Principal) -> None:
    held = {"everyone", f"user:{principal.user}", *(f"group:{name}" for name in principal.groups)}
    assert acl.admits(principal) == any(str(reader) in held for reader in acl.readers)


@given(people)
def test_without_readers_there_is_nobody(principal: Principal) -> None:
    assert not NOBODY.admits(principal)


def test_a_person_called_like_a_group_is_not_that_group() -> None:
    assert not Acl(readers=frozenset({group("hr")})).admits(Principal(user="hr"))
    assert not Acl(readers=frozenset({group("hr")})).admits(Principal(user="group:hr"))
    assert not Acl(readers=frozenset({Token("hr")})).admits(Principal(user="hr"))
    assert not Acl(readers=frozenset({user("everyone")})).admits(Principal(user="anna"))


def test_groups_inside_groups_are_held_and_a_circle_ends() -> None:
    groups = {"hr": ["group:lead"], "lead": ["berta", "group:hr"], "it": ["anna"]}
    assert person("berta", groups).groups == {"hr", "lead"}
    assert person("anna", groups).groups == {"it"}


def test_closing_a_document_holds_before_any_index_was_told(room: Room, docs: Path) -> None:
    room.sync(folder(docs))
    everything = dict.fromkeys(room.ledger.chunk_ids(), 1.0)
    assert room.ledger.passages(everything, ANNA)
    room.ledger.reprotect(DocumentId("docs:a.txt"), Acl(readers=frozenset({user("berta")})), Confidentiality.STRICT)
    assert room.search("Gehalt") == []
    assert room.ledger.passages(everything, ANNA) == []


def test_a_loosened_document_is_found_after_the_sweep(room: Room, docs: Path) -> None:
    room.sync(folder(docs, readers=HR))
    assert room.found("Gehalt", ANNA) == set()
    room.sync(folder(docs))
    assert room.found("Gehalt", ANNA) == {"docs:a.txt"}
    assert room.level()


def test_a_group_reads_what_a_stranger_does_not(room: Room, docs: Path) -> None:
    room.sync(folder(docs, readers=HR))
    assert (room.found("Gehalt", BERTA), room.found("Gehalt", ANNA)) == ({"docs:a.txt"}, set())


def test_a_narrowing_to_sources_leaves_the_others_out(room: Room, docs: Path) -> None:
    room.sync(folder(docs))
    room.sync(folder(docs, name="copy"))
    found = room.search("Gehalt", sources=frozenset({"copy"}))
    assert {passage.chunk.document_id for passage in found} == {"copy:a.txt"}
    assert room.search("Gehalt", sources=frozenset()) == []


def test_rows_in_memory_that_lag_behind_show_nothing_the_ledger_forbids(tmp_path: Path, docs: Path) -> None:
    home = tmp_path / "house"
    with House(home, scan_bytes=1 << 28) as house:
        house.sync(folder(docs))  # type: ignore[arg-type]
        loading, mirror = house.spaces.coming.vectors.loading, house.spaces.coming.vectors.mirror
        assert loading is not None and mirror is not None
        loading.start()
        assert loading.wait(10)
        assert house.dense("Gehalt und Urlaub") == ["docs:a.txt"]
        house.ledger.reprotect(
            DocumentId("docs:a.txt"), Acl(readers=frozenset({user("berta")})), Confidentiality.STRICT
        )
        assert len(mirror) == 1
        assert house.dense("Gehalt und Urlaub") == [] == house.answers("Gehalt und Urlaub")
        house.pipeline.sweep()
        assert [name for name, _ in house.answers("Gehalt und Urlaub", BERTA)] == ["docs:a.txt"]
        house.ledger.remove(DocumentId("docs:a.txt"))
        assert len(mirror) == 1
        assert house.answers("Gehalt und Urlaub", BERTA) == []
        house.pipeline.sweep()
        assert len(mirror) == 0


def test_readable_classes_are_never_those_of_before_a_change(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")

    def classes(*readers: str) -> int:
        return ledger.acl_class(Acl(readers=frozenset(map(Token, readers))))

    assert ledger.readable_classes(ANNA) == frozenset()
    first = classes("user:anna")
    assert ledger.readable_classes(ANNA) == {first}
    second, other = classes("everyone"), classes("group:hr")
    assert ledger.readable_classes(ANNA) == {first, second}
    assert ledger.readable_classes(BERTA) == {second, other}
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        taken_back = classes("user:anna", "group:it")
        assert ledger.readable_classes(ANNA) == {first, second, taken_back}
        _ = 1 / 0
    assert classes("user:berta") == taken_back  # the number is given to others
    assert ledger.readable_classes(ANNA) == {first, second}
    with sqlite3.connect(ledger.path) as outside:
        outside.execute('UPDATE acl_classes SET readers = \'["user:anna", "x"]\' WHERE id = ?', (other,))
    outside.close()
    assert ledger.readable_classes(ANNA) == {first, second, other}
    ledger.close()


READERS = [(), ("everyone",), ("user:anna",), ("user:berta",), HR, ("user:anna", "group:hr")]
worlds = st.lists(st.tuples(st.sampled_from(READERS), st.sampled_from(READERS)), min_size=2, max_size=4)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds)
def test_nobody_ever_finds_what_only_others_may_read(
    room: Room, tmp_path: Path, world: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    for stage in (0, 1):
        for number, readers in enumerate(world):
            place = tmp_path / f"s{number}"
            place.mkdir(exist_ok=True)
            (place / "a.txt").write_text(f"Gehalt gleich {stage}")
            room.sync(folder(place, name=f"s{number}", readers=readers[stage]))
        for who in (ANNA, BERTA):
            allowed = {
                f"s{number}:a.txt"
                for number, readers in enumerate(world)
                if Acl(readers=frozenset(map(Token, readers[stage]))).admits(who)
            }
            assert room.found("Gehalt", who) == allowed
    for entry in room.ledger.entries():
        room.ledger.remove(entry.id)
    room.pipeline.sweep()
