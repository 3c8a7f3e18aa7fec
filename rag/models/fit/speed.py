"""How fast a model will be: from the machine's measured memory bandwidth and arithmetic, or from the model itself.

Writing a token reads every weight that speaks once, so it is bound by the bandwidth; reading a prompt computes two
operations a weight and token, so it is bound by the arithmetic.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.models.fit.anatomy import Anatomy
from rag.ports import Generation, LanguageModel, Message

_BLOCK_BYTES = 64 * 2**20
_REPEATS = 5
_SIDE = 1024
_OF_BANDWIDTH, _OF_ARITHMETIC = 0.6, 0.5
"""What runtimes reach of either, about; the reason why an estimate is good to a factor of two only."""
ESTIMATED_ERROR, MEASURED_ERROR = 0.5, 0.25
_TRIAL_WORDS, _TRIAL_TOKENS = 160, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What the machine can do now: bytes a second that are read, and operations a second (32-bit matrix products)."""

    bandwidth: float
    arithmetic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Tokens a second. `error` is the bound of the relative error; `measured` whether the model itself ran."""

    reading: float
    writing: float
    error: float
    measured: bool


def measure(threads: int) -> Power:
    """Measure the machine, about a second, with as many threads as the model would have. The best of a few runs counts:
    what disturbs only slows down."""
    blocks = [np.ones(_BLOCK_BYTES // 4, np.float32) for _ in range(threads)]
    left, right = (np.ones((_SIDE, _SIDE), np.float32) for _ in range(2))
    with ThreadPoolExecutor(threads) as pool:
        reading = _best(lambda: list(pool.map(np.max, blocks)))
    computing = _best(lambda: left @ right)
    return Power(bandwidth=threads * _BLOCK_BYTES / reading, arithmetic=2 * _SIDE**3 / computing)


def estimate(anatomy: Anatomy, power: Power) -> Speed:
    """What to expect of a model that lies in the machine's own memory."""
    spoken = anatomy.parameters * anatomy.read_bytes / max(anatomy.weights_bytes, 1)
    return Speed(
        reading=_OF_ARITHMETIC * power.arithmetic / max(2 * spoken, 1),
        writing=_OF_BANDWIDTH * power.bandwidth / max(anatomy.read_bytes, 1),
        error=ESTIMATED_ERROR,
        measured=False,
    )


def trial(path: Path, *, threads: int, context: int = 1024) -> Speed:
    """Run the model itself in this process: a prompt of some two hundred tokens, then two dozen written ones.

    Raises:
        ModelUnavailable, ModelTimeout: it cannot be run.
    """
    from rag.models.embedded import EmbeddedModel

    model = EmbeddedModel(path, name=path.stem, sha256="", context_tokens=context, threads=threads)
    try:
        runs = [_run(model, number) for number in range(2)]
    finally:
        model.close()
    return Speed(
        reading=statistics.fmean(reading for reading, _ in runs),
        writing=statistics.fmean(writing for _, writing in runs),
        error=max(MEASURED_ERROR, *(_spread([run[place] for run in runs]) for place in (0, 1))),
        measured=True,
    )


def _run(model: LanguageModel, number: int) -> tuple[float, float]:
    """Tokens a second read and written."""
    words = " ".join(f"{number}{place}" for place in range(_TRIAL_WORDS // 2))
    messages = [Message(role="user", content=f"{words} Write the numbers from one to one hundred in words.")]
    tokens = model.count_tokens(messages)
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 200}
    began, first, used = time.perf_counter(), 0.0, None
    for delta in model.stream(messages, Generation(max_tokens=_TRIAL_TOKENS, schema=schema)):
        first = first or time.perf_counter()
        used = delta.usage or used
    ended = time.perf_counter()
    wrote = (used.output_tokens if used and used.output_tokens else _TRIAL_TOKENS) - 1
    return tokens / max(first - began, 1e-6), wrote / max(ended - first, 1e-6)


def _spread(values: list[float]) -> float:
    return (max(values) - min(values)) / max(*values, 1e-9)


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return max(min(taken), 1e-9)
