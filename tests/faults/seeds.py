"""Random choices that rotate from run to run and can be repeated: ``FAULT_SEED=… pytest …``."""

from __future__ import annotations

import os
import random


def fresh() -> int:
    """The seed of this run: $FAULT_SEED, else another every time."""
    given = os.environ.get("FAULT_SEED")
    return int(given) if given else int.from_bytes(os.urandom(4), "big")


def chosen(what: str) -> random.Random:
    """A source of chance whose seed is printed, so that a failure shows how to repeat it."""
    seed = fresh()
    print(f"FAULT_SEED={seed} ({what})")
    return random.Random(seed)
