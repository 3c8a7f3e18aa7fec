"""Rules by path: which one speaks for which file."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from connectors.folder_why import idle_rules
from connectors.rules import Rule, Rules
from rag.access import EVERYONE, Token
from rag.documents import Listing
from tests.ingest.room import Counted, Room, folder, packed

STAFF, HR, CHEF = (frozenset({Token(name)}) for name in ("group:staff", "group:hr", "user:chef"))


def readers(path: str, *rules: Rule) -> set[str]:
    return set(Rules(Rule(readers=STAFF), rules).at(path).readers)


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("a.txt", STAFF),
        ("hr/a.txt", HR),
        ("hr/lohn/a.txt", CHEF),
        ("hr/lohnt-sich.txt", HR),
        ("hr-alt/a.txt", STAFF),
        ("hr", STAFF),
        ("x/hr/a.txt", STAFF),
    ],
)
def test_the_longest_path_wins_and_whole_names_count(path: str, who: frozenset[Token]) -> None:
    assert readers(path, Rule(path="hr/", readers=HR), Rule(path="hr/lohn", readers=CHEF)) == set(who)
    assert readers(path, Rule(path="hr/lohn", readers=CHEF), Rule(path="hr/", readers=HR)) == set(who)


def test_a_path_without_a_slash_is_the_file_or_the_folder() -> None:
    rule = Rule(path="hr", readers=HR)
    assert readers("hr", rule) == readers("hr/a.txt", rule) == set(HR)


def test_a_rule_without_readers_leaves_those_of_the_shorter_one() -> None:
    found = Rules(Rule(readers=STAFF), [Rule(path="hr/", readers=HR), Rule(path="hr/x/", denied=CHEF)]).at("hr/x/a")
    assert (found.readers, found.denied, found.by.path) == (HR, CHEF, "hr/")


def test_who_is_denied_by_a_shorter_path_stays_denied_below_it() -> None:
    rules = [Rule(path="hr/", denied=CHEF), Rule(path="hr/offen/", readers=frozenset({EVERYONE, *CHEF}))]
    assert Rules(Rule(readers=STAFF), rules).at("hr/offen/a.txt").denied == CHEF


def test_an_empty_list_of_readers_is_nobody_and_not_the_shorter_rules() -> None:
    assert readers("hr/a.txt", Rule(path="hr/", readers=frozenset())) == set()


@pytest.mark.parametrize(("written", "kept"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_folder_is_meant_however_its_umlaut_is_written(written: str, kept: str) -> None:
    path = unicodedata.normalize(kept, "löhne/a.txt")
    assert readers(path, Rule(path=unicodedata.normalize(written, "löhne/"), readers=HR)) == set(HR)


def test_names_that_ids_encode_are_meant_as_they_are_written() -> None:
    assert readers("100%25/a.txt", Rule(path="100%/", readers=HR)) == set(HR)
    assert readers("Wichtig%21/a.txt", Rule(path="Wichtig!/", readers=HR)) == set(HR)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    (made / "hr" / "tief").mkdir(parents=True)
    for name in ("a.txt", "hr/b.txt", "hr/c.txt", "hr/tief/d.txt"):
        (made / name).write_text(f"Gehalt in {name}")
    (made / "hr" / "post.eml").write_bytes(packed("Gehalt in post", {"anlage.txt": "Gehalt in anlage"}))
    return made


RULES = (Rule(path="hr/", readers=HR, denied=CHEF), Rule(path="hr/c.txt", readers=frozenset({EVERYONE})))


def test_a_listing_gives_each_file_the_rights_of_its_rule(docs: Path) -> None:
    source = folder(docs, readers=("group:staff",), rules=RULES)
    found = {entry.id: entry.acl for entry in source.listings() if isinstance(entry, Listing)}
    assert {str(name): set(acl.readers) for name, acl in found.items()} == {
        "docs:a.txt": set(STAFF),
        "docs:hr/b.txt": set(HR),
        "docs:hr/c.txt": {EVERYONE},
        "docs:hr/post.eml": set(HR),
        "docs:hr/tief/d.txt": set(HR),
    }
    assert found["docs:hr/c.txt"].denied == CHEF  # type: ignore[index]
    alone = [entry.acl for name in ("hr/c.txt", "a.txt") for entry in source.listings([name])]  # type: ignore[union-attr]
    assert alone == [found["docs:hr/c.txt"], found["docs:a.txt"]]  # type: ignore[index]


def test_new_rules_are_a_change_of_rights_only_for_parts_too(tmp_path: Path, docs: Path) -> None:
    with Room(tmp_path / "home") as room:
        room.sync(folder(docs))
        room.embedder.embedded.clear()
        changed = Counted(folder(docs, rules=RULES))
        report = room.sync(changed)
        assert report.reprotected == 4
        assert (changed.versions, changed.fetched, room.embedder.embedded) == ([], [], [])
        assert room.found("Gehalt") == {"docs:a.txt", "docs:hr/c.txt"}
        assert room.sync(Counted(folder(docs, rules=RULES))).reprotected == 0
        again = room.sync(Counted(folder(docs, rules=RULES)))
        assert (again.reprotected, again.unchanged) == (0, 5)


def test_a_rule_at_whose_path_there_is_nothing_is_named(docs: Path) -> None:
    rules = (Rule(path="hr/", readers=HR), Rule(path="HR/", readers=HR), Rule(path="hr/c.txt", readers=HR))
    assert [rule.path for rule in idle_rules(folder(docs, rules=rules))] == ["HR/"]
