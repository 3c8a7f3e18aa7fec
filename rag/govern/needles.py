"""What a byte search looks for: short stretches of bytes, kept as hashes of their windows and not as they are.

A needle is at most 24 bytes. Three windows of eight bytes, at its beginning, middle and end, are mixed into 64 bits by
multipliers drawn for each set; the first window alone gives the 22 bits by which a place in a file is passed over. So a
set can outlive its process, for a search that was interrupted, without holding the text it looks for.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

LONGEST, SHORTEST = 24, 8  # bytes
_BITS = 22

Words: TypeAlias = NDArray[np.uint64]


class Kind(IntEnum):
    """What a needle is made of, as the certificate names it."""

    TEXT = 0
    TEXT_NFC = 1
    TEXT_NFD = 2
    LOWERED = 3
    UTF_16_LE = 4
    UTF_16_BE = 5
    LATIN_1 = 6
    JSON = 7
    BASE64 = 8
    HEX = 9
    PERCENT = 10
    FLOAT32 = 11
    FLOAT64 = 12
    FLOAT16 = 13
    NAME = 14


class Needle(NamedTuple):
    """Bytes to look for, what they are, and the number of the stretch they were made from."""

    content: bytes
    kind: Kind
    stretch: int


class Hits(NamedTuple):
    """Needles found, by number, and where each stands: two arrays of one length."""

    needles: NDArray[np.intp]
    places: NDArray[np.intp]


class Table(NamedTuple):
    """By 22 bits: whether some needle begins so, which lengths do (a bit each), whether some needle is mixed so."""

    begun: NDArray[np.bool_]
    lengths: NDArray[np.uint32]
    mixed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Needles:
    """A set of needles: `mixed`, `firsts`, `lengths`, `kinds`, `stretches`, one entry each, in order of `mixed`."""

    factors: Words
    mixed: Words
    firsts: NDArray[np.uint32]
    lengths: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    stretches: NDArray[np.int32]

    @classmethod
    def of(cls, needles: Iterable[Needle]) -> Needles:
        """A set of these, cut to 24 bytes; what is shorter than 8 is left out."""
        long_enough = [needle for needle in needles if len(needle.content) >= SHORTEST]
        factors = np.asarray([secrets.randbits(64) | 1 for _ in range(3)], np.uint64)
        lengths = np.asarray([min(LONGEST, len(needle.content)) for needle in long_enough], np.uint8)
        padded = b"".join(needle.content[:LONGEST].ljust(LONGEST, b"\0") for needle in long_enough)
        rows = np.frombuffer(padded, np.uint8).reshape(-1, LONGEST)
        windows = [_window(rows, np.asarray(starts)) for starts in _starts(lengths.astype(np.intp))]
        mixed = _mixed(windows, factors)
        order = np.argsort(mixed, kind="stable")
        return cls(
            factors=factors,
            mixed=mixed[order],
            firsts=_first(windows[0], factors)[order],
            lengths=lengths[order],
            kinds=np.asarray([needle.kind for needle in long_enough], np.uint8)[order],
            stretches=np.asarray([needle.stretch for needle in long_enough], np.int32)[order],
        )

    def __len__(self) -> int:
        return len(self.mixed)

    def without(self, stretches: Iterable[int]) -> Needles:
        """The set without what was made from these stretches."""
        left = ~np.isin(self.stretches, np.asarray(sorted(stretches), np.int32))
        return self._chosen(left)

    def only(self, *kinds: Kind) -> Needles:
        """Those of these kinds."""
        return self._chosen(np.isin(self.kinds, np.asarray(kinds, np.uint8)))

    def table(self) -> Table:
        """What tells at once that no needle begins at a place."""
        lengths = np.zeros(1 << _BITS, np.uint32)
        np.bitwise_or.at(lengths, self.firsts, np.uint32(1) << self.lengths.astype(np.uint32))
        return Table(
            lengths != 0,
            lengths,
            np.bincount((self.mixed >> np.uint64(64 - _BITS)).astype(np.intp), minlength=1 << _BITS) > 0,
        )

    def hits(self, content: NDArray[np.uint8], table: Table) -> Hits:
        """Every needle in a stretch of bytes, with its place."""
        numbers, where = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        if len(content) >= SHORTEST and len(self):
            words = np.ndarray((len(content) - 7,), "<u8", np.ascontiguousarray(content).data, strides=(1,))
            places = self._candidates(content, table)
            begun = table.lengths[_first(words[places], self.factors)]
            for length in np.unique(self.lengths).tolist():
                own = places[(begun & np.uint32(1 << length) != 0) & (places + length <= len(content))]
                mixed = _mixed([words[own + start] for start in _offsets(length)], self.factors)
                likely = table.mixed[(mixed >> np.uint64(64 - _BITS)).astype(np.intp)]
                own, mixed = own[likely], mixed[likely]
                first = np.searchsorted(self.mixed, mixed, "left")
                there = np.flatnonzero(self.mixed[np.minimum(first, len(self) - 1)] == mixed)
                many = np.searchsorted(self.mixed, mixed[there], "right") - first[there]
                within = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
                found = np.repeat(first[there], many) + within
                right = self.lengths[found] == length
                numbers.append(found[right])
                where.append(np.repeat(own[there], many)[right])
        return Hits(np.concatenate(numbers), np.concatenate(where))

    def as_bytes(self) -> bytes:
        """For the ledger, until the search is done."""
        out = io.BytesIO()
        np.savez(out, **{name: getattr(self, name) for name in self.__slots__})
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Needles:
        """From the ledger."""
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            return cls(**{name: kept[name] for name in cls.__slots__})

    def _candidates(self, content: NDArray[np.uint8], table: Table) -> NDArray[np.intp]:
        """The places whose first window is some needle's, as far as 22 bits tell."""
        parts = []
        for shift in range(min(8, len(content) - 7)):
            whole = (len(content) - shift) // 8
            words = content[shift : shift + whole * 8].copy().view("<u8")  # copied: aligned
            words *= self.factors[0]
            words >>= np.uint64(64 - _BITS)
            parts.append(np.flatnonzero(table.begun.take(words.view(np.int64))) * 8 + shift)
        return np.concatenate(parts)

    def _chosen(self, left: NDArray[np.bool_]) -> Needles:
        return Needles(
            factors=self.factors,
            mixed=self.mixed[left],
            firsts=self.firsts[left],
            lengths=self.lengths[left],
            kinds=self.kinds[left],
            stretches=self.stretches[left],
        )


def _offsets(length: int) -> tuple[int, int, int]:
    """Where the three windows of a needle of this length begin."""
    return 0, (length - 8) // 2, length - 8


def _starts(lengths: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    return np.zeros_like(lengths), (lengths - 8) // 2, lengths - 8


def _window(rows: NDArray[np.uint8], starts: NDArray[np.intp]) -> Words:
    """Eight bytes of each row, from its own start, as one number."""
    places = starts[:, None] + np.arange(8)
    return np.ascontiguousarray(np.take_along_axis(rows, places, axis=1)).view("<u8").reshape(-1)


def _mixed(windows: Iterable[Words], factors: Words) -> Words:
    total = np.uint64(0)
    for window, factor in zip(windows, factors, strict=True):
        total = total + window * factor
    return np.asarray(total, np.uint64)


def _first(window: Words, factors: Words) -> NDArray[np.uint32]:
    return np.asarray((window * factors[0]) >> np.uint64(64 - _BITS), np.uint32)
