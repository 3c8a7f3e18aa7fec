"""A whole ingest is killed at named points and at random; nothing acknowledged is lost, mixed or double."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import recovery, scenario
from tests.faults.seeds import chosen


class Crashes:
    """The process that runs scenarios until they are killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, **job: Any) -> int:
        """The exit status of one scenario; -9 where it was killed."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(job | {"directory": str(job["directory"])}), file=self._process.stdin, flush=True)
        return int(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def crashes() -> Iterator[Crashes]:
    opened = Crashes()
    yield opened
    opened.close()


def kills(passed: dict[str, int], count: int, chance: random.Random) -> list[tuple[str, int]]:
    """Points and occurrences: each point before any comes a second time."""
    names: list[str] = []
    while len(names) < count:
        names += chance.sample(sorted(passed), len(passed))
    return [(name, chance.randint(1, passed[name])) for name in names[:count]]


def killed_everywhere(
    crashes: Crashes, directory: Path, *, named: int, random_moments: int, twice: int
) -> Counter[str]:
    """Kill, recover, finish; returns how often the child died at which point."""
    chance = chosen("crashes")
    seed = chance.randrange(1 << 30)
    rounds = scenario.rounds(seed)
    scenario.start(directory / "start", seed)
    calm = scenario.copied(directory / "start", directory / "calm")
    assert crashes.run(directory=calm, seed=seed, first=1) == 0
    told = recovery.acks(calm)
    assert told.done == len(rounds) - 1 and len(told.passed) >= 30
    recovery.check(calm, rounds)
    died: Counter[str] = Counter()
    for number, (point, nth) in enumerate(kills(told.passed, named, chance)):
        place = scenario.copied(directory / "start", directory / f"named-{number}")
        print(f"{point} no. {nth} of {told.passed[point]}", flush=True)
        assert crashes.run(directory=place, seed=seed, first=1, point=point, nth=nth) in (-9, 0)
        died[recovery.acks(place).killed] += 1
        if number < twice:
            again = chance.choice(sorted(told.passed))
            print(f"  and again: {again}")
            crashes.run(directory=place, seed=seed, first=recovery.acks(place).done + 1, point=again, again=True)
        recovery.check(place, rounds)
    for number in range(random_moments):
        place = scenario.copied(directory / "start", directory / f"random-{number}")
        after_s = chance.uniform(0.05, told.seconds)
        print(f"after {after_s:.3f} s", flush=True)
        crashes.run(directory=place, seed=seed, first=1, after_s=after_s)
        recovery.check(place, rounds)
    del died[""]  # went through: what two threads do is not the same each time
    return died


def test_what_was_acknowledged_outlives_a_kill_at_any_point(crashes: Crashes, tmp_path: Path) -> None:
    died = killed_everywhere(crashes, tmp_path, named=24, random_moments=6, twice=4)
    assert len(died) >= 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("turn", range(5))
def test_what_was_acknowledged_outlives_a_hundred_kills(crashes: Crashes, tmp_path: Path, turn: int) -> None:
    died = killed_everywhere(crashes, tmp_path, named=70, random_moments=30, twice=15)
    assert len(died) >= 30
