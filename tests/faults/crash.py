"""A process that runs scenarios in children and lets them be killed: ``python -m tests.faults.crash``.

Reads one job a line from standard input and forks for each: `directory` holds ``home`` and ``docs``, `seed` names the
scenario, `first` the round to begin with. `point` and `nth` say where the child kills itself, or `after_s` when it is
killed. The child tells what is recorded in ``directory/acks``, a line each, which outlives it. Answers with the status
of the child.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rag.ports import Step
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from tests.faults import scenario
from tests.ingest.room import Room

METHODS: dict[type, tuple[str, ...]] = {
    Ledger: (
        *("acl_class", "announce", "hide", "move", "record", "record_failure", "remove", "reprotect", "reveal"),
        *("settle", "source_reached", "touch"),
    ),
    VectorIndex: ("put", "delete"),
    WordIndex: ("put", "delete", "commit"),
}
_STATEMENT = re.compile(r"[A-Z]+( (OR|INTO|FROM|IMMEDIATE|REPLACE|IGNORE|INSERT))*( [a-z_]+)?( SET [a-z_]+)?")


class Points:
    """Counts what is passed and kills the process at the n-th time at one of them."""

    def __init__(self, acks: int, point: str, nth: int) -> None:
        self._acks, self._point, self._left, self._lock = acks, point, nth, threading.Lock()
        self.passed: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        with self._lock:
            self.passed[point] += 1
            if point == self._point:
                self._left -= 1
                if not self._left:
                    os.write(self._acks, json.dumps({"killed": point}).encode() + b"\n")
                    os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The method with a point before and after it."""

        def pointed(*arguments: Any, **options: Any) -> Any:
            self(f"before {name}")
            found = method(*arguments, **options)
            self(f"after {name}")
            return found

        return pointed

    def statement(self, sql: str) -> None:
        """Before a statement that writes."""
        if not sql.startswith(("SELECT", "PRAGMA", "--")) and (match := _STATEMENT.match(sql)):
            self(f"before {match[0]}")


def child(job: dict[str, Any]) -> None:
    """Run the scenario; never returns to the loop."""
    directory = Path(job["directory"])
    acks = os.open(directory / "acks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    points = Points(acks, job.get("point", ""), job.get("nth", 1))
    for kind, names in METHODS.items():
        for name in names:
            setattr(kind, name, points.around(getattr(kind, name), f"{kind.__name__}.{name}"))
    began = time.monotonic()
    with Room(directory / "home") as room:
        room.ledger._db.set_trace_callback(points.statement)
        for number, step in list(enumerate(scenario.rounds(job["seed"])))[job["first"] :]:
            scenario.apply(directory / "docs", step) if not job.get("again") else scenario.force(
                directory / "docs", step
            )
            tell(acks, {"round": number})

            def recorded(progress: Step) -> None:
                tell(acks, {"recorded": progress.document})

            scenario.run(room, directory / "docs", step, recorded)
            tell(acks, {"done": number, "keys": scenario.keys(room)})
    tell(acks, {"passed": points.passed, "seconds": time.monotonic() - began})


def tell(acks: int, what: dict[str, Any]) -> None:
    """Acknowledge."""
    os.write(acks, json.dumps(what).encode() + b"\n")


def main() -> None:
    """One job after the other."""
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            try:
                child(job)
                os._exit(0)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
        if "after_s" in job:
            time.sleep(job["after_s"])
            os.kill(pid, signal.SIGKILL)  # not yet waited for: the number is still its own
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])), flush=True)


if __name__ == "__main__":
    main()
