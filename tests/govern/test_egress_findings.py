"""What the doctor says of the guards: asked of processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.kernel import landlock

ASK = """
import ctypes, json, logging, socket, sys
from dataclasses import asdict
from rag.egress.closing import close_in
from rag.egress.endpoints import Endpoint
from rag.egress.lockdown import Mode
logging.disable(logging.CRITICAL)
if sys.argv[1] != "open":
    close_in(Mode(sys.argv[1]), endpoints=[Endpoint("127.0.0.1", 11434)])
from rag.govern import egress  # loads libraries, which start threads
for attempt in sys.argv[2:]:
    try:
        exec(attempt)
    except Exception as error:
        pass
print(json.dumps([[asdict(check) for check in egress.findings()], egress.standing()]))
"""
PYTHON = "socket.getaddrinfo('x.example', 443)"
NATIVE = "ctypes.CDLL(None).socket(2, 2, 0)"
guarded = pytest.mark.skipif(landlock.abi() < landlock.PORTS_ABI, reason="no kernel guard here (Linux 6.7)")


def found(*arguments: str) -> tuple[dict[str, dict[str, object]], dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *arguments], capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    checks, standing = json.loads(done.stdout)
    return {check["name"]: check for check in checks}, standing


@guarded
def test_a_closed_process_is_well_and_says_what_holds() -> None:
    checks, standing = found("strict")
    assert all(check["well"] for check in checks.values())
    said = str(checks["kernel guard"]["finding"])
    assert said.startswith(f"active (Landlock {landlock.abi()} and seccomp, Linux") and "11434" in said
    assert "0 attempts to leave stopped" in said
    assert (standing["active"], standing["stopped_in_python"], standing["stopped_by_kernel"]) == (True, 0, 0)


@guarded
def test_what_was_stopped_is_counted_by_each_guard_and_named() -> None:
    checks, standing = found("strict", PYTHON, NATIVE, NATIVE)
    assert (standing["stopped_in_python"], standing["stopped_by_kernel"]) == (1, 2)
    assert not checks["outbound guard (Python)"]["well"] and not checks["kernel guard"]["well"]
    assert "x.example" in str(checks["outbound guard (Python)"]["finding"])
    assert "UDP socket" in str(checks["kernel guard"]["finding"])
    assert len(standing["last"]) == 3  # type: ignore[arg-type]  # a list


def test_a_kernel_guard_that_is_off_is_said_to_be() -> None:
    checks, standing = found("off", PYTHON)
    assert checks["kernel guard"]["finding"] == "off"
    assert "native code is not held" in str(checks["kernel guard"]["advice"])
    assert (standing["active"], standing["stopped_in_python"], standing["stopped_by_kernel"]) == (False, 1, None)


def test_a_process_that_was_never_closed_is_not_well() -> None:
    checks, standing = found("open")
    assert [check["well"] for check in checks.values()] == [False]
    assert standing == {"guard": False}
