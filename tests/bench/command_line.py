"""What `rag --help` costs: CPU seconds, user and system, median of seven."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from typing import Any


def measure() -> dict[str, Any]:
    """Run it seven times after one warm-up."""
    costs = []
    for _ in range(8):
        before = os.times()
        subprocess.run([sys.executable, "-m", "rag", "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        costs.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return {"cpu_s_median": round(statistics.median(costs[1:]), 3), "cpu_s_max": round(max(costs[1:]), 3)}
