"""The owner's socket: who owns a home answers for it, and for nobody but its own user."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.api.local import LocalDoor
from rag.client import SOCKET, Client
from rag.errors import ModelUnavailable, RagError, SettingsError, StoreError, StoreOwned
from rag.service.operations import Service
from rag.store.owner import Ownership
from tests.doors.conftest import QUESTION, ROOT, TRUE, Line, Writer, owner, papers
from tests.standins import says

pytestmark = pytest.mark.usefixtures("said")


@pytest.fixture(scope="module")
def open_line(line: Line) -> Iterator[Line]:
    """A home that this process owns."""
    with owner(line):
        yield line


def test_every_command_goes_through_the_owner(open_line: Line) -> None:
    report = open_line.json("ingest", papers(open_line.folder / "papers"), code=3)
    assert (report["added"], len(report["failed"])) == (2, 1)
    assert open_line.json("status")["pid"] == os.getpid()
    assert open_line.json("ask", QUESTION)["text"] == f"{TRUE} [1]"
    assert open_line.json("search", "badge", "-k", "1")["passages"][0]["document_id"] == "papers:badges.md"
    assert len(open_line.json("documents")["documents"]) == 3
    assert TRUE in open_line.json("show", "papers:urlaub.txt")["text"]
    assert open_line.json("doctor", code=1)["well"] is False


def test_the_progress_of_an_ingest_arrives_while_it_runs(open_line: Line, tmp_path: Path) -> None:
    folder = papers(tmp_path / "more")
    events = list(Client(open_line.home, pid=None).call("ingest", {"paths": [str(folder)]}))
    *told, report = events
    steps = [event["progress"] for event in told if "progress" in event]
    assert [step[1:3] for step in steps] == [[0, 3], [1, 3], [2, 3], [3, 3]]
    assert steps[-1][3:] == [report["chunks"], 1], "chunks and failures so far"
    assert told[0] == {"looking": "more"}, "before the first look into the folder"
    assert {event["reading"] for event in told if "reading" in event} == {step[0] for step in steps[1:]}
    assert report["added"] == 2
    open_line.json("sources", "remove", "more")


def test_the_socket_is_its_owners_alone(open_line: Line) -> None:
    path = open_line.home / SOCKET
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(open_line.home.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_where_the_mode_lets_them_in(open_line: Line) -> None:
    script = (
        "import os, socket, sys\n"
        "peer = socket.socket(socket.AF_UNIX)\n"
        "os.chdir(sys.argv[1])\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "peer.connect('socket')\n"
        "peer.sendall(b'POST /status HTTP/1.1\\r\\nHost: owner\\r\\nContent-Length: 2\\r\\n\\r\\n{}')\n"
        "sys.stdout.write(repr(peer.recv(100)))\n"
    )
    mode = open_line.home.stat().st_mode
    path = open_line.home / SOCKET
    try:
        open_line.home.chmod(0o711)
        path.chmod(0o666)
        done = subprocess.run(
            [sys.executable, "-c", script, str(open_line.home)], capture_output=True, text=True, timeout=30, check=False
        )
    finally:
        path.chmod(0o600)
        open_line.home.chmod(mode)
    assert done.stdout in ("b''", "") and "PermissionError" not in done.stderr
    assert done.stdout or "ConnectionResetError" in done.stderr or "BrokenPipeError" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("show", "papers:nowhere.txt"), 1, "There is no document"),
        (("ask", "x", "--as", " "), 2, "A person's name is needed"),
        (("ingest", "/nowhere"), 1, "does not exist"),
        (("ask", "x", "--model", "nowhere"), 1, "ollama pull nowhere"),
    ],
)
def test_what_goes_wrong_there_ends_here_as_it_would_have_ended_here(
    open_line: Line, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = open_line.run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("dance", {}, SettingsError),
        ("show", {}, SettingsError),
        ("show", {"document": "x", "more": 1}, SettingsError),
        ("ingest", {"paths": ["/nowhere"]}, RagError),
        ("ask", {"question": "x", "model": "nowhere"}, ModelUnavailable),
    ],
)
def test_an_error_keeps_its_class(
    open_line: Line, operation: str, arguments: dict[str, Any], error: type[RagError]
) -> None:
    with pytest.raises(error):
        list(Client(open_line.home, pid=None).call(operation, arguments))


def test_a_second_owner_is_refused_with_the_first_ones_pid(open_line: Line) -> None:
    for command in ("serve", "watch"):
        done = open_line.run(command)
        assert (done.returncode, done.stdout) == (75, "")
        assert f"pid {os.getpid()}" in done.stderr


def test_an_answer_is_passed_on_sentence_by_sentence(open_line: Line, said: Writer) -> None:
    heard, first = threading.Event(), says(TRUE)[:-2]
    said.pieces = (first, "]}")
    said.between = lambda number: (heard.wait(20), None)[1] if number == 1 else None
    events = Client(open_line.home, pid=None).call("ask", {"question": QUESTION})
    assert next(events)["event"] == "passages"
    assert next(events)["text"] == TRUE, "before the model has finished"
    heard.set()
    assert next(events)["event"] == "done"


def test_a_home_deeper_than_a_socket_path_may_be_is_reached(fresh: Line) -> None:
    deep = Line(fresh.folder.joinpath(*["a-rather-long-name-of-a-folder"] * 5), fresh.config)
    deep.folder.mkdir(parents=True)
    assert len(str(deep.home / SOCKET)) > 140
    with owner(deep):
        assert deep.json("status")["pid"] == os.getpid()
        assert stat.S_IMODE((deep.home / SOCKET).stat().st_mode) == 0o600


def test_a_socket_left_by_an_owner_that_died_is_no_obstacle(fresh: Line) -> None:
    with fresh.start("serve", "--port", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert "Archivar answers at" in process.stderr.readline()
        assert fresh.json("status")["pid"] == process.pid
        process.kill()
        process.wait(20)
    assert (fresh.home / SOCKET).exists()
    assert fresh.json("status")["pid"] != process.pid
    with owner(fresh):
        assert fresh.json("status")["pid"] == os.getpid()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_stopped_leaves_nothing_behind_and_ends_well(fresh: Line, number: signal.Signals) -> None:
    with fresh.start("serve", "--port", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(number)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    assert not (fresh.home / SOCKET).exists()


class Vanishing:
    """An owner that begins to answer and is gone."""

    def __init__(self, home: Path, answer: bytes) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(home / SOCKET))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            with peer:
                if not peer.recv(65536):  # only a look whether anybody is there
                    continue
                peer.sendall(self._answer)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return

    def __enter__(self) -> Vanishing:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(20)
        self._listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (HEAD + b'22\r\n{"event": "passages", "passages": []}\n', 1, "ended in the middle of this command"),
        (HEAD, 1, "ended in the middle of this command"),
        (b"", 75, "does not answer"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 1, "did not understand the command"),
    ],
)
def test_an_owner_that_is_gone_in_the_middle_is_told_of_in_one_sentence(
    fresh: Line, answer: bytes, code: int, says: str
) -> None:
    with Vanishing(fresh.home, answer):
        done = fresh.run("ask", "x")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore forgets the socket
def test_a_home_that_nobody_owns_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(StoreOwned):
        list(Client(tmp_path, pid=7).call("status", {}))


class Broken(Service):
    """A service with a fault in it."""

    def status(self) -> Iterator[dict[str, Any]]:
        yield {}
        raise KeyError("a fault")


def test_a_fault_in_the_owner_is_one_sentence_here_and_a_trace_in_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app: Any = None
    with LocalDoor(Broken(app), tmp_path), pytest.raises(StoreError, match=r"should not have happened.*KeyError"):
        list(Client(tmp_path, pid=None).call("status", {}))
    assert [record.exc_info is not None for record in caplog.records if record.name == "rag.api.local"] == [True]


def test_the_lock_and_not_the_socket_says_who_owns(tmp_path: Path, config: Path) -> None:
    line = Line(tmp_path, config)
    with Ownership(line.home):
        done = line.run("serve", "--port", "0")
    assert done.returncode == 75
    assert json.loads(line.run("status", "--json").stdout)["documents"] == 0


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom rag.cli import run\nassert run(['--help']) == 0\n"
        "heavy = {'torch', 'chromadb', 'llama_index', 'numpy', 'httpx', 'rich', 'tantivy', 'fastapi', 'openvino'}\n"
        "sys.stderr.write(repr(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]"
    assert "usage: rag" in done.stdout


def test_a_command_that_goes_through_an_owner_loads_no_library_of_the_index(open_line: Line) -> None:
    script = (
        "import sys\nfrom rag.cli import run\nassert run(['status', '--json']) == 0\n"
        "heavy = {'torch', 'chromadb', 'llama_index', 'tantivy', 'fastapi', 'openvino', 'onnxruntime', 'xberg'}\n"
        "sys.stderr.write(repr(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=open_line.folder,
        env=open_line.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == "[]"


def test_a_filter_that_is_not_understood_is_refused_not_left_out(open_line: Line) -> None:
    with pytest.raises(SettingsError, match="no filter called author"):
        list(Client(open_line.home, pid=None).call("search", {"query": "x", "filters": {"author": "anna"}}))
