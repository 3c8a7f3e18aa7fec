"""Does the audit log hold? Finds any record that was changed, dropped, put elsewhere or added, any day that was cut or
is missing, and, against a hash that was kept elsewhere, a tail that was cut off.

What it cannot find: what root does with the key at hand. Whoever can read `audit/key` can write another log that holds;
only an anchor on another machine, or the memory of the ledger, contradicts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rag.errors import SettingsError
from rag.store.segments import BEGUN, FIRST, PURGED, SEALED, START, Segment, chained, lines, record_of, segments

_ANCHOR = re.compile(r"(?:(\d{1,18}):)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first thing that does not hold: the number of the record, its day (UTC, "" before segments), and what is
    wrong with it in words."""

    record: int
    day: str
    what: str


class Anchor(NamedTuple):
    """The hash of a record as it was once; `record` is its number, None where only the hash was kept."""

    record: int | None
    hash: str
    kept: str = "the anchor"

    def __str__(self) -> str:
        return f"{self.record}:{self.hash}"


def anchors_of(text: str, *, kept: str) -> list[Anchor]:
    """The anchors in a text, as `rag audit head` and the anchor file give them: ``1042:ab12…``, or a hash alone.

    Raises:
        SettingsError: there is none in it.
    """
    found = [Anchor(int(number) if number else None, hash_, kept) for number, hash_ in _ANCHOR.findall(text)]
    if not found:
        raise SettingsError(f"{kept} holds no anchor. `rag audit head` prints one: a number, a colon and 64 letters.")
    return found


def verify(directory: Path, *, key: bytes, sizes: Mapping[str, int], anchors: Iterable[Anchor] = ()) -> Fault | None:
    """The first fault, or None where everything holds. `sizes`: name of a file → how much of it is to be read, where
    more may be appended meanwhile."""
    kept = list(anchors)
    chain = _Chain(key=key, wanted={anchor.record for anchor in kept} | {anchor.hash for anchor in kept})
    found = segments(directory)
    for place, segment in enumerate(found):
        written = lines(segment.path, sizes.get(segment.path.name))
        fault = chain.read(segment, written, open_end=place == len(found) - 1)
        if fault is not None:
            return fault
    return chain.end(kept)


@dataclass(slots=True, kw_only=True)
class _Chain:
    """What is known after the records read so far."""

    key: bytes
    wanted: set[int | str | None]
    sequence: int = 0
    before: str = START
    seal: str = START
    sealed: bool = False
    day: str = ""
    start: tuple[int, str, str] | None = None
    purged: dict[str, int] = field(default_factory=dict)
    found: dict[int | str, tuple[str, str]] = field(default_factory=dict)
    """Number or hash, of those wanted → hash and day."""

    def read(self, segment: Segment, written: Iterator[bytes], *, open_end: bool) -> Fault | None:
        if self.start is not None and not self.sealed:
            return self._fault(f"the day {self.day or FIRST} was cut at its end: its seal is missing")
        self.day, self.sealed = segment.day, False
        count = 0
        for entry in written:
            fault = self._one(segment, entry, count)
            if fault is not None:
                return fault
            count += 1
        if not count and not (open_end and segment.day == ""):
            return self._fault(f"the day {segment.day or FIRST} is empty")
        return None

    def _one(self, segment: Segment, entry: bytes, count: int) -> Fault | None:
        record = record_of(entry)
        if record is None:
            return self._fault("it is not a record that was written here")
        if not count:
            fault = self._first(segment, record)
            if fault is not None:
                return fault
        if self.sealed:
            return self._fault("it stands after the day's seal")
        if record.get("sequence") != self.sequence + 1:
            return self._fault(f"another stands in its place, numbered {record.get('sequence')}")
        plain = not segment.day and record.get("event") != SEALED
        if record.get("hash") != chained(self.before, record, None if plain else self.key):
            return self._fault("it was changed, or what stood before it")
        if record.get("event") == SEALED:
            if (record.get("count"), record.get("last")) != (count, self.before):
                return self._fault("the seal is not that of its day")
            self.sealed, self.seal = True, record["hash"]
        elif record.get("event") == PURGED:
            self.purged |= {gone["seal"]: gone["last"] for gone in record["segments"]}
        self.sequence, self.before = record["sequence"], record["hash"]
        for name in self.wanted.intersection((self.sequence, self.before)):
            self.found[name or 0] = (self.before, segment.day)
        return None

    def _first(self, segment: Segment, record: dict[str, Any]) -> Fault | None:
        if not segment.day:
            self.start = (1, START, "")
            return None
        if (record.get("event"), record.get("day")) != (BEGUN, segment.day):
            return self._fault(f"the day {segment.day} does not begin with the record of its beginning")
        if self.start is None:  # what was before it may have been purged: `end` looks for the record of that
            sequence, before = record.get("sequence"), record.get("before")
            if not isinstance(sequence, int) or not isinstance(before, str):
                return self._fault("it is not a record that was written here")
            self.start = (sequence, before, segment.day)
            self.sequence, self.before, self.seal = sequence - 1, before, before
        elif record.get("before") != self.seal:
            return self._fault(f"what was recorded between the days before and {segment.day} is missing")
        return None

    def end(self, anchors: list[Anchor]) -> Fault | None:
        if self.start is not None and self.start[:2] != (1, START):
            number, before, day = self.start
            if self.purged.get(before) != number - 1:
                what = f"everything before the day {day} is missing, and no purge recorded that"
                return Fault(record=number - 1, day=day, what=what)
        for anchor in anchors:
            fault = self._anchored(anchor)
            if fault is not None:
                return fault
        return None

    def _anchored(self, anchor: Anchor) -> Fault | None:
        if anchor.record is None:
            return (
                None
                if anchor.hash in self.found or anchor.hash in self.purged
                else self._fault(f"{anchor.kept} names a record that is not there")
            )
        if anchor.record > self.sequence:
            what = f"the log ends at record {self.sequence}; {anchor.kept} knows of record {anchor.record}"
            return Fault(record=self.sequence + 1, day=self.day, what=what)
        if anchor.record not in self.found:
            return None  # purged, and the purge is in the chain
        found, day = self.found[anchor.record]
        if found == anchor.hash:
            return None
        return Fault(record=anchor.record, day=day, what=f"it is not the one {anchor.kept} knows: another log is here")

    def _fault(self, what: str) -> Fault:
        return Fault(record=self.sequence + 1, day=self.day, what=what)
