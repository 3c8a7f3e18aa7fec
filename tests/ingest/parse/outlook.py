"""Outlook mails and old Office containers, written from scratch as the specifications [MS-CFB] and [MS-OXMSG] say."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

Streams = dict[tuple[str, ...], bytes]
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


@dataclass
class _Node:
    name: str
    data: bytes | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    number: int = 0
    start: int = _END
    right: int = _FREE


def compound(streams: Mapping[tuple[str, ...], bytes]) -> bytes:
    """A compound file of 512-byte sectors with these streams, small ones in the mini stream."""
    root = _Node("Root Entry")
    for path, data in streams.items():
        node = root
        for step in path:
            node = node.children.setdefault(step, _Node(step))
        node.data = data
    nodes = _numbered(root)
    mini, mini_fat = bytearray(), []
    sectors: list[bytes] = []
    fat: list[int] = []
    for node in nodes[1:]:
        if node.data is not None and 0 < len(node.data) < 4096:
            node.start = len(mini_fat)
            count = -(-len(node.data) // 64)
            mini_fat += [*range(node.start + 1, node.start + count), _END]
            mini += node.data.ljust(64 * count, b"\0")
        elif node.data:
            node.start = _stored(node.data, sectors, fat)
    root.data, root.start = bytes(mini), _stored(bytes(mini), sectors, fat) if mini else _END
    mini_start = _stored(struct.pack(f"<{len(mini_fat)}I", *mini_fat), sectors, fat) if mini_fat else _END
    directory = b"".join(_row(node) for node in nodes)
    directory_start = _stored(directory.ljust(-(-len(directory) // 512) * 512, b"\0"), sectors, fat)
    fat_sectors = 1
    while fat_sectors * 128 < len(fat) + fat_sectors:
        fat_sectors += 1
    first_fat = len(fat)
    fat += [_FAT] * fat_sectors
    fat += [_FREE] * (fat_sectors * 128 - len(fat))
    places = [first_fat + i for i in range(fat_sectors)] + [_FREE] * (109 - fat_sectors)
    mini_sectors = -(-len(mini_fat) // 128)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    head += struct.pack(
        "<IIIIIIIII", fat_sectors, directory_start, 0, 4096, mini_start, mini_sectors, _END, 0, *places[:1]
    )
    head += struct.pack("<108I", *places[1:])
    return head + b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat)


def _numbered(root: _Node) -> list[_Node]:
    nodes, todo = [], [root]
    while todo:
        node = todo.pop(0)
        node.number = len(nodes)
        nodes.append(node)
        todo += sorted(node.children.values(), key=lambda child: (len(child.name), child.name.upper()))
    for node in nodes:
        ordered = sorted(node.children.values(), key=lambda child: child.number)
        for one, two in pairwise(ordered):
            one.right = two.number
    return nodes


def _stored(data: bytes, sectors: list[bytes], fat: list[int]) -> int:
    start, count = len(fat), max(1, -(-len(data) // 512))
    sectors += [data[512 * i : 512 * (i + 1)].ljust(512, b"\0") for i in range(count)]
    fat += [*range(start + 1, start + count), _END]
    return start


def _row(node: _Node) -> bytes:
    """A directory entry; brothers hang on each other's right, in order: a tree, if not a balanced one."""
    name = node.name.encode("utf-16-le")
    kind = 5 if node.number == 0 else 1 if node.data is None else 2
    child = min((each.number for each in node.children.values()), default=_FREE)
    row = (name + b"\0\0").ljust(64, b"\0") + struct.pack("<HBB", len(name) + 2, kind, 1)
    row += struct.pack("<III", _FREE, node.right, child) + bytes(36)
    return row + struct.pack("<IQ", node.start, len(node.data or b""))


def message(
    *, subject: str, body: str = "", html: bytes = b"", rtf: bytes = b"", sender: tuple[str, str] = ("", ""),
    to: Sequence[tuple[str, str]] = (), sent: datetime | None = None, kind: str = "IPM.Note",
    attachments: Sequence[tuple[str, bytes]] = (), mails: Sequence[Streams] = (), at: tuple[str, ...] = (),
) -> Streams:  # fmt: skip
    """A message's streams, below the storage `at`; `mails` are attached messages, made for `at=attached(n)`."""
    streams: Streams = {}

    def text(place: int, value: str, *below: str) -> None:
        if value:
            streams[(*at, *below, f"__substg1.0_{place:04X}001F")] = value.encode("utf-16-le")

    for place, value in ((0x1A, kind), (0x37, subject), (0x1000, body), (0x0C1A, sender[0]), (0x5D01, sender[1])):
        text(place, value)
    for place, raw in ((0x1013, html), (0x1009, rtf)):
        if raw:
            streams[(*at, f"__substg1.0_{place:04X}0102")] = raw
    rows = _time(0x39, sent) if sent else b""
    streams[(*at, "__properties_version1.0")] = bytes(24 if at else 32) + rows
    for number, (name, address) in enumerate(to):
        storage = f"__recip_version1.0_#{number:08X}"
        text(0x3001, name, storage)
        text(0x39FE, address, storage)
        streams[(*at, storage, "__properties_version1.0")] = bytes(8) + _number(0x0C15, 1)
    for number, (name, data) in enumerate(attachments):
        storage = f"__attach_version1.0_#{number:08X}"
        text(0x3707, name, storage)
        streams[(*at, storage, "__substg1.0_37010102")] = data
        streams[(*at, storage, "__properties_version1.0")] = bytes(8) + _number(0x3705, 1)
    for number, mail in enumerate(mails, start=len(attachments)):
        storage = f"__attach_version1.0_#{number:08X}"
        streams[(*at, storage, "__properties_version1.0")] = bytes(8) + _number(0x3705, 5)
        streams |= mail
    return streams


def attached(number: int) -> tuple[str, ...]:
    """Where the message that is attachment `number` has its streams."""
    return (f"__attach_version1.0_#{number:08X}", "__substg1.0_3701000D")


def _number(place: int, value: int) -> bytes:
    return struct.pack("<IIq", place << 16 | 3, 6, value)


def _time(place: int, moment: datetime) -> bytes:
    return struct.pack("<IIQ", place << 16 | 0x40, 6, filetime(moment))


def filetime(moment: datetime) -> int:
    """Windows' time."""
    return int((moment - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000


def summary(*, title: str, author: str, created: datetime, saved: datetime) -> bytes:
    """The stream "\\5SummaryInformation" in code page 1252."""
    texts = {2: title.encode("cp1252") + b"\0", 4: author.encode("cp1252") + b"\0"}
    values = {1: struct.pack("<IHH", 2, 1252, 0)}
    values |= {
        key: struct.pack("<II", 0x1E, len(raw)) + raw.ljust(-(-len(raw) // 4) * 4, b"\0") for key, raw in texts.items()
    }
    values |= {key: struct.pack("<IQ", 0x40, filetime(at)) for key, at in ((12, created), (13, saved))}
    rows, block, at = b"", b"", 8 + 8 * len(values)
    for key, raw in values.items():
        rows += struct.pack("<II", key, at + len(block))
        block += raw
    section = struct.pack("<II", at + len(block), len(values)) + rows + block
    return (
        struct.pack("<HHI", 0xFFFE, 0, 0)
        + bytes(16)
        + struct.pack("<I", 1)
        + bytes(16)
        + struct.pack("<I", 48)
        + section
    )
