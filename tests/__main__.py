"""``python -m tests [PYTEST-OPTION…]``: all tests, one process for each folder of them, as many at once as there are
cores, four at most (``TEST_JOBS``).

A folder stands alone so: what a test of another left behind in the process cannot help or harm it. Each tells when it
is through; what it printed is shown then, whole where something failed, and else its summary.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_NOTHING_TO_RUN = 5
_COUNTED = re.compile(r"(\d+) (passed|failed|error|skipped|deselected)")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The tests that lie in one folder, not those below it."""

    name: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of its tests: what is long is begun first."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a folder's tests ended."""

    name: str
    code: int
    seconds: float
    said: str

    @property
    def failed(self) -> bool:
        return self.code not in (0, _NOTHING_TO_RUN)

    @property
    def summary(self) -> str:
        """Pytest's own: what was left out and why, and the last line."""
        lines = self.said.rstrip().split("\n")
        begins = next((number for number, line in enumerate(lines) if "short test summary" in line), len(lines) - 1)
        return "\n".join(lines[begins:])

    @property
    def counted(self) -> Counter[str]:
        """How many passed, failed and so on, by pytest's last line."""
        last = self.said.rstrip().rsplit("\n", 1)[-1]
        return Counter({what: int(number) for number, what in _COUNTED.findall(last)})


def folders() -> list[Folder]:
    """All of them, the largest first."""
    found: dict[str, list[Path]] = {}
    for file in sorted(HERE.rglob("test_*.py")):
        found.setdefault(file.parent.relative_to(HERE.parent).as_posix(), []).append(file)
    return sorted((Folder(name=name, files=tuple(files)) for name, files in found.items()), key=lambda one: -one.size)


def run(folder: Folder, options: list[str]) -> Outcome:
    """One folder's tests, in a process of their own."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, folder.files)],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    return Outcome(name=folder.name, code=done.returncode, seconds=time.monotonic() - began, said=done.stdout)


def main(options: list[str]) -> int:
    """Run them; gives the exit code."""
    jobs = int(os.environ.get("TEST_JOBS") or min(4, os.cpu_count() or 1))
    counted: Counter[str] = Counter()
    failed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(run, folder, options) for folder in folders()]):
            one = done.result()
            counted += one.counted
            failed += [one.name] if one.failed else []
            told = f"FAILED (exit {one.code})" if one.failed else "passed"
            print(f"\n===== {one.name}: {told} in {one.seconds:.0f} s =====")
            print(one.said if one.failed else one.summary, flush=True)
    if failed:
        print(f"\nFailed: {', '.join(sorted(failed))}")
    bad = counted["failed"] + counted["error"] or len(failed)
    print(f"\n{counted['passed']} passed, {bad} failed, {counted['skipped']} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
