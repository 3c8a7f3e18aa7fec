"""Data at rest: a home that others can read is no home, what is written in it is ours alone, no core is left, and
nothing that lies there is run (T04)."""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - the bomb that must not go off
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.store.owner import Ownership
from tests.doors.conftest import Line, config, ollama, papers, writer

__all__ = ["config", "ollama", "writer"]


@pytest.fixture
def line(tmp_path: Path, config: Path) -> Line:
    return Line(tmp_path, config)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o710, 0o701, 0o770])
def test_a_home_that_others_can_read_refuses_to_start_and_says_what_mends_it(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "ledger.sqlite").touch()
    home.chmod(mode)
    with pytest.raises(StoreError, match=rf"\(mode {mode:04o}\)\. Close it with: chmod 700 {home}\."):
        Ownership(home)
    home.chmod(0o700)
    Ownership(home).close()


def test_every_command_refuses_such_a_home(line: Line) -> None:
    line.home.mkdir()
    (line.home / "something").touch()
    line.home.chmod(0o755)
    for command in (("ingest", papers(line.folder / "papers")), ("ask", "x"), ("doctor",), ("serve",), ("watch",)):
        done = line.run(*command)
        assert done.returncode == 1 and f"chmod 700 {line.home}" in done.stderr, command
    assert sorted(path.name for path in line.home.iterdir()) == ["something"]


def test_a_fresh_home_is_closed_also_where_the_folder_was_there(tmp_path: Path) -> None:
    for home in (tmp_path / "new", tmp_path / "made"):
        if home.name == "made":
            home.mkdir(mode=0o755)
        Ownership(home).close()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_is_written_into_a_home_is_ours_alone(line: Line) -> None:
    before = os.umask(0o022)
    try:
        line.json("ingest", papers(line.folder / "papers"), code=3)
        line.json("ask", "Wie viele Arbeitstage?")
    finally:
        os.umask(before)
    modes = {path.relative_to(line.home).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in line.home.rglob("*")}
    assert len(modes) > 5
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_no_core_is_left_of_a_process_that_is_closed() -> None:
    code = (
        "import resource\nfrom rag.egress.closing import close_in\nfrom rag.egress.lockdown import Mode\n"
        "close_in(Mode.OFF, endpoints=[])\nprint(*resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout == "1 1\n"
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 1, "the tests' own process is not closed"


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (str(self.proof), 0o700)


def test_t04_a_pickle_that_lies_about_is_not_run(line: Line) -> None:
    line.json("ingest", papers(line.folder / "papers"), code=3)
    proof = line.folder / "exploded"
    bomb = pickle.dumps(Bomb(proof))
    places = [path for path in line.home.rglob("*") if path.is_dir()] + [
        line.home,
        line.folder,
        line.folder / "no-models",
    ]
    names = ("index_metadata.pickle", "model.pkl", "pytorch_model.bin", "78-EUC-H.pickle.gz", ".env", "cache.joblib")
    for place in places:
        place.mkdir(exist_ok=True)
        for name in names:
            (place / name).write_bytes(bomb)
    for held in line.home.rglob("*.pickle"):
        held.write_bytes(bomb)
    (line.folder / "papers" / "bomb.pdf").write_bytes(bomb)
    (line.folder / "papers" / "bomb.pkl").write_bytes(bomb)
    line.run("ingest", CMAP_PATH=str(line.folder))
    line.run("search", "Urlaub")
    line.run("doctor")
    line.run("index", "rebuild")
    assert not proof.exists()
    pickle.loads(bomb)
    assert proof.exists(), "the bomb is a real one"
