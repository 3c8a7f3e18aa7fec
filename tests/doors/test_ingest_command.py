"""`rag ingest` as it is typed: what it says of what waits, failed, cannot be reached or was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import TRUE, Line, owner


@pytest.fixture
def two(fresh: Line) -> Line:
    """Two sources of rag.toml, each with a document."""
    line = Line(fresh.folder, fresh.folder / "own.toml")
    sources = ""
    for name in ("near", "far"):
        folder = line.folder / name
        folder.mkdir()
        (folder / f"{name}.txt").write_text(f"{TRUE} Das steht in {name}.")
        sources += f'\n[[sources]]\nname = "{name}"\npath = "{folder}"\nreaders = ["everyone"]\nclass = "internal"\n'
    line.config.write_text(fresh.config.read_text() + sources)
    return line


@pytest.fixture
def owned(fresh: Line) -> Iterator[Line]:
    """A home this process owns, so that commands go through its socket and start quickly."""
    with owner(fresh):
        yield fresh


@pytest.fixture
def two_owned(two: Line) -> Iterator[Line]:
    with owner(two):
        yield two


def many(folder: Path, count: int, text: str = TRUE) -> Path:
    """A folder of so many short documents."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(f"Akte {number}: {text}")
    return folder


def source_of(line: Line, name: str) -> dict[str, Any]:
    (found,) = (source for source in line.json("status")["sources"] if source["name"] == name)
    return dict(found)


def test_held_removals_are_named_with_their_reason_and_the_command_that_ends_it(owned: Line) -> None:
    folder = many(owned.folder / "papers", 20)
    owned.json("ingest", folder)
    for number in range(15):
        (folder / f"{number:03}.txt").unlink()
    report = owned.json("ingest")
    assert (report["held"], report["removed"]) == (15, 0)
    assert report["held_because"] == {"papers": "15 of 20 documents are gone at once"}
    done = owned.run("ingest")
    assert done.returncode == 0
    assert 'Removals are held in "papers": 15 of 20 documents are gone at once.' in done.stdout
    assert "    rag ingest --confirm-removals papers\n" in done.stdout
    assert (source_of(owned, "papers")["state"], source_of(owned, "papers")["held"]) == ("held", 15)
    assert "rag ingest --confirm-removals papers" in owned.run("status").stdout
    assert "15 removals held" in owned.run("doctor").stdout
    assert owned.json("ingest", "--confirm-removals", "papers")["removed"] == 15
    assert source_of(owned, "papers")["state"] == "level"


def test_a_source_out_of_reach_is_a_sentence_after_the_report_of_the_others(two_owned: Line) -> None:
    two_owned.json("ingest")
    (two_owned.folder / "far").rename(two_owned.folder / "gone")
    (two_owned.folder / "near/new.txt").write_text("Neu.")
    done = two_owned.run("ingest")
    assert done.returncode == 1
    assert "1 added" in done.stdout
    assert '"far" is offline; its documents answer as they were.' in done.stdout
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith('rag: "far" cannot be reached now. Mount it again')
    assert "No such file or directory" in done.stdout
    report = two_owned.json("ingest", code=1)
    assert (list(report["offline"]), report["unchanged"]) == (["far"], 2)


def test_a_dry_run_plans_the_others_where_a_source_is_out_of_reach(two_owned: Line) -> None:
    (two_owned.folder / "far").rename(two_owned.folder / "gone")
    plan = two_owned.json("ingest", "--dry-run", code=1)
    assert (plan["add"], list(plan["offline"])) == (["near:near.txt"], ["far"])
    done = two_owned.run("ingest", "--dry-run")
    assert (done.returncode, "1 to add" in done.stdout, '"far" is offline' in done.stdout) == (1, True, True)
    assert done.stderr.startswith('rag: "far" cannot be reached now.')


def test_what_a_source_out_of_reach_holds_is_shown_with_its_age(two_owned: Line) -> None:
    two_owned.json("ingest")
    (two_owned.folder / "far").rename(two_owned.folder / "gone")
    two_owned.json("ingest", code=1)
    state = source_of(two_owned, "far")
    assert (state["state"], state["there"], bool(state["offline_since"])) == ("missing", False, True)
    shown = two_owned.run("status").stdout
    assert "far is not there, or does not answer" in shown
    assert "offline since 2" in shown
    age = {entry["document_id"]: entry["as_of"] for entry in two_owned.json("documents")["documents"]}
    assert age == {"far:far.txt": state["reached_at"], "near:near.txt": None}
    assert two_owned.run("documents").stdout.count("its source cannot be reached now") == 1
    found = two_owned.json("search", "steht in far")["passages"]
    assert {passage["document_id"]: passage["as_of"] for passage in found} == age
    lines = [line for line in two_owned.run("search", "steht in far").stdout.splitlines() if "reached now" in line]
    assert [("far:far.txt" in line, "as of 2" in line) for line in lines] == [(True, True)]
    checks = {check["name"]: check["well"] for check in two_owned.json("doctor", code=1)["checks"]}
    assert (checks["source far"], "source near" in checks) == (False, False)


