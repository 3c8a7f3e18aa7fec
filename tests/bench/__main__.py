"""``python -m tests.bench [NAME…]``: run the benches named, or all, and print one JSON object."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.bench import (
    auditing,
    command_line,
    compare,
    embedding,
    erasure,
    evidence,
    first_token,
    fit,
    formats,
    freshness,
    golden_set,
    growth,
    hardware,
    ingestion,
    languages,
    load,
    page,
    reading,
    retrieval,
    scale,
    scanning,
    support,
)
from tests.bench.machine import Busy

BENCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "audit": auditing.measure,
    "command_line": command_line.measure,
    "compare": compare.measure,
    "golden": golden_set.measure,
    "evidence": evidence.measure,
    "first_token": first_token.measure,
    "fit": fit.measure,
    "embedding": embedding.measure,
    "languages": languages.measure,
    "load": load.measure,
    "reading": reading.measure,
    "page": page.measure,
    "retrieval": retrieval.measure,
    "ingestion": ingestion.measure,
    "formats": formats.measure,
    "scanning": scanning.measure,
    "freshness": freshness.measure,
    "growth": growth.measure,
    "hardware": hardware.measure,
    "scale": scale.measure,
    "support": support.measure,
    "erasure": erasure.measure,
}


def main(names: list[str]) -> None:
    """Run and print; each bench says how many cores other processes kept busy meanwhile."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.exit(f"No bench called {', '.join(unknown)}; there are {', '.join(BENCHES)}.")
    found = {}
    for name in names or BENCHES:
        began, busy = time.perf_counter(), Busy()
        figures = BENCHES[name]()
        found[name] = figures | {"seconds": round(time.perf_counter() - began, 1), "other_cores": busy.other_cores()}
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
