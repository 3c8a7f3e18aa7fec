"""Random texts that are hard to count: scripts of the world, emoji, base64, words without end."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable

_SCRIPTS = ((0x0370, 0x03FF), (0x0400, 0x04FF), (0x05D0, 0x05EA), (0x0620, 0x064A), (0x0900, 0x0939), (0x0E01, 0x0E2E),
            (0x3041, 0x3096), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F300, 0x1F64F), (0x00C0, 0x024F))  # fmt: skip


def seed() -> int:
    """$RAG_SEED, else another one each time; printed, so that a failure can be had again."""
    chosen = int(os.environ.get("RAG_SEED") or random.SystemRandom().randrange(10**6))
    print(f"RAG_SEED={chosen}")
    return chosen


def text(rng: random.Random, characters: int) -> str:
    """About so many characters, of one kind or a mixture."""
    kinds = (_words, _script, _base64, _long_word, _emoji, _figures)
    pieces, length = [], 0
    chosen: tuple[Callable[[random.Random, int], str], ...] = kinds if rng.random() < 0.4 else (rng.choice(kinds),)
    while length < characters:
        piece = rng.choice(chosen)(rng, rng.randint(1, max(1, min(400, characters - length))))
        pieces.append(piece)
        length += len(piece) + 1
    return rng.choice((" ", "\n", "")).join(pieces)


def _words(rng: random.Random, length: int) -> str:
    words = (
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyzäöüß", k=rng.randint(1, 12))) for _ in range(length // 6 + 1)
    )
    return " ".join(words)


def _script(rng: random.Random, length: int) -> str:
    first, last = rng.choice(_SCRIPTS)
    return "".join(chr(rng.randint(first, last)) for _ in range(length))


def _base64(rng: random.Random, length: int) -> str:
    return base64.b64encode(rng.randbytes(length)).decode()[:length]


def _long_word(rng: random.Random, length: int) -> str:
    return rng.choice("aäx") * length


def _emoji(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("👩🏽‍💻🏳️‍🌈🇩🇪🫠§€") for _ in range(length))


def _figures(rng: random.Random, length: int) -> str:
    return " ".join(str(rng.randrange(10 ** rng.randint(1, 12))) for _ in range(length // 7 + 1))