def test_failures_are_grouped_by_reason_and_only_the_first_are_listed(owned: Line) -> None:
    folder = owned.folder / "papers"
    folder.mkdir()
    for number in range(57):
        (folder / f"{number:02}.txt").write_bytes(b"")
    (folder / "kaputt.pdf").write_bytes(b"%PDF-1.7 this is no such thing")
    done = owned.run("ingest", folder)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert "58 documents failed:" in lines
    assert lines.index("  empty: the file has 0 bytes (57)") < lines.index("      papers:kaputt.pdf")
    assert len([line for line in lines if line.endswith(".txt")]) == 20
    assert "      and 37 more: rag documents --failed" in lines
    again = owned.run("ingest")
    assert again.returncode == 0
    assert "58 documents failed earlier and have not changed: rag documents --failed" in again.stdout
    assert owned.json("ingest")["failed_before"] == 58


def test_a_clerk_reads_why_a_document_failed_and_what_to_do(owned: Line) -> None:
    folder = many(owned.folder / "papers", 1)
    (folder / "leer.txt").write_bytes(b"")
    owned.json("ingest", folder, code=3)
    shown = owned.run("documents", "--failed").stdout
    assert "papers:leer.txt\n    empty: the file has 0 bytes\n    Nothing, unless it should not be empty" in shown
    assert "papers:000.txt" not in shown
    done = owned.run("show", "papers:leer.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "papers:leer.txt has no text: empty: the file has 0 bytes. Nothing, unless" in done.stderr


def test_a_dry_run_counts_lists_fifty_of_a_kind_and_changes_nothing(owned: Line) -> None:
    folder = many(owned.folder / "papers", 20)
    owned.json("ingest", folder)
    before = (owned.json("status"), owned.json("documents"))
    many(folder, 80)
    for number in range(15):
        (folder / f"{number:03}.txt").unlink()
    done = owned.run("ingest", "--dry-run")
    assert done.stdout.startswith("60 to add, 15 to hold\n")
    assert len([line for line in done.stdout.splitlines() if line > "    papers:019" and line < "    papers:999"]) == 50
    assert "    and 10 more: --json lists all" in done.stdout
    assert 'held in "papers": 15 of 20 documents are gone at once' in done.stdout
    plan = owned.json("ingest", "--dry-run")
    assert (len(plan["add"]), len(plan["held"]), list(plan["held_because"])) == (60, 15, ["papers"])
    after = (owned.json("status"), owned.json("documents"))
    assert [without_pid(one) for one in after] == [without_pid(one) for one in before]


def without_pid(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "pid"}


def test_a_source_taken_out_of_the_settings_is_shown_with_the_command_that_removes_it(two: Line) -> None:
    two.json("ingest")
    two.config.write_text(two.config.read_text().replace('name = "far"', 'name = "other"'))
    found = {source["name"]: source["state"] for source in two.json("status")["sources"]}
    assert found == {"near": "level", "other": "never_read", "far": "left_over"}
    assert "rag sources remove far" in two.run("status").stdout
    assert two.json("sources", "remove", "far")["removed"] == 1
    assert {source["name"] for source in two.json("status")["sources"]} == {"near", "other"}


def test_status_and_doctor_tell_of_a_source_that_nobody_may_read(two: Line) -> None:
    two.config.write_text(two.config.read_text().replace('readers = ["everyone"]', "readers = []"))
    two.json("ingest")
    assert source_of(two, "near")["state"] == "unreadable"
    assert two.run("status").stdout.count("nobody may read it") == 2
    assert 'add readers to source "near" in rag.toml' in two.run("doctor").stdout


def test_an_ingest_that_no_terminal_watches_says_nothing_but_its_report(owned: Line) -> None:
    done = owned.run("ingest", many(owned.folder / "papers", 3))
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def test_a_folder_that_went_while_nobody_looked_is_missing_in_status_and_doctor(owned: Line) -> None:
    folder = many(owned.folder / "papers", 1)
    owned.json("ingest", folder)
    shutil.rmtree(folder)
    assert source_of(owned, "papers")["state"] == "missing"
    assert "rag sources remove papers" in owned.run("doctor").stdout
