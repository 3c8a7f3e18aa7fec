"""The 4-bit weights of multilingual-e5-small, as a package carries them, written out as a plain fp32 safetensors file.

The quality stays that of 4 bits. Layout of the packaged file, little-endian: seven int32 (hidden size, layers, heads,
inner size, vocabulary, positions, token types), the epsilon and the block size, five special token ids, the
vocabulary and its search tree (both skipped: the real tokenizer is used), then a table of tensors and their bytes.
A quantised tensor is ggml's Q4_0: blocks of 32 values, a float16 scale and 16 bytes of two nibbles each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK_VALUES = 32
_BLOCK_BYTES = 18

_IN_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def expand(packed: bytes, path: Path) -> None:
    """Write the packaged weights to `path` under the names the model has at its home.

    Raises:
        ValueError: the bytes do not have the expected layout.
    """
    from safetensors.numpy import save_file

    try:
        tensors = dict(_Packed(packed).named())
    except (struct.error, KeyError, IndexError) as error:
        raise ValueError(f"not the packaged weights of multilingual-e5-small: {error}") from error
    save_file(tensors, path, metadata={"format": "pt"})


class _Packed:
    """The packaged file: its sizes, its table, its tensors."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 8
        self.hidden, self.layers, _, self.inner, self.vocabulary, self.positions, self.types = self._take("7i")
        self._take("fi5i")
        (pieces, *_) = struct.unpack_from("<5i", data, self._at - 20)
        (text_bytes,) = self._take("Q")
        self._at += (pieces + 1) * 4 + pieces * 4 + text_bytes
        _, tree_bytes = self._take("iI")
        self._at += tree_bytes
        (count,) = self._take("i")
        self._table = dict(self._entry() for _ in range(count))

    def _take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{layout}", self._data, self._at)
        self._at += struct.calcsize(f"<{layout}")
        return values

    def _entry(self) -> tuple[str, tuple[int, int]]:
        (length,) = self._take("H")
        name = self._data[self._at : self._at + length].decode()
        self._at += length
        _, _, offset, size = self._take("BIQQ")
        return name, (offset, size)

    def _tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        offset, size = self._table[name]
        values = int(np.prod(shape))
        if size == values * 4:
            return np.frombuffer(self._data, np.float32, values, offset).reshape(shape)
        blocks = values // _BLOCK_VALUES
        raw = np.frombuffer(self._data, np.uint8, blocks * _BLOCK_BYTES, offset).reshape(blocks, _BLOCK_BYTES)
        scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
        nibbles = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        return np.asarray(nibbles * scale, np.float32).reshape(shape)

    def named(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        hidden = self.hidden
        yield "embeddings.word_embeddings.weight", self._tensor("emb.word", self.vocabulary, hidden)
        yield "embeddings.position_embeddings.weight", self._tensor("emb.pos", self.positions, hidden)
        yield "embeddings.token_type_embeddings.weight", self._token_types()
        yield from self._norm("emb.ln", "embeddings.LayerNorm")
        for layer in range(self.layers):
            yield from self._layer(layer)
        yield "pooler.dense.weight", np.zeros((hidden, hidden), np.float32)  # unused, but part of the architecture
        yield "pooler.dense.bias", np.zeros(hidden, np.float32)

    def _token_types(self) -> NDArray[np.float32]:
        if self._table["emb.type"][1] == self.types * self.hidden * 4:
            return self._tensor("emb.type", self.types, self.hidden)
        only = self._tensor("emb.type", 1, self.hidden)
        return np.concatenate([only, np.zeros((self.types - 1, self.hidden), np.float32)])

    def _norm(self, short: str, name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
        yield f"{name}.weight", self._tensor(f"{short}.w", self.hidden)
        yield f"{name}.bias", self._tensor(f"{short}.b", self.hidden)

    def _layer(self, layer: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
        shapes = {"fi": (self.inner, self.hidden), "fo": (self.hidden, self.inner)}
        for short, name in _IN_LAYER.items():
            rows, columns = shapes.get(short, (self.hidden, self.hidden))
            yield f"encoder.layer.{layer}.{name}.weight", self._tensor(f"l{layer}.{short}.w", rows, columns)
            yield f"encoder.layer.{layer}.{name}.bias", self._tensor(f"l{layer}.{short}.b", rows)
        for short, name in _NORMS.items():
            yield from self._norm(f"l{layer}.{short}", f"encoder.layer.{layer}.{name}")
