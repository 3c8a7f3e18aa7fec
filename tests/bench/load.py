"""Everybody asks at nine in the morning: one model seat, many questions, and what each of them sees.

LOAD_HOME   a home to ask, for instance one of 100,000 chunks (default: the sample company, read into a fresh one);
            "light": no home, the door and its desk alone
LOAD_ASKED  questions at once (200), LOAD_USERS by so many people (40)
LOAD_IDLE   streams that wait (1000), LOAD_ALONE questions one after the other (100)

The model is scripted (0.2 s for an answer), retrieval, checks, ledger and audit are real; client and server are two
processes, so a machine of two cores is full while all questions arrive.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.bench.asking import Told, ask, get, jain
from tests.bench.machine import allow_sockets, environment, whole

QUESTIONS = (
    "Wann beginnt die Spätschicht?",
    "Wie viele Urlaubstage stehen mir bei einer Vollzeitstelle zu?",
    "How fast must we react to an S1 incident?",
    "Was kostet uns das CAD Programm jährlich?",
)
_LONGEST_S = 600


def measure() -> dict[str, Any]:
    """All figures, one server after the other in the same home."""
    allow_sockets()
    with _home() as home:
        with _server(home) as (address, _):
            alone = asyncio.run(_one_by_one(address))
            crowd = asyncio.run(_crowd(address))
        with _server(home, LOAD_WAITING="50") as (address, _):
            bounded = asyncio.run(_beyond_the_bound(address))
        with _server(home, LOAD_WAITING="2000", LOAD_PIECE_S="15") as (address, server):
            idle = asyncio.run(_idle(address, server))
    return {
        "load_average": round(os.getloadavg()[0], 1),
        "alone": alone,
        "at_once": crowd,
        "beyond_the_bound": bounded,
        "idle": idle,
    }


async def _one_by_one(address: str) -> dict[str, Any]:
    """Nobody else is there: what the endpoint costs beside `App.ask`, and how soon the evidence is there."""
    for _ in range(5):
        await ask(address, user="warm", question=QUESTIONS[0])
    before = len(json.loads((await get(address, "/bench/spent")).body))
    told = [
        await ask(address, user="one", question=QUESTIONS[n % len(QUESTIONS)], stream=n % 2 == 0, early=True)
        for n in range(whole("LOAD_ALONE", 100))
    ]
    spent = json.loads((await get(address, "/bench/spent")).body)[before:]
    later = [1000 * (one.ended_s - took) for one, took in zip(told, spent, strict=True)]
    evidence = [1000 * at for one in told if (at := one.first("passages")) is not None]
    return {
        "asked": len(told),
        "endpoint_over_ask_ms_median": round(statistics.median(later), 1),
        "endpoint_over_ask_ms_p95": round(_percentile(later, 0.95), 1),
        "passages_ms_median": round(statistics.median(evidence), 1),
        "passages_ms_p95": round(_percentile(evidence, 0.95), 1),
    }


async def _crowd(address: str) -> dict[str, Any]:
    """All at once, nobody refused: lost answers, fairness while all of them wait, and health meanwhile."""
    count, users = whole("LOAD_ASKED", 200), whole("LOAD_USERS", 40)
    began, ended = time.perf_counter(), asyncio.Event()
    health = asyncio.ensure_future(_health(address, ended))
    asking = [
        ask(address, user=f"user{n % users}", question=f"{QUESTIONS[n % len(QUESTIONS)]} {n}") for n in range(count)
    ]
    told = await asyncio.wait_for(asyncio.gather(*asking), _LONGEST_S)
    ended.set()
    evidence = [at for one in told if (at := one.first("passages")) is not None]
    return {
        "asked": count,
        "users": users,
        "lost": sum(one.status != 200 or one.names[-1] != "done" for one in told),
        "seconds": round(time.perf_counter() - began, 1),
        "jain_at_half": round(_fairness(told), 3),
        "passages_s_median": round(statistics.median(evidence), 2),
        "passages_s_worst": round(max(evidence), 2),
        **_health_figures(await health),
    }


async def _beyond_the_bound(address: str) -> dict[str, Any]:
    """As many, but only 50 may wait: refusals at once, and nobody lost who comes again when told to."""
    count, users = whole("LOAD_ASKED", 200), whole("LOAD_USERS", 40)
    refusals: list[float] = []
    ended = asyncio.Event()
    health = asyncio.ensure_future(_health(address, ended))

    async def until_answered(number: int) -> Told:
        while True:
            told = await ask(address, user=f"user{number % users}", question=f"{QUESTIONS[number % 4]} {number}")
            if told.status != 429:
                return told
            refusals.append(told.ended_s)
            await asyncio.sleep(int(told.headers["retry-after"]))

    told = await asyncio.wait_for(asyncio.gather(*map(until_answered, range(count))), _LONGEST_S)
    ended.set()
    return {
        "asked": count,
        "may_wait": 50,
        "lost": sum(one.status != 200 or one.names[-1] != "done" for one in told),
        "refusals": len(refusals),
        "refused_within_s_median": round(statistics.median(refusals), 3) if refusals else None,
        "refused_within_s_worst": round(max(refusals), 3) if refusals else None,
        **_health_figures(await health),
    }


async def _idle(address: str, server: int) -> dict[str, Any]:
    """Streams that wait and hold no thread."""
    count = whole("LOAD_IDLE", 1000)
    warm = (ask(address, user=f"warm{n}", question=QUESTIONS[n % 4], leave_after="passages") for n in range(8))
    await asyncio.gather(*warm)  # what all finders need once is no stream's
    before_mb, threads = _resident_mb(server), _threads(server)
    asking = [
        asyncio.ensure_future(ask(address, user=f"user{n % 100}", question=f"{QUESTIONS[n % 4]} {n}"))
        for n in range(count)
    ]
    began = time.perf_counter()
    await asyncio.sleep(1)
    while (now := json.loads((await get(address, "/bench/waiting")).body))["finding"] or now["waiting"] < count / 2:
        if time.perf_counter() - began > _LONGEST_S:
            raise RuntimeError("the streams do not come to wait")
        await asyncio.sleep(0.5)
    waiting_s = time.perf_counter() - began
    await asyncio.sleep(5)
    health = [(await get(address, "/healthz")).ended_s for _ in range(100)]
    during_mb, during_threads = _resident_mb(server), _threads(server)
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return {
        "streams": count,
        "waiting": now["waiting"],
        "all_waiting_after_s": round(waiting_s, 1),
        "resident_mb_before": round(before_mb),
        "resident_mb": round(during_mb),
        "grown_mb": round(during_mb - before_mb),
        "threads_before": threads,
        "threads": during_threads,
        "healthz_ms_p99": round(1000 * _percentile(health, 0.99), 1),
    }


async def _health(address: str, ended: asyncio.Event) -> list[float]:
    took = []
    while not ended.is_set():
        took.append((await get(address, "/healthz")).ended_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.1)
    return took


def _health_figures(took: Sequence[float]) -> dict[str, Any]:
    return {
        "healthz_asked": len(took),
        "healthz_ms_median": round(1000 * statistics.median(took), 1),
        "healthz_ms_p99": round(1000 * _percentile(took, 0.99), 1),
    }


def _fairness(told: Sequence[Told]) -> float:
    """What each person got when half of all were answered: at the end everybody has everything."""
    done = sorted((one.began_s + one.ended_s, one.user) for one in told)
    got = Counter(user for _, user in done[: len(done) // 2])
    return jain([got[user] for user in sorted({one.user for one in told})])


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@contextmanager
def _home() -> Iterator[Path]:
    if given := os.environ.get("LOAD_HOME"):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as home:
        yield Path(home)


@contextmanager
def _server(home: Path, **environ: str) -> Iterator[tuple[str, int]]:
    """A server process; gives its address and its process id."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load_server", str(home)],
        env=environment() | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()
            process.wait(60)


def _resident_mb(process: int) -> float:
    return _status(process, "VmRSS:") / 1024


def _threads(process: int) -> int:
    return _status(process, "Threads:")


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
