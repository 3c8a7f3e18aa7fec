"""A process that dies in the middle of an erasure: ``python -m tests.govern.crash ROOT STEP DOCUMENT…``.

It is gone, as if killed, before the n-th of the steps below; prints the step it did not take, or ``done``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rag.govern import certificate, erase
from rag.ingest import renewing
from rag.store import journal
from rag.store.ledger import Ledger
from rag.store.vectors import VectorIndex
from rag.store.words import WordIndex
from tests.govern.dwelling import Dwelling

STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Ledger, ("hide", "bury", "keep_erasure", "forget_stretches", "remove", "scrub", "empty_log")),
    (journal, ("keep",)),
    (renewing, ("make_vectors", "_renew_words")),
    (VectorIndex, ("renew",)),
    (WordIndex, ("renew",)),
    (erase, ("renew", "clear_leftovers", "search", "living")),
    (certificate, ("write", "_put")),
)


def main(root: str, step: str, *documents: str) -> None:
    """Erase the documents, but for the steps from this one on."""
    with Dwelling(Path(root)) as dwelling:
        left = int(step)

        def before(method: Callable[..., Any], name: str) -> Callable[..., Any]:
            def counted(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if not left:
                    os.write(1, name.encode())
                    os._exit(9)
                return method(*arguments, **options)

            return counted

        for part, names in STEPS:
            for name in names:
                setattr(part, name, before(getattr(part, name), name))
        dwelling.erase(*documents)
    os.write(1, b"done")


if __name__ == "__main__":
    main(*sys.argv[1:])
