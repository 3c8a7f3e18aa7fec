"""As the container runs it: an ordinary user, no capability, no new privileges. The kernel guard holds all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag.kernel import landlock

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes
from rag.egress.closing import close_in
from rag.egress.endpoints import endpoint
from rag.egress.lockdown import Mode

now = close_in(Mode.STRICT, endpoints=[endpoint("127.0.0.1:11434")], listen=[8088]).lockdown
datagram = ctypes.CDLL(None).socket(2, 2, 0)
print(now.active, datagram, now.stopped()[0])
"""

able = os.geteuid() == 0 and shutil.which("setpriv") and landlock.abi() >= landlock.PORTS_ABI


@pytest.mark.skipif(not able, reason="needs root to become nobody special, setpriv, and Landlock with ports")
def test_the_kernel_guard_needs_no_capability_and_no_privilege() -> None:
    ordinary = ["--reuid", "10001", "--regid", "10001", "--clear-groups"]
    closed = ["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    command = ["setpriv", *ordinary, *closed, sys.executable, "-c"]
    if subprocess.run([*command, "import rag"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("an ordinary user cannot read this installation")
    done = subprocess.run([*command, PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "-1", "1"]
