"""A vector index made from the ledger in a process of its own: ``python -m rag.ingest.making LEDGER DIRECTORY …``.

Chroma's file is a dump of its array, rows that were never set included: whatever the process had in that memory before.
A process that never saw what was erased cannot write it down; the ledger is scrubbed before it is read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from rag.errors import StoreError, StoreFull
from rag.ingest.reconcile import level_vectors
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex

_FULL = 3


def make_vectors(
    ledger: Path,
    directory: Path,
    *,
    fingerprint: str,
    dimension: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make an index that is not there yet, and close it. It ends when this process does.

    Raises:
        StoreFull: the disk is full.
        StoreError: it could not be made.
    """
    command = [sys.executable, "-m", "rag.ingest.making", str(ledger), str(directory), fingerprint, str(dimension)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as child:
        last = ""
        for line in child.stdout or ():
            last = line.strip()
            done, _, total = last.partition("/")
            if total.isdigit():
                progress(int(done), int(total))
        code = child.wait()
    if code == _FULL:
        raise StoreFull(last)
    if code:
        raise StoreError(f"The vector index could not be made anew ({last or f'it ended with {code}'}). Run it again.")


def main(arguments: Sequence[str]) -> int:
    """Make it; progress and what went wrong go to stdout, a line each."""
    ledger_path, directory, fingerprint, dimension = arguments
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with (
            closing(Ledger(Path(ledger_path))) as ledger,
            closing(VectorIndex(Path(directory), fingerprint=fingerprint, dimension=int(dimension))) as index,
        ):
            level_vectors(ledger, index, writing=threading.RLock(), progress=_tell)
    except StoreError as error:
        sys.stdout.write(f"{error}\n")
        return _FULL if isinstance(error, StoreFull) else 1
    return 0


def _tell(done: int, total: int) -> None:
    sys.stdout.write(f"{done}/{total}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Whoever asked for it holds the other end of our standard input."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
