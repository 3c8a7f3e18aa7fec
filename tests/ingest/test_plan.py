from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.access import NOBODY, Acl, Confidentiality, Token
from rag.documents import DocumentId, DocumentRef, Plan, Recorded
from rag.ingest.plan import plan

ACLS = [NOBODY, Acl(readers=frozenset({Token("everyone")})), Acl(readers=frozenset({Token("group:hr")}))]
World = dict[DocumentId, Recorded]

names = st.sampled_from([DocumentId(f"s:{folder}{name}") for folder in ("", "x/", "y/") for name in ("a.txt", "b.txt")])
refs = st.builds(
    lambda name, version, acl, level: DocumentRef(id=name, version=version, acl=acl, confidentiality=level),
    names,
    st.sampled_from("1234"),
    st.sampled_from(ACLS),
    st.sampled_from([Confidentiality.INTERNAL, Confidentiality.STRICT]),
)
listings = st.lists(refs, max_size=6, unique_by=lambda ref: ref.id)
worlds = st.lists(st.tuples(refs, st.sampled_from(["new", "old"])), max_size=6, unique_by=lambda pair: pair[0].id).map(
    lambda pairs: {
        ref.id: Recorded(ref=keyed(ref, f"key-{number}"), recipe=recipe) for number, (ref, recipe) in enumerate(pairs)
    }
)


def keyed(ref: DocumentRef, key: str, version: str | None = None) -> DocumentRef:
    return DocumentRef(
        id=ref.id,
        key=key,
        version=ref.version if version is None else version,
        acl=ref.acl,
        confidentiality=ref.confidentiality,
    )


def ref(name: str, version: str, acl: Acl = NOBODY) -> DocumentRef:
    return DocumentRef(id=DocumentId(name), version=version, acl=acl)


def known(*refs: DocumentRef, recipe: str = "new") -> World:
    return {ref.id: Recorded(ref=keyed(ref, f"key of {ref.id}"), recipe=recipe) for ref in refs}


def carried_out(found: Plan, recorded: World, recipe: str) -> World:
    """What is recorded afterwards, done in the order `rag.ingest.sync` does it."""
    world = dict(recorded)
    for name in found.remove:
        del world[name]
    leaving = {old: world.pop(old) for old, _ in found.move}
    for old, new in found.move:
        moved = leaving[old]
        assert new.id not in world
        rights = moved.ref
        world[new.id] = Recorded(
            ref=DocumentRef(
                id=new.id,
                key=rights.key,
                version=rights.version,
                acl=rights.acl,
                confidentiality=rights.confidentiality,
            ),
            recipe=moved.recipe,
        )
    for new in found.reprotect:
        old_entry = world[new.id]
        world[new.id] = Recorded(ref=keyed(new, new.key, old_entry.ref.version), recipe=old_entry.recipe)
    for new in (*found.add, *found.replace):
        world[new.id] = Recorded(ref=new, recipe=recipe)
    return world


@given(listings, worlds)
def test_after_the_plan_is_carried_out_the_ledger_equals_the_listing(listed: list[DocumentRef], before: World) -> None:
    after = carried_out(plan(listed, before, recipe="new"), before, "new")
    assert {name: (e.ref.version, e.ref.acl, e.ref.confidentiality) for name, e in after.items()} == {
        ref.id: (ref.version, ref.acl, ref.confidentiality) for ref in listed
    }
    assert all(entry.recipe == "new" for entry in after.values())


@given(listings, worlds)
def test_what_is_level_needs_nothing(listed: list[DocumentRef], before: World) -> None:
    after = carried_out(plan(listed, before, recipe="new"), before, "new")
    assert plan(listed, after, recipe="new").empty


@given(listings, worlds)
def test_content_that_moved_is_neither_added_nor_read_again(listed: list[DocumentRef], before: World) -> None:
    found = plan(listed, before, recipe="new")
    free = [e.ref.version for name, e in before.items() if name in found.remove and e.recipe == "new"]
    assert not {ref.version for ref in found.add} & set(free)
    assert not {new.id for _, new in found.move} & {ref.id for ref in (*found.add, *found.replace)}
    for old, new in found.move:
        assert (new.version, new.key) == (before[old].ref.version, before[old].ref.key)


