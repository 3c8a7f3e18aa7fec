"""What only a real terminal shows: the progress bar."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

CODE = """
from rag.cli.output import Bar
with Bar() as bar:
    bar.one("first.pdf", 0, 2)
    bar.one("", 2, 2)
with Bar(bytes_counted=True) as bar:
    bar.many("model.gguf", 0, 0)
    bar.many("model.gguf", 5_000_000, 10_000_000)
print("drawn")
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a terminal of the system is needed")
def test_the_progress_bar_is_drawn_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed: the system's way of saying so
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0, shown.decode(errors="replace")
    assert b"drawn" in shown
    assert b"5/10 MB" in shown
