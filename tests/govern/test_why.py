"""Why somebody may read, in words that name the rule, the group and the folder; and what doctor sees of rights."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.accounts import Accounts
from connectors.folder import Folder
from connectors.rules import Rule
from rag.access import Principal, Token
from rag.govern import rights_checks
from rag.govern.why import Asked, because
from rag.identity import chains, person
from tests.connectors.kernel import Numbered
from tests.ingest.room import Room, folder, packed

GROUPS = {"hr": ["group:lead"], "lead": ["anna"]}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def docs() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    (made / "hr").mkdir()
    (made / "hr" / "a.txt").write_text("Gehalt")
    (made / "hr" / "post.eml").write_bytes(packed("Post", {"anlage.txt": "Anlage"}))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with Room(tmp_path / "home") as opened:
        yield opened


def told(room: Room, source: Folder, name: str, who: Principal | None = None) -> tuple[bool, str]:
    entry = room.ledger.entry(name)
    assert entry is not None
    who = who or person("anna", GROUPS)
    asked = Asked(entry=entry, person=who, ways=chains(GROUPS, names={who.user}, held=who.groups - GROUPS.keys()))
    return entry.acl.admits(who), " ".join(because(asked, source.why(entry.id)))


RULES = (Rule(path="hr/", readers=frozenset({Token("group:hr")}), denied=frozenset({Token("user:chef")})),)


def test_the_rule_and_the_way_through_the_groups_are_named(room: Room, docs: Path) -> None:
    source = folder(docs, rules=RULES)
    room.sync(source)
    may, words = told(room, source, "docs:hr/a.txt")
    assert may
    assert 'The rule for "hr/" of source "docs" says who reads it: group:hr.' in words
    assert "anna is group:hr (in lead, which is in hr)." in words
    assert told(room, source, "docs:hr/a.txt", person("berta", GROUPS)) == (
        False,
        'The rule for "hr/" of source "docs" says who reads it: group:hr. berta is none of these.',
    )


def test_a_denial_is_named_with_its_rule(room: Room, docs: Path) -> None:
    source = folder(docs, rules=RULES)
    room.sync(source)
    may, words = told(room, source, "docs:hr/a.txt", person("chef", {"hr": ["chef"]}))
    assert not may
    assert 'The rule for "hr/" of source "docs" denies user:chef, which wins over any reader.' in words


def test_an_attachment_is_explained_by_what_holds_it(room: Room, docs: Path) -> None:
    source = folder(docs, rules=RULES)
    room.sync(source)
    may, words = told(room, source, "docs:hr/post.eml!/anlage.txt")
    assert may
    assert words.startswith("It is part of docs:hr/post.eml, and has its rights.")
    assert 'The rule for "hr/"' in words and "others now" not in words


@as_root
def test_the_line_of_the_file_and_the_folder_that_shuts_out_are_named(room: Room, docs: Path) -> None:
    os.chown(docs / "hr" / "a.txt", 20001, 30001)
    (docs / "hr" / "a.txt").chmod(0o640)
    source = folder(docs, readers=(), from_filesystem=True, accounts=Numbered())
    room.sync(source)
    inside = Principal(user="x", groups=frozenset({"g30001"}))
    may, words = told(room, source, "docs:hr/a.txt", inside)
    assert may
    many = len((docs / "hr").parts)
    assert f"{many} of {many} folders on the way let x pass." in words
    assert f"The file {docs}/hr/a.txt lets x read: its group g30001 (r--) decides; x is group:g30001." in words
    may, words = told(room, source, "docs:hr/a.txt", Principal(user="y"))
    assert not may and f"The file {docs}/hr/a.txt does not let y read: all others (---) decides." in words
    (docs / "hr").chmod(0o700)
    room.sync(source)
    may, words = told(room, source, "docs:hr/a.txt", inside)
    assert not may
    assert f"The folder {docs}/hr does not let x pass: all others (---) decides." in words


def test_rights_that_changed_since_the_last_look_are_said_to_have(room: Room, docs: Path) -> None:
    source = folder(docs, rules=RULES)
    room.sync(source)
    words = told(room, replace(source, rules=()), "docs:hr/a.txt")[1]
    assert "Since the last look the rights have changed" in words
    (docs / "hr" / "a.txt").unlink()
    assert "Its file cannot be found now" in told(room, source, "docs:hr/a.txt")[1]


def test_a_source_that_stands_nowhere_any_more_is_said_to(room: Room, docs: Path) -> None:
    source = folder(docs)
    room.sync(source)
    entry = room.ledger.entry("docs:hr/a.txt")
    assert entry is not None
    words = " ".join(because(Asked(entry=entry, person=person("anna", {}), ways={}), None))
    assert "stands no longer in rag.toml" in words and "anna is everyone." in words


def test_doctor_names_a_rule_that_protects_nothing_and_rights_that_cannot_be_told(docs: Path) -> None:
    found = list(rights_checks.rights([folder(docs, rules=(*RULES, Rule(path="Hr/", readers=frozenset())))]))
    assert [(check.well, check.finding) for check in found] == [
        (False, 'the rule for "Hr/" means nothing that is there')
    ]
    assert list(rights_checks.rights([folder(docs, rules=RULES)])) == []
    fine = list(rights_checks.rights([folder(docs, from_filesystem=True, accounts=Accounts())]))
    assert [(check.well, check.finding) for check in fine] == [(True, "read from the file system")]


def test_doctor_names_groups_that_could_not_be_looked_up() -> None:
    (check,) = rights_checks.groups({"anna": "no answer", "berta": "no answer"})
    assert not check.well and "2 persons" in check.finding and "no answer" in check.finding
    assert list(rights_checks.groups({})) == []
