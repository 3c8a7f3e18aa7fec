"""`rag serve` told to stop while questions are answered: what runs may end, the rest is told, nothing stays open."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from rag.store.audit import AuditLog
from tests.doors.conftest import QUESTION, Line, Writer, papers
from tests.doors.http.test_asking import events
from tests.standins import says

ASK = {"question": QUESTION, "stream": True}
WITHIN_S = 60
"""Ten seconds are promised, on a machine that does nothing else; the model is silent for much longer than this."""


@contextmanager
def serving(line: Line) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real command, and the address it says."""
    options: dict[str, Any] = {"stderr": subprocess.PIPE}
    with line.start("serve", "--port", "0", "--no-watch", **options) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        yield process, said.split("answers at ")[1].split()[0].strip()


class Reader(threading.Thread):
    """Asks, and reads to the end."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address, self.text, self.status = address, "", 0
        self.found = threading.Event()
        self.start()

    def run(self) -> None:
        with (
            httpx.Client(trust_env=False, timeout=60) as web,
            web.stream("POST", f"{self._address}api/ask", json=ASK) as response,
        ):
            self.status = response.status_code
            for line in response.iter_lines():
                self.text += f"{line}\n"
                if "passages" in line:
                    self.found.set()

    @property
    def events(self) -> list[tuple[str, Any]]:
        self.join(60)
        return events(self.text)


@pytest.fixture
def gate(said: Writer) -> Iterator[threading.Event]:
    """The model writes when the test lets it."""
    gate = threading.Event()
    said.pieces = (says("Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."),)
    said.between = lambda number: gate.wait(200)
    yield gate
    gate.set()


def told(line: Line) -> dict[str, list[str]]:
    """Outcomes by receipt; an opened record without one is left open."""
    log = AuditLog(line.home / "audit")
    found: dict[str, list[str]] = {}
    for record in log.records():
        if record["event"] == "opened":
            found[record["receipt"]] = []
        elif record["event"] == "closed":
            found[record["receipt"]].append(record["outcome"])
    log.close()
    return found


def test_an_answer_under_way_ends_and_new_questions_are_told_to_come_again(
    fresh: Line, said: Writer, gate: threading.Event
) -> None:
    fresh.run("ingest", papers(fresh.folder / "papers"))
    with serving(fresh) as (process, address):
        running = Reader(address)
        assert running.found.wait(60)
        while not said.prompts:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        with httpx.Client(trust_env=False, timeout=30) as web:
            ready = web.get(f"{address}readyz")
            while ready.status_code == 200:  # the signal is on its way: a question would still be taken
                time.sleep(0.01)
                ready = web.get(f"{address}readyz")
            refused = web.post(f"{address}api/ask", json=ASK)
        assert refused.status_code == 503
        assert refused.json()["code"] == "shutting_down" and int(refused.headers["retry-after"]) >= 1
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        gate.set()
        assert [name for name, _ in running.events] == ["passages", "sentence", "done"]
        assert process.wait(WITHIN_S) == 0
    assert list(told(fresh).values()) == [["answered"]]


def test_answers_that_do_not_end_are_told_and_closed_before_the_process_ends(
    fresh: Line, said: Writer, gate: threading.Event
) -> None:
    fresh.run("ingest", papers(fresh.folder / "papers"))
    with serving(fresh) as (process, address):
        readers = [Reader(address) for _ in range(3)]
        assert all(reader.found.wait(60) for reader in readers)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
        for reader in readers:
            name, problem = reader.events[-1]
            assert (name, problem["code"], problem["status"]) == ("error", "shutting_down", 503)
    assert list(told(fresh).values()) == [["stopped"]] * 3


def test_a_service_nobody_asks_stops_without_an_error(fresh: Line) -> None:
    fresh.run("ingest", papers(fresh.folder / "papers"))
    with serving(fresh) as (process, address):
        with httpx.Client(trust_env=False, timeout=30) as web:
            assert web.get(f"{address}healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
