"""One bad file costs itself: neighbours parse at the same time, the next one at once, in a child of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rag.errors import UnreadableDocument
from rag.ingest.parse import ParserPool
from rag.ingest.parse.worker import Child

linux = pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")


def probe(pool: ParserPool, kind: str, body: bytes = b"x") -> str:
    return pool.parse(body, media_type=f"application/x-probe-{kind}", name="probe").text


def test_as_many_documents_parse_at_once_as_there_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)
    ask = Child.ask

    def meet(child: Child, *request: Any, **options: Any) -> object:
        together.wait(timeout=30)  # breaks unless three are at it
        return ask(child, *request, **options)

    monkeypatch.setattr(Child, "ask", meet)
    with ParserPool(profile="probe", workers=3) as pool, ThreadPoolExecutor(9) as threads:
        assert list(threads.map(lambda n: probe(pool, "echo", str(n).encode()), range(9))) == [str(n) for n in range(9)]
        assert len(pool._idle) == 3


def test_no_more_documents_parse_at_once_than_there_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    now, most, lock, pair, ask = [0], [0], threading.Lock(), threading.Barrier(2), Child.ask

    def count(child: Child, *request: Any, **options: Any) -> object:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        pair.wait(timeout=30)
        try:
            return ask(child, *request, **options)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(Child, "ask", count)
    with ParserPool(profile="probe", workers=2) as pool, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: probe(pool, "echo"), range(40)))
    assert most[0] == 2


@linux
@pytest.mark.parametrize(("bad", "body"), [("hang", b"x"), ("spin", b"x"), ("bomb", b"1"), ("crash", b"x")])
def test_a_bad_file_neither_delays_nor_kills_its_neighbour(bad: str, body: bytes) -> None:
    with ParserPool(profile="probe", workers=2, timeout_s=8, memory_mb=400) as pool, ThreadPoolExecutor(1) as threads:
        probe(pool, "echo")
        trouble = threads.submit(probe, pool, bad, body)
        texts = [probe(pool, "echo", str(n).encode()) for n in range(50)]
        overtaken = not trouble.done()
        assert texts == [str(n) for n in range(50)]
        with pytest.raises(UnreadableDocument):
            trouble.result()
    assert overtaken or bad == "crash"  # all fifty while it went on


def test_a_child_that_is_slow_to_start_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    go, first, ready = threading.Event(), threading.Lock(), Child.wait_until_ready

    def slow(child: Child) -> None:
        if first.acquire(blocking=False):
            assert go.wait(timeout=30)
        ready(child)

    monkeypatch.setattr(Child, "wait_until_ready", slow)
    with ParserPool(profile="probe", workers=2) as pool, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(probe, pool, "echo", b"late")
        while not first.locked():
            time.sleep(0.001)
        assert probe(pool, "echo", b"early") == "early"
        assert not waiting.done()
        go.set()
        assert waiting.result() == "late"


def test_a_crash_that_an_earlier_document_left_behind_does_not_cost_this_one() -> None:
    with ParserPool(profile="probe") as pool:
        assert probe(pool, "taint") == "tainted"
        first = pool._idle[0]
        assert probe(pool, "echo", b"innocent") == "innocent"
        assert not first.alive


def test_a_document_that_crashes_a_fresh_child_is_not_tried_for_ever() -> None:
    with ParserPool(profile="probe") as pool:
        probe(pool, "echo")
        with pytest.raises(UnreadableDocument, match="crashed"):
            probe(pool, "crash")
        assert pool._idle == []


def test_a_child_is_replaced_after_so_many_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingest.parse.pool._MAX_MB_A_CHILD", 1)
    with ParserPool(profile="probe") as pool:
        probe(pool, "echo", b"x" * (600 << 10))
        first = pool._idle[0]
        probe(pool, "echo", b"x" * (600 << 10))
        assert pool._idle == []
        assert not first.alive


@linux
def test_a_child_that_a_document_left_swollen_is_replaced() -> None:
    with ParserPool(profile="probe", memory_mb=400) as pool:
        probe(pool, "echo")
        first = pool._idle[0]
        assert probe(pool, "swell", b"150") == "swollen"
        assert not first.alive


@linux
@pytest.mark.parametrize(("bad", "body"), [("hang", b"x"), ("spin", b"x"), ("bomb", b"50"), ("crash", b"x")])
def test_the_next_file_starts_within_a_second_of_a_bad_one(bad: str, body: bytes) -> None:
    took, first = [], []
    with ParserPool(profile="probe", timeout_s=2, memory_mb=200) as pool:
        for _ in range(3):
            with pytest.raises(UnreadableDocument):
                probe(pool, bad, body)
            took.append(next_takes_s(pool))
            with ParserPool(profile="probe") as fresh:
                first.append(next_takes_s(fresh))
    assert min(took) < max(1.0, 2 * min(first)), "on a machine that is busy with others a first file takes long too"


def next_takes_s(pool: ParserPool) -> float:
    began = time.monotonic()
    assert probe(pool, "echo", b"next") == "next"
    return time.monotonic() - began


@linux
def test_children_keep_their_walls_under_the_guards_of_the_service() -> None:
    """The service may have closed its own network, privileges and files before the first document comes."""
    code = (
        "from rag.egress import Guard\nfrom rag.ingest.parse import ParserPool, confine\n"
        "from rag.kernel.calls import no_new_privileges\nGuard().install()\n"
        "assert no_new_privileges() and confine._seccomp()\n"
        "with ParserPool(profile='probe') as pool:\n"
        "    said = pool.parse(b'127.0.0.1:9', media_type='application/x-probe-socket', name='x').text\n"
        "    print(said.count('not permitted'), any('seccomp' in wall for wall in pool.confinement()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(), timeout=60)
    assert done.stdout.split() == ["4", "True"], done.stderr
