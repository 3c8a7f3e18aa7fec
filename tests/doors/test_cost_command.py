"""`rag cost` beside a service that runs: what that counted is told, and no second model is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.conftest import QUESTION, Line, Writer, owner, papers

MACHINE = "[cost]\nhardware_price = 3652.5\nlifetime_years = 5\nwatts_busy = 150\nprice_kwh = 0.3\n"


@pytest.fixture
def priced(tmp_path: Path, config: Path) -> Line:
    """A home of its own, and settings that say what the machine costs."""
    own = tmp_path / "priced.toml"
    own.write_text(config.read_text() + MACHINE)
    return Line(tmp_path, own)


@pytest.fixture
def open_line(priced: Line) -> Iterator[Line]:
    """It, owned by this process."""
    with owner(priced):
        yield priced


def test_the_tokens_are_those_the_running_service_counted(open_line: Line, said: Writer) -> None:
    open_line.json("ingest", papers(open_line.folder / "papers"), code=3)
    for _ in range(2):
        open_line.json("ask", QUESTION)
    asked = len(said.prompts)
    used = open_line.json("cost")["usage"]
    assert used["tokens_out"] == 9
    assert used["tokens_in"] == sum(2 * len(prompt.split()) for prompt in said.prompts) / 2
    assert used["source"].startswith("counted by the service over 2 answers")
    assert used["seconds"] > 0
    assert len(said.prompts) == asked, "nothing was measured beside it"


def test_a_service_that_wrote_nothing_yet_is_not_measured_beside(open_line: Line, said: Writer) -> None:
    done = open_line.run("cost")
    told = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert "Ask something first" in told and "stop it" in told
    assert said.prompts == []


def test_where_nothing_runs_two_answers_are_measured(priced: Line, said: Writer) -> None:
    used = priced.json("cost")["usage"]
    assert (used["tokens_out"], used["per_day"]) == (9, 0)
    assert len(said.prompts) == 2


def test_as_many_are_measured_at_the_same_time_as_the_service_writes(priced: Line, said: Writer) -> None:
    priced.config.write_text(priced.config.read_text() + "\n[server]\nslots = 3\n")
    used = priced.json("cost")["usage"]
    assert (used["at_once"], len(said.prompts)) == (3, 3)
    assert "3 at the same time" in used["source"]
