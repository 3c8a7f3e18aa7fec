"""OLE compound files (old Office, Outlook mail) read in memory: streams by path, and their summary of title and dates.

Source: Microsoft's open specifications [MS-CFB] and [MS-OLEPS]. Chains are followed no further than there are sectors,
so that a file that points at itself ends.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rag.errors import UnreadableDocument
from rag.ingest.parse.draft import Draft

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST_SECTOR: Final = 0xFFFFFFFA
_NONE: Final = 0xFFFFFFFF
_STORAGES: Final = (1, 5)
_STREAM: Final = 2
_CODE_PAGES: Final = {65001: "utf-8", 1200: "utf-16-le", 10000: "mac_roman", 20127: "ascii", 28591: "latin-1"}
_MAX_READ: Final = 512 << 20
_SUMMARY: Final = "\x05SummaryInformation"


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


class Compound:
    """One compound file; `paths` are its streams, each as the names of its storages and its own."""

    def __init__(self, body: bytes) -> None:
        try:
            self._open(body)
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise UnreadableDocument("damaged: its OLE container is broken") from error

    def _open(self, body: bytes) -> None:
        if body[:8] != MAGIC:
            raise UnreadableDocument("damaged: not an OLE container")
        self._body, self._left = body, _MAX_READ
        shift, mini_shift = struct.unpack_from("<HH", body, 0x1E)
        if shift not in (9, 12) or mini_shift != 6:
            raise UnreadableDocument("damaged: its OLE container is broken")
        self._sector, self._mini = 1 << shift, 1 << mini_shift
        directory, self._cutoff, mini_fat = (
            *struct.unpack_from("<I", body, 0x30),
            *struct.unpack_from("<II", body, 0x38),
        )
        self._fat = self._load_fat()
        self._mini_fat = _numbers(self._chain(mini_fat)) if mini_fat < _LAST_SECTOR else []
        self._entries = [_entry(row) for row in _rows(self._chain(directory))]
        root = self._entries[0]
        self._ministream = self._chain(root.start)[: root.size] if root.start < _LAST_SECTOR else b""
        self._streams = dict(self._walk())

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """Every stream, in the order of the directory."""
        return list(self._streams)

    def __contains__(self, path: tuple[str, ...]) -> bool:
        return path in self._streams

    def read(self, *path: str) -> bytes:
        """A stream's bytes; b"" if there is none of this name.

        Raises:
            UnreadableDocument: more is read from it than any honest file holds.
        """
        entry = self._streams.get(path)
        if entry is None or entry.size == 0:
            return b""
        if entry.size < self._cutoff:
            data = _follow(self._ministream, self._mini_fat, entry.start, self._mini, 0, entry.size)
        else:
            data = _follow(self._body, self._fat, entry.start, self._sector, self._sector, entry.size)
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableDocument("a bomb: its parts are longer than the file")
        return data[: entry.size]

    def _load_fat(self) -> list[int]:
        places = list(struct.unpack_from("<109I", self._body, 0x4C))
        further, count = struct.unpack_from("<II", self._body, 0x44)
        for _ in range(min(count, len(self._body) // self._sector)):
            if further >= _LAST_SECTOR:
                break
            block = _numbers(self._sector_at(further))
            places += block[:-1]
            further = block[-1]
        known = [place for place in dict.fromkeys(places) if place < _LAST_SECTOR]
        return [number for place in known for number in _numbers(self._sector_at(place))]

    def _sector_at(self, number: int) -> bytes:
        return self._body[(number + 1) * self._sector : (number + 2) * self._sector]

    def _chain(self, start: int) -> bytes:
        return _follow(self._body, self._fat, start, self._sector, self._sector, len(self._body))

    def _walk(self) -> Iterator[tuple[tuple[str, ...], _Entry]]:
        """Streams with their paths, each directory entry at most once."""
        seen: set[int] = set()
        todo: list[tuple[int, tuple[str, ...]]] = [(self._entries[0].child, ())]
        while todo:
            number, path = todo.pop()
            if number in seen or number >= len(self._entries) or len(path) > 30:
                continue
            seen.add(number)
            entry = self._entries[number]
            todo += [(entry.right, path), (entry.left, path)]
            if entry.kind == _STREAM:
                yield (*path, entry.name), entry
            elif entry.kind in _STORAGES:
                todo.append((entry.child, (*path, entry.name)))


def _follow(data: bytes, table: list[int], start: int, sector: int, offset: int, size: int) -> bytes:
    """The sectors of a chain, no more of them than there are, none twice, until `size` bytes are there."""
    seen: set[int] = set()
    pieces, number = [], start
    while number < len(table) and number not in seen and len(seen) * sector < size:
        seen.add(number)
        pieces.append(data[offset + number * sector : offset + (number + 1) * sector])
        number = table[number]
    return b"".join(pieces)


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))


def _rows(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data) - 127, 128):
        yield data[at : at + 128]


def _entry(row: bytes) -> _Entry:
    length = min(struct.unpack_from("<H", row, 64)[0], 64)
    name = row[: max(0, length - 2)].decode("utf-16-le", "replace")
    left, right, child = struct.unpack_from("<III", row, 68)
    start, size = struct.unpack_from("<II", row, 116)
    return _Entry(name, row[66], left, right, child, start, size)


def describe(draft: Draft, body: bytes) -> None:
    """Title, author and dates from the summary of an old Office file; a broken summary costs the summary."""
    try:
        said = dict(_properties(Compound(body).read(_SUMMARY)))
    except (UnreadableDocument, struct.error, IndexError, ValueError, LookupError, OverflowError):
        return
    title, author, created, saved = said.get(2), said.get(4), said.get(12), said.get(13)
    draft.title = draft.title or (title if isinstance(title, str) else None)
    draft.author = draft.author or (author if isinstance(author, str) else None)
    draft.created_at = draft.created_at or (created if isinstance(created, datetime) else None)
    draft.modified_at = draft.modified_at or (saved if isinstance(saved, datetime) else None)


def _properties(data: bytes) -> Iterator[tuple[int, str | datetime]]:
    """The texts and times of a property set, by their numbers."""
    if len(data) < 48:
        return
    start = struct.unpack_from("<I", data, 44)[0]
    count = struct.unpack_from("<I", data, start + 4)[0]
    places = dict(struct.unpack_from("<II", data, start + 8 + 8 * i) for i in range(min(count, 200)))
    code_page = struct.unpack_from("<H", data, start + places[1] + 4)[0] if 1 in places else 1252
    for number, place in places.items():
        kind, length = struct.unpack_from("<II", data, start + place)
        value = data[start + place + 8 : start + place + 8 + min(length, 10_000)]
        if kind == 0x1E:
            yield number, value.decode(codec(code_page), "replace").strip("\x00 ")
        elif kind == 0x40 and (moment := filetime(data[start + place + 4 : start + place + 12])) is not None:
            yield number, moment


def codec(code_page: int) -> str:
    """Python's name for a Windows code page; cp1252 for one it does not know."""
    name = _CODE_PAGES.get(code_page, f"cp{code_page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


def filetime(raw: bytes) -> datetime | None:
    """Windows' time: tenths of microseconds since 1601, UTC."""
    ticks = struct.unpack("<Q", raw)[0] if len(raw) == 8 else 0
    try:
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10) if ticks else None
    except OverflowError:
        return None
