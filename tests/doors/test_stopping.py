"""An ingest that is stopped, or asked for twice: what was finished stays, and nobody is left without an answer."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from rag.api.local import LocalDoor
from rag.client import Client
from rag.ingest.report import Report
from rag.service.operations import Service
from tests.doors.conftest import Line, embed, show, tag
from tests.doors.test_ingest_command import many, source_of
from tests.models.scripted_server import Exchange, ScriptedServer


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
