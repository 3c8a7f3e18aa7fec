"""`rag ingest` as it is typed: what it says of what waits, failed, cannot be reached or was stopped."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rag.api.local import LocalDoor
from rag.client import Client
from rag.ingest.report import Report
from rag.service import Service
from tests.doors.conftest import TRUE, Line, embed, owner, show, tag
from tests.models.scripted_server import Exchange, ScriptedServer


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


# ---- stopping ----


@dataclass
class Gate:
    """An embedder that waits at its first texts until it is let through, and once more at others."""

    line: Line
    reached: threading.Event = field(default_factory=threading.Event)
    through: threading.Event = field(default_factory=threading.Event)
    others_through: threading.Event = field(default_factory=threading.Event)

    def embed(self, exchange: Exchange) -> None:
        if len(exchange.json["input"]) > 1:  # not the one text that tells the dimension
            self.reached.set()
            self.through.wait(60)
        if "anderswo" in str(exchange.json["input"]):
            self.others_through.wait(60)
        embed(exchange)


@pytest.fixture
def gate(fresh: Line) -> Iterator[Gate]:
    """A home whose ingest waits in the middle: two hundred documents are read, none is recorded."""
    gate = Gate(Line(fresh.folder, fresh.folder / "gated.toml"))
    routes = {
        "GET /api/version": lambda exchange: exchange.reply({"version": "0"}),
        "GET /api/tags": lambda exchange: exchange.reply({"models": [tag("words:latest", "2")]}),
        "POST /api/show": show,
        "POST /api/embed": gate.embed,
    }
    with ScriptedServer(routes) as server:
        told = fresh.config.read_text()
        before = told.split('base_url = "')[1].split('"')[0]
        gate.line.config.write_text(told.replace(before, server.url))
        yield gate
        gate.through.set()
        gate.others_through.set()


@contextmanager
def held(gate: Gate, count: int = 240) -> Iterator[subprocess.Popen[str]]:
    """An ingest that has come to the gate."""
    folder = many(gate.line.folder / "papers", count)
    with gate.line.start("ingest", folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert gate.reached.wait(60)
        yield process


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_ingest_after_the_documents_under_way_and_the_next_run_continues(
    gate: Gate, number: signal.Signals
) -> None:
    with held(gate) as process:
        process.send_signal(number)
        assert line_of(process) == "Stopping after the documents under way. Ctrl-C again ends at once.\n"
        gate.through.set()
        told, said = process.communicate(timeout=60)
        assert process.returncode == 130
    added = int(told.split(" added")[0])
    assert 200 <= added < 240
    assert said.startswith(f"Stopped. {240 - added} documents left; what was finished stays")
    assert "Traceback" not in said
    assert source_of(gate.line, "papers")["state"] == "unfinished"
    report = gate.line.json("ingest")
    assert (report["added"], report["unchanged"], report["stopped"]) == (240 - added, added, False)
    assert source_of(gate.line, "papers")["state"] == "level"


def test_a_second_signal_ends_it_at_once_and_the_next_run_continues(gate: Gate) -> None:
    with held(gate) as process:
        process.send_signal(signal.SIGINT)
        line_of(process)
        process.send_signal(signal.SIGINT)
        told, said = process.communicate(timeout=20)
        assert (process.returncode, told, said) == (130, "", "")
    assert not gate.through.is_set()
    gate.through.set()
    assert source_of(gate.line, "papers")["state"] == "unfinished"
    assert gate.line.json("ingest")["added"] == 240


def test_a_stopped_ingest_is_still_one_object(gate: Gate) -> None:
    folder = many(gate.line.folder / "papers", 240)
    with gate.line.start("ingest", folder, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert gate.reached.wait(60)
        process.send_signal(signal.SIGINT)
        line_of(process)
        gate.through.set()
        report = json.loads(process.communicate(timeout=60)[0])
    assert (report["stopped"], report["left"]) == (True, 240 - report["added"])


def test_a_second_ingest_says_what_it_waits_for_and_is_seen_out_by_the_first(gate: Gate) -> None:
    with held(gate, 3) as first:
        other = many(gate.line.folder / "other", 2, "Das steht anderswo.")
        with gate.line.start("ingest", other, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as second:
            assert line_of(second) == "Waiting for another ingest to finish (papers, 0 of 3 documents) …\n"
            gate.through.set()
            assert line_of(first) == "Done; another `rag ingest` goes on in this process. Ctrl-C stops it.\n"
            gate.others_through.set()
            told, _ = second.communicate(timeout=60)
            assert (second.returncode, json.loads(told)["added"]) == (0, 2)
        report, _ = first.communicate(timeout=60)
        assert (first.returncode, "3 added" in report) == (0, True)


class Slow:
    """Stands in for an App whose work goes on after it was told to stop, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.told, self.may_end = threading.Event(), threading.Event(), threading.Event()
        self.ledger = self

    def entries(self, *, failed_only: bool) -> list[Any]:
        return []

    def ingest(self, names: frozenset[str], **options: Any) -> Report:
        self.begun.set()
        while not options["stopped"]():
            self.may_end.wait(0.01)
        self.told.set()
        self.may_end.wait(60)
        return Report()


class Owner(Service):
    """A service whose ingest is that of a slow App."""

    def ingest(self, **options: Any) -> Iterator[dict[str, Any]]:
        yield from self._ingestion.run(["papers"], confirmed=frozenset())

    def status(self) -> Iterator[dict[str, Any]]:
        yield {"answers": True}


def test_an_owner_stops_what_was_asked_by_somebody_who_has_gone_and_answers_others_meanwhile(fresh: Line) -> None:
    slow: Any = Slow()
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Owner(slow), fresh.home):
        with fresh.start("ingest", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert slow.begun.wait(60)
            process.send_signal(signal.SIGINT)
            told, said = process.communicate(timeout=20)
        assert (process.returncode, told) == (130, "")
        assert said.strip() == "Stopped. What was finished stays; the next run continues."
        assert slow.told.wait(20), "the owner does not notice that nobody listens any more"
        try:
            answers: list[Any] = []
            ask = threading.Thread(target=lambda: answers.extend(Client(fresh.home, pid=None).call("status", {})))
            ask.start()
            ask.join(20)
            assert answers == [{"answers": True}]
        finally:
            slow.may_end.set()


def test_a_folder_that_went_while_nobody_looked_is_missing_in_status_and_doctor(owned: Line) -> None:
    folder = many(owned.folder / "papers", 1)
    owned.json("ingest", folder)
    shutil.rmtree(folder)
    assert source_of(owned, "papers")["state"] == "missing"
    assert "rag sources remove papers" in owned.run("doctor").stdout