@given(listings, worlds)
def test_rights_that_differ_are_set_beside_whatever_else_happens(listed: list[DocumentRef], before: World) -> None:
    found = plan(listed, before, recipe="new")
    moved_away = {old for old, _ in found.move}
    origin = {ref.id: ref.id for ref in listed if ref.id in before and ref.id not in moved_away}
    origin |= {new.id: old for old, new in found.move}
    wanted = {
        ref.id
        for ref in listed
        if ref.id in origin
        and (ref.acl, ref.confidentiality)
        != (before[origin[ref.id]].ref.acl, before[origin[ref.id]].ref.confidentiality)
    }
    assert {ref.id for ref in found.reprotect} == wanted


@given(listings, worlds, st.randoms())
def test_the_order_of_the_listing_does_not_matter(listed: list[DocumentRef], before: World, random: st.DrawFn) -> None:
    mixed = list(listed)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    found = plan(mixed, before, recipe="new")
    assert found == plan(listed, dict(reversed(before.items())), recipe="new")
    for refs_of in (found.add, found.replace, found.reprotect, [new for _, new in found.move]):
        assert [ref.id for ref in refs_of] == sorted(ref.id for ref in refs_of)
    assert list(found.remove) == sorted(found.remove)


def test_files_that_change_names_along_a_chain_or_round_a_circle_are_moved_and_never_read() -> None:
    swapped = plan([ref("s:a", "2"), ref("s:b", "1")], known(ref("s:a", "1"), ref("s:b", "2")), recipe="new")
    chained = plan([ref("s:b", "1"), ref("s:c", "2")], known(ref("s:a", "1"), ref("s:b", "2")), recipe="new")
    for found, ends in ((swapped, {"s:a": "s:b", "s:b": "s:a"}), (chained, {"s:a": "s:b", "s:b": "s:c"})):
        assert {old: new.id for old, new in found.move} == ends
        assert all(new.key == f"key of {old}" for old, new in found.move)
        assert not (found.add or found.replace or found.remove)


def test_a_file_moved_over_another_takes_its_place() -> None:
    found = plan([ref("s:b", "1")], known(ref("s:a", "1"), ref("s:b", "2")), recipe="new")
    assert ([(old, new.id) for old, new in found.move], found.remove) == ([("s:a", "s:b")], ("s:b",))
    assert not (found.add or found.replace)


def test_an_edited_file_keeps_its_key_though_a_copy_of_the_old_text_stands_beside_it() -> None:
    found = plan([ref("s:a", "2"), ref("s:a-alt", "1")], known(ref("s:a", "1")), recipe="new")
    assert [(r.id, r.key) for r in found.replace] == [("s:a", "key of s:a")]
    assert ([r.id for r in found.add], found.move) == (["s:a-alt"], ())


def test_of_two_copies_that_moved_each_goes_where_its_name_is() -> None:
    before = known(ref("s:old/a.txt", "1"), ref("s:old/b.txt", "1"))
    found = plan([ref("s:x/b.txt", "1"), ref("s:y/a.txt", "1")], before, recipe="new")
    assert [(old, new.id) for old, new in found.move] == [("s:old/b.txt", "s:x/b.txt"), ("s:old/a.txt", "s:y/a.txt")]


def test_a_second_copy_of_a_file_that_stays_is_added() -> None:
    found = plan([ref("s:a", "1"), ref("s:b", "1")], known(ref("s:a", "1")), recipe="new")
    assert [r.id for r in found.add] == ["s:b"]
    assert not found.move


def test_another_recipe_replaces_everything_and_moves_nothing() -> None:
    before = known(ref("s:a", "1"), ref("s:gone", "2"), recipe="old")
    found = plan([ref("s:a", "1"), ref("s:fresh", "2")], before, recipe="new")
    assert ([r.id for r in found.replace], [r.id for r in found.add], found.remove) == (
        ["s:a"],
        ["s:fresh"],
        ("s:gone",),
    )


def test_a_document_that_was_never_read_is_not_taken_for_moved() -> None:
    found = plan([ref("s:b", "")], known(ref("s:a", "")), recipe="new")
    assert ([r.id for r in found.add], found.remove, found.move) == (["s:b"], ("s:a",), ())


def test_a_move_to_another_ending_is_read_anew_under_its_key() -> None:
    found = plan([ref("s:a.txt", "1")], known(ref("s:a.dat", "1")), recipe="new")
    assert [(old, new.id) for old, new in found.move] == [("s:a.dat", "s:a.txt")]
    assert [(r.id, r.key) for r in found.replace] == [("s:a.txt", "key of s:a.dat")]
