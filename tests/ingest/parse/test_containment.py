"""A document can do no harm: every limit and wall, proven by a parser that runs against it."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from rag.errors import ReadingStopped, UnreadableDocument
from rag.ingest.parse import ParserPool, worker
from rag.ingest.parse.reply import Reply
from rag.ingest.parse.worker import Child

linux = pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")
landlock = pytest.mark.skipif(
    sys.platform != "linux" or ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 1,
    reason="this kernel has no Landlock",
)


def probe(pool: ParserPool, kind: str, body: bytes = b"x") -> str:
    return pool.parse(body, media_type=f"application/x-probe-{kind}", name="probe").text


@pytest.fixture
def pool() -> Iterator[ParserPool]:
    with ParserPool(profile="probe", memory_mb=200) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["hang", "spin"])
def test_a_hang_ends_at_the_limit_and_the_next_file_parses(kind: str) -> None:
    with ParserPool(profile="probe", timeout_s=3, memory_mb=200) as pool:
        started = time.monotonic()
        with pytest.raises(UnreadableDocument, match="over the 3 s limit"):
            probe(pool, kind)
        assert time.monotonic() - started < 30
        assert probe(pool, "echo", b"next") == "next"


def test_an_answer_that_is_there_counts_however_late_it_is_looked_at(
    pool: ParserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, late_s = Child._read, [0.0]

    def stands_still(child: Child, descriptor: int, reply: Reply) -> None:
        read(child, descriptor, reply)
        late_s[0] += 3600 * reply.complete

    monkeypatch.setattr(Child, "_read", stands_still)
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + late_s[0]))
    assert probe(pool, "echo", b"there") == "there"


def test_a_child_is_ended_once_nobody_waits_for_it_any_more(pool: ParserPool) -> None:
    asked = iter([False] * 3)
    with pytest.raises(ReadingStopped):
        pool.parse(b"x", media_type="application/x-probe-hang", name="probe", stopped=lambda: next(asked, True))
    assert not pool._idle
    assert probe(pool, "echo", b"next") == "next"


@linux
@pytest.mark.parametrize(
    ("step_mb", "reason"), [(b"5", "over the 200 MB memory limit"), (b"5000", "over the memory limit")]
)
def test_a_memory_bomb_costs_one_file_whether_it_creeps_or_leaps(step_mb: bytes, reason: str) -> None:
    with ParserPool(profile="probe", timeout_s=30, memory_mb=200) as pool:
        with pytest.raises(UnreadableDocument, match=reason):
            probe(pool, "bomb", step_mb)
        assert probe(pool, "echo", b"next") == "next"


def test_a_crash_costs_one_file(pool: ParserPool) -> None:
    with pytest.raises(UnreadableDocument, match="crashed"):
        probe(pool, "crash")
    assert probe(pool, "echo", b"next") == "next"


def test_more_text_than_allowed_is_refused() -> None:
    with ParserPool(profile="probe", max_text_chars=1_000_000) as pool:
        with pytest.raises(UnreadableDocument, match="over the limit of 1,000,000 characters"):
            probe(pool, "flood", b"5")
        assert probe(pool, "echo", b"next") == "next"


def test_a_result_that_is_no_document_is_refused(pool: ParserPool) -> None:
    with pytest.raises(UnreadableDocument, match="no document"):
        probe(pool, "lie")
    assert probe(pool, "echo", b"next") == "next"


def test_a_library_that_prints_does_not_break_the_protocol(pool: ParserPool) -> None:
    assert probe(pool, "print") == "printed"


@linux
def test_a_child_cannot_open_a_socket(pool: ParserPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()  # it is there, and can be reached from here
        said = probe(pool, "socket", f"127.0.0.1:{port}".encode())
    assert "connected" not in said
    assert len(said.splitlines()) == 4
    assert any(wall.startswith("network:") for wall in pool.confinement())


@landlock
def test_a_child_reads_nothing_but_its_libraries(pool: ParserPool, tmp_path: Path) -> None:
    secret = tmp_path / "ledger.sqlite"
    secret.write_text("secret")
    assert probe(pool, "read", str(secret).encode()).startswith("refused")
    assert probe(pool, "read", b"/etc/passwd").startswith("refused")
    assert probe(pool, "read", f"/proc/{os.getpid()}/environ".encode()).startswith("refused")


@landlock
def test_a_child_writes_nowhere_but_into_its_scratch_folder(pool: ParserPool, tmp_path: Path) -> None:
    said = probe(pool, "write", str(tmp_path / "out.txt").encode()).splitlines()
    assert said[0].startswith("refused")
    assert said[1] == "written"
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_is_gone_after_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ParserPool(profile="probe") as pool:
        probe(pool, "write", b"/nowhere/x")
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_child_gets_none_of_the_service_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_TOKEN", "s3cret")
    with ParserPool(profile="probe") as pool:
        said = probe(pool, "read", b"/proc/self/environ")
    assert "s3cret" not in said


def test_a_child_survives_the_thread_that_asked_for_it() -> None:
    with ParserPool(profile="probe") as pool:
        first = threading.Thread(target=probe, args=(pool, "echo"))
        first.start()
        task = Path(f"/proc/self/task/{first.native_id}")
        first.join()
        while task.exists():  # the kernel's thread ends a little after Python's
            time.sleep(0.001)
        child = pool._idle[0]
        assert probe(pool, "echo", b"again") == "again"
        assert pool._idle[0] is child


def test_several_threads_parse_at_once_each_in_its_own_child() -> None:
    with ParserPool(profile="probe", workers=3, timeout_s=3) as pool, ThreadPoolExecutor(6) as threads:
        hanging = threads.submit(probe, pool, "hang")
        texts = list(threads.map(lambda n: probe(pool, "echo", str(n).encode()), range(30)))
        assert texts == [str(n) for n in range(30)]
        with pytest.raises(UnreadableDocument, match="limit"):
            hanging.result()


def test_a_child_is_replaced_after_so_many_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingest.parse.pool._MAX_DOCUMENTS_A_CHILD", 2)
    with ParserPool(profile="probe") as pool:
        probe(pool, "echo")
        first = pool._idle[0]
        probe(pool, "echo")
        probe(pool, "echo")
        assert pool._idle[0] is not first
        assert not first.alive


@linux
def test_a_busy_child_ends_with_the_process_that_started_it() -> None:
    code = (
        "import os, threading\nfrom rag.ingest.parse import ParserPool\n"
        "pool = ParserPool(profile='probe')\npool.parse(b'x', media_type='application/x-probe-echo', name='x')\n"
        "pid = pool._idle[0]._process.pid\nprint(pid, flush=True)\n"
        "spin = dict(media_type='application/x-probe-spin', name='x')\n"
        "threading.Thread(target=pool.parse, args=(b'x',), kwargs=spin, daemon=True).start()\n"
        "ticks = lambda: int(open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[11])\n"
        "before = ticks()\nwhile ticks() < before + 10:\n    pass\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(), timeout=120)
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while _runs(child):
        assert time.monotonic() < deadline, "the child outlived its parent"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_the_parent_loads_no_parser_library() -> None:
    code = (
        "import sys\nfrom rag.ingest.parse import ParserPool, media_type_of\n"
        "with ParserPool() as pool:\n    pool.fingerprint\n"
        "    pool.parse(b'<h1>Titel</h1>', media_type=media_type_of('a.html', b'<h1>'), name='a.html')\n"
        "banned = {'lxml', 'pypdfium2', 'PIL', 'numpy', 'xberg', 'python_calamine', 'rapidocr', 'charset_normalizer'}\n"
        "print(sorted(banned & {name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(), timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
