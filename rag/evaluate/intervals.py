"""How far a figure may be trusted: percentile bootstrap, always with the same seed, so that a figure is found again.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; used here as Sakai, "Evaluating
Evaluation Metrics based on the Bootstrap", SIGIR 2006, does for retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 7
_AT_ONCE = 100
_ENDS = (2.5, 97.5)

Numbers: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]  # how often each of n cases was drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure over `n` cases, with the 95 % interval around it."""

    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {name: round(getattr(self, name), 6) for name in ("value", "low", "high")} | {"n": self.n}


def mean(values: Sequence[float]) -> Figure | None:
    """The mean of the values; None where there are none."""
    data = np.asarray(values, np.float64)
    if not data.size:
        return None
    generator = np.random.default_rng(_SEED)
    means = [data[drawn].mean(axis=1) for drawn in _draws(generator, data.size)]
    return _figure(float(data.mean()), np.concatenate(means), data.size)


def of_two(statistic: Callable[[Counts, Counts], float], sizes: tuple[int, int]) -> Figure | None:
    """A statistic of two groups of cases, each drawn anew by itself; None where one of them is empty.

    `statistic` is given how often each case of either group counts.
    """
    if 0 in sizes:
        return None
    generator = np.random.default_rng(_SEED)
    even = [1.0 / size for size in sizes]
    drawn = [
        statistic(*(generator.multinomial(size, [p] * size) for size, p in zip(sizes, even, strict=True)))
        for _ in range(RESAMPLES)
    ]
    whole = statistic(*(np.ones(size, np.int64) for size in sizes))
    return _figure(whole, np.asarray(drawn), sum(sizes))


def _draws(generator: np.random.Generator, size: int) -> Iterator[NDArray[np.int64]]:
    """Indices (up to `_AT_ONCE`, size), until there are `RESAMPLES` rows: a few at a time, to spare memory."""
    for start in range(0, RESAMPLES, _AT_ONCE):
        yield generator.integers(0, size, (min(_AT_ONCE, RESAMPLES - start), size))


def _figure(value: float, drawn: Numbers, n: int) -> Figure:
    low, high = (float(end) for end in np.percentile(drawn, _ENDS))
    return Figure(value=value, low=min(low, value), high=max(high, value), n=n)
