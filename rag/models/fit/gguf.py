"""The head of a GGUF file: what a model says of itself, and its tensors by name, shape, type and size. No weights.

Source: the GGUF specification, version 3 (ggml, docs/gguf.md). Versions 2 and 3 are read, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rag.errors import ModelUnavailable

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_KEPT = 1024
"""Longest list that is kept: one entry a layer. Longer ones are the vocabulary; only their length is told."""
_MOST_ENTRIES, _MOST_TENSORS, _MOST_BYTES = 65_536, 1_000_000, 64 * 2**20

_BLOCKS = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""Type → its name, values in a block, bytes of a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor: `shape` as ggml has it, the row's length first."""

    name: str
    shape: tuple[int, ...]
    type: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands before the weights. A long list of `metadata` is given as its length."""

    metadata: Mapping[str, Any]
    tensors: Sequence[Tensor]

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        return sum(_count(tensor.shape) for tensor in self.tensors)


def read(path: Path) -> Head:
    """The head of a file.

    Raises:
        ModelUnavailable: it is no GGUF file of version 2 or 3, is cut off, or holds no whole model.
    """
    if not path.is_file():  # a pipe would be waited for without end
        raise ModelUnavailable(f"{path.name} cannot be read as a GGUF model: there is no such file.")
    try:
        with path.open("rb") as file:
            return _head(file, path.stat().st_size)
    except (OSError, ValueError, struct.error, OverflowError, MemoryError) as error:
        raise ModelUnavailable(f"{path.name} cannot be read as a GGUF model: {error}.") from error


def _head(file: BinaryIO, size: int) -> Head:
    if file.read(4) != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    version = _one(file, "I")
    if version not in (2, 3):
        raise ValueError(f"its version is {version}, 2 and 3 are known")
    tensors, entries = _one(file, "Q"), _one(file, "Q")
    if tensors > _MOST_TENSORS or entries > _MOST_ENTRIES:
        raise ValueError("it claims to hold more than any model does")
    metadata = {_text(file): _value(file, _one(file, "I")) for _ in range(entries)}
    found = [_place(file) for _ in range(tensors)]
    if not found or not isinstance(metadata.get("general.architecture"), str):
        raise ValueError("it holds no model")
    parts = metadata.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise ValueError(f"it is one of {parts} parts; put them together with llama-gguf-split --merge")
    align = max(1, int(metadata.get("general.alignment", 32)))
    begins = -(-file.tell() // align) * align
    if any(begins + place + bytes_ > size for _, _, _, place, bytes_ in found):
        raise ValueError("it is cut off")
    return Head(
        metadata=metadata,
        tensors=[Tensor(name=name, shape=shape, type=kind, size_bytes=n) for name, shape, kind, _, n in found],
    )


def _place(file: BinaryIO) -> tuple[str, tuple[int, ...], str, int, int]:
    name, dimensions = _text(file), _one(file, "I")
    if dimensions > 4:
        raise ValueError("a tensor has more than four dimensions")
    shape = tuple(_one(file, "Q") for _ in range(dimensions))
    number, offset = _one(file, "I"), _one(file, "Q")
    if number not in _BLOCKS:
        raise ValueError(f"a tensor is of type {number}, which is not known here")
    kind, values, length = _BLOCKS[number]
    return name, shape, kind, offset, _count(shape) // values * length


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _one(file, _NUMBERS[kind] if kind in _NUMBERS else _unknown(kind))
    inner, count = _one(file, "I"), _one(file, "Q")
    if inner == _ARRAY:
        raise ValueError("it holds a list of lists")
    if count <= _KEPT:
        return [_value(file, inner) for _ in range(count)]
    if inner == _STRING:
        for _ in range(count):
            _skip(file, _one(file, "Q"))
    else:
        _skip(file, count * struct.calcsize(_NUMBERS.get(inner) or _unknown(inner)))
    return count


def _unknown(kind: int) -> str:
    raise ValueError(f"it holds a value of type {kind}, which is not known here")


def _one(file: BinaryIO, form: str) -> Any:
    return struct.unpack(f"<{form}", _read(file, struct.calcsize(f"<{form}")))[0]


def _text(file: BinaryIO) -> str:
    length = _one(file, "Q")
    if length > _MOST_BYTES:
        raise ValueError("it holds a text longer than any model's")
    return _read(file, length).decode("utf-8", "replace")


def _read(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) != length:
        raise ValueError("it is cut off")
    return found


def _skip(file: BinaryIO, length: int) -> None:
    if length > 2**40:
        raise ValueError("it is cut off")
    file.seek(length, 1)


def _count(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product
