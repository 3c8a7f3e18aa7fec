"""GGUF heads and machines made for tests: small files with the shapes of real models, and no weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MIB = 2**20


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Sequence[tuple[str, tuple[int, ...], int]]) -> Path:
    """A sparse GGUF file: its head is real, its weights are a hole. A tensor is name, shape and type number (F16: 1,
    Q4_K: 12)."""
    sizes = {0: (1, 4), 1: (1, 2), 8: (32, 34), 12: (256, 144), 14: (256, 210)}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _text(key) + _value(value)
    offset = 0
    for name, shape, kind in tensors:
        count = 1
        for length in shape:
            count *= length
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        block, size = sizes[kind]
        offset += -(-(count // block * size) // 32) * 32
    with path.open("wb") as file:
        file.write(head)
        file.truncate(-(-len(head) // 32) * 32 + offset)
    return path


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        strings = isinstance(value[0], str)
        inner = b"".join(_text(entry) if strings else struct.pack("<I", int(entry)) for entry in value)
        return struct.pack("<IIQ", 9, 8 if strings else 4, len(value)) + inner
    return struct.pack("<IQ", 10, value)


def machine_tree(root: Path, *, flags: str, total_mib: int, free_mib: int, arm: bool = False) -> Path:
    """/proc of a machine with two cores and four threads."""
    (root / "proc").mkdir(parents=True)
    key = "Features" if arm else "flags"
    cpu = "\n".join(
        f"processor\t: {n}\nmodel name\t: Test CPU\nphysical id\t: 0\ncore id\t: {n // 2}\n{key}\t\t: {flags}\n"
        for n in range(4)
    )
    (root / "proc/cpuinfo").write_text(cpu)
    (root / "proc/meminfo").write_text(f"MemTotal: {total_mib * 1024} kB\nMemAvailable: {free_mib * 1024} kB\n")
    (root / "proc/loadavg").write_text("1.50 1.00 0.50 1/100 1\n")
    return root
