"""multilingual-e5-small as an OpenVINO graph, built straight from its safetensors file.

No conversion step and so no second weights file: the reference embedder reads the same one. The weights are mapped,
not read, so that the large table of word embeddings costs memory only for the rows that are used.

Architecture: BERT (Devlin et al., 2019), post-norm, mean over the tokens (Wang et al., "Multilingual E5", 2024).
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYERS = 12
READ = (8, 11)
"""The layers whose token vectors are read, counted from 0. Measured: a middle layer knows better which word is which,
the last one what a sentence is about; both together beat either."""
HEADS = 12
DIMENSION = 384
MAX_TOKENS = 512
_HEAD_SIZE = DIMENSION // HEADS
_EPSILON = 1e-12

Tensors = dict[str, NDArray[np.float32]]


def map_tensors(path: Path) -> Tensors:
    """Name → array over the mapped file. The format: the header's length, a JSON header, the bytes.

    Raises:
        ValueError: the file is not safetensors, or holds no fp32 tensors.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # openvino wants writable arrays
    start = 8 + int.from_bytes(mapped[:8], "little")
    if start > len(mapped):
        raise ValueError(f"{path} is not a safetensors file")
    header = json.loads(mapped[8:start])
    return {
        name: np.frombuffer(mapped, np.float32, int(np.prod(entry["shape"])), start + entry["data_offsets"][0]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def build(openvino: Any, tensors: Tensors) -> Any:
    """The model: `ids` and `mask` (batch, tokens) int32 in, mean-pooled vectors (batch, 384) out, not normalised."""
    return _Builder(openvino, tensors).pooled()


def build_tokens(openvino: Any, tensors: Tensors) -> Any:
    """The model with the token vectors of the layers `READ` out: (batch, layers, tokens, 384), not normalised."""
    return _Builder(openvino, tensors).tokens()


class _Builder:
    """Writes the operations one after the other."""

    def __init__(self, openvino: Any, tensors: Tensors) -> None:
        self._openvino = openvino
        self._ops = openvino.opset13
        self._tensors = tensors

    def pooled(self) -> Any:
        inputs = self._inputs()
        *_, last = self._states(*inputs)
        return self._model(self._mean(last, inputs[1]), inputs)

    def tokens(self) -> Any:
        inputs = self._inputs()
        states = list(self._states(*inputs))
        read = [self._ops.unsqueeze(states[layer], self._ints(1)) for layer in READ]
        return self._model(self._ops.concat(read, 1), inputs)

    def _model(self, output: Any, inputs: tuple[Any, Any]) -> Any:
        return self._openvino.Model([output], list(inputs), "multilingual-e5-small")

    def _inputs(self) -> tuple[Any, Any]:
        parameter = self._ops.parameter
        return parameter([-1, -1], np.int32, name="ids"), parameter([-1, -1], np.int32, name="mask")

    def _states(self, ids: Any, mask: Any) -> Iterator[Any]:
        """The token vectors after each layer."""
        state = self._embeddings(ids)
        attended = self._ops.convert(self._ops.unsqueeze(mask, self._ints(1, 2)), "boolean")
        for layer in range(LAYERS):
            state = self._layer(f"encoder.layer.{layer}", state, attended)
            yield state

    def _constant(self, array: NDArray[Any]) -> Any:
        return self._ops.constant(array, shared_memory=True)

    def _ints(self, *values: int) -> Any:
        return self._ops.constant(np.array(values, np.int64))

    def _embeddings(self, ids: Any) -> Any:
        ops, tensors = self._ops, self._tensors
        words = ops.gather(self._constant(tensors["embeddings.word_embeddings.weight"]), ids, self._ints(0))
        places = (
            tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        length = ops.gather(ops.shape_of(ids), self._ints(1), self._ints(0))
        here = ops.slice(ops.constant(places), self._ints(0), length, self._ints(1), self._ints(0))
        return self._norm("embeddings.LayerNorm", ops.add(words, ops.unsqueeze(here, self._ints(0))))

    def _layer(self, name: str, state: Any, attended: Any) -> Any:
        ops = self._ops
        heads = [self._heads(self._dense(f"{name}.attention.self.{part}", state)) for part in ("query", "key", "value")]
        context = ops.transpose(ops.scaled_dot_product_attention(*heads, attended), self._ints(0, 2, 1, 3))
        context = ops.reshape(context, self._ints(0, 0, DIMENSION), special_zero=True)
        attention = self._dense(f"{name}.attention.output.dense", context)
        state = self._norm(f"{name}.attention.output.LayerNorm", ops.add(attention, state))
        inner = ops.gelu(self._dense(f"{name}.intermediate.dense", state), "erf")
        return self._norm(f"{name}.output.LayerNorm", ops.add(self._dense(f"{name}.output.dense", inner), state))

    def _heads(self, projected: Any) -> Any:
        split = self._ops.reshape(projected, self._ints(0, 0, HEADS, _HEAD_SIZE), special_zero=True)
        return self._ops.transpose(split, self._ints(0, 2, 1, 3))

    def _dense(self, name: str, state: Any) -> Any:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return self._ops.add(self._ops.matmul(state, self._constant(weight), False, True), self._constant(bias))

    def _norm(self, name: str, state: Any) -> Any:
        ops = self._ops
        standard = ops.mvn(state, self._ints(-1), True, _EPSILON, "INSIDE_SQRT")
        scaled = ops.multiply(standard, self._constant(self._tensors[f"{name}.weight"]))
        return ops.add(scaled, self._constant(self._tensors[f"{name}.bias"]))

    def _mean(self, state: Any, mask: Any) -> Any:
        ops = self._ops
        weights = ops.unsqueeze(ops.convert(mask, "f32"), self._ints(2))
        total = ops.reduce_sum(ops.multiply(state, weights), self._ints(1), False)
        return ops.divide(total, ops.reduce_sum(weights, self._ints(1), False))
