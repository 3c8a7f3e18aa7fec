"""How far a figure may be trusted: percentile bootstrap, always with the same seed, so that a figure is found again.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; used here as Sakai, "Evaluating
Evaluation Metrics based on the Bootstrap", SIGIR 2006, does for retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 7
_AT_ONCE = 100
_ENDS = (2.5, 97.5)
_TAIL = 0.025

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


def share(values: Sequence[float]) -> Figure | None:
    """The mean of values that are shares, 0 to 1. Where all are 0, or all 1, drawing them anew shows no doubt, and the
    fewer there are the more there is: the interval is then the exact one of so many cases.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits", Biometrika 26(4), 1934.
    """
    figure = mean(values)
    return figure and _exact(figure, len(values))


def of_two(statistic: Callable[[Counts, Counts], float], sizes: tuple[int, int]) -> Figure | None:
    """A statistic of two groups of cases, 0 to 1, each drawn anew by itself; None where one of them is empty.

    `statistic` is given how often each case of either group counts. Where every draw gives 0, or every one 1, the
    interval is that of as many cases as the smaller group has.
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
    return _exact(_figure(whole, np.asarray(drawn), sum(sizes)), min(sizes))


def _draws(generator: np.random.Generator, size: int) -> Iterator[NDArray[np.int64]]:
    """Indices (up to `_AT_ONCE`, size), until there are `RESAMPLES` rows: a few at a time, to spare memory."""
    for start in range(0, RESAMPLES, _AT_ONCE):
        yield generator.integers(0, size, (min(_AT_ONCE, RESAMPLES - start), size))


def _figure(value: float, drawn: Numbers, n: int) -> Figure:
    low, high = (float(end) for end in np.percentile(drawn, _ENDS))
    return Figure(value=value, low=min(low, value), high=max(high, value), n=n)


def _exact(figure: Figure, cases: int) -> Figure:
    """The interval of so many cases that were all alike, where it has no width at 0 or 1; else as it is."""
    if figure.low == figure.high and figure.value in (0.0, 1.0):
        reach = 1 - _TAIL ** (1 / cases)
        return replace(figure, high=reach) if figure.value == 0.0 else replace(figure, low=1 - reach)
    return figure
