"""The examples of the README do what it says, as they stand there: only the port is another one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.conftest import readme
from tests.doors.http.conftest import CLOSED, LEAVE, SICK, served
from tests.doors.http.house import House


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    house = House(home=tmp_path_factory.mktemp("house"), papers=(LEAVE, SICK, CLOSED))
    with served(house) as found:
        yield found.removeprefix("http://")
    house.close()


LINES = [line for block in readme("sh") for line in block.splitlines() if line.startswith("curl ")]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("localhost:8088")[1].split()[0].strip("'"))
def test_every_request_of_the_readme_is_answered(address: str, line: str, tmp_path: Path) -> None:
    typed = line.replace("localhost:8088", address).replace("curl ", "curl --fail-with-body --noproxy '*' ", 1)
    done = subprocess.run(["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(word in done.stdout for word in ("24 Werktage", '"house"', "archivar/house", '"openapi"', "urlaub.pdf"))


def test_the_readmes_program_with_the_openai_client_runs(address: str) -> None:
    (program,) = [block for block in readme("python") if "OpenAI(" in block]
    done = subprocess.run(
        [sys.executable, "-c", program.replace("localhost:8088", address)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "answered Der Urlaub beträgt 24 Werktage." in done.stdout


def test_there_are_examples() -> None:
    assert len(LINES) >= 8
