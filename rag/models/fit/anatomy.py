"""What of a model decides its memory and its speed, from a GGUF file or from what Ollama shows of it.

Ollama's `/api/show` gives the same keys as the file's head (`model_info`), so both are read by one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag.models.fit.gguf import Head, Tensor

_FULL_EVERY = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "gptoss": 2,
    "cohere2": 4,
    "exaone4": 4,
    "olmo2": 4,
}
"""Architecture → every how manieth layer reads the whole context, where the file names the window alone."""
BITS: Mapping[str, float] = {
    "F32": 32.0, "F16": 16.0, "BF16": 16.0, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.68, "Q5_0": 5.5, "Q4_1": 5.0,
    "Q4_K_M": 4.85, "Q4_K_S": 4.58, "Q4_0": 4.5, "MXFP4": 4.25, "Q3_K_M": 3.89, "Q2_K": 2.96,
}  # fmt: skip
"""Quantisation → bits a weight, about: the larger tensors of a mixed one are finer."""
_FILE_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
               12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
               24: "IQ1_S", 25: "IQ4_NL", 30: "IQ4_XS", 32: "BF16", 38: "MXFP4"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one layer keeps of a token: numbers of its key and of its value. `window`: of how many tokens; 0: of all."""

    keys: int
    values: int
    window: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A model as memory and speed see it. `weights_bytes` are all, `read_bytes` what one written token needs of them
    (of a mixture, the experts that speak). `tensors` is empty where only Ollama knows the file. `notes` say what was
    assumed."""

    architecture: str
    quantisation: str
    parameters: int
    weights_bytes: int
    read_bytes: int
    layers: tuple[Layer, ...]
    embedding: int
    feed_forward: int
    vocabulary: int
    trained_context: int
    experts: int = 0
    experts_used: int = 0
    recurrent: bool = False
    latent: bool = False
    tied: bool = False
    tensors: Sequence[Tensor] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is of the kind the prediction was measured on: dense, with full attention in every layer."""
        return not (self.experts or self.recurrent or self.latent or any(layer.window for layer in self.layers))


def of_file(head: Head) -> Anatomy:
    """The anatomy of a GGUF file."""
    names = {tensor.name for tensor in head.tensors}
    weights = sum(tensor.size_bytes for tensor in head.tensors)
    expert = sum(tensor.size_bytes for tensor in head.tensors if "_exps" in tensor.name)
    tied = "output.weight" not in names
    embedding = next((tensor.size_bytes for tensor in head.tensors if tensor.name == "token_embd.weight"), 0)
    found = _of(head.metadata, parameters=head.parameters, weights=weights, quantisation="")
    spoken = expert * found.experts_used // max(found.experts, 1)
    return replace(
        found,
        read_bytes=weights - expert + spoken - (0 if tied else embedding),
        tied=tied,
        tensors=tuple(head.tensors),
    )


def of_shown(shown: Mapping[str, Any], *, size_bytes: int) -> Anatomy:
    """The anatomy of a model as `/api/show` gives it; `size_bytes` is that of `/api/tags`."""
    info, details = shown.get("model_info") or {}, shown.get("details") or {}
    return _of(
        info,
        parameters=int(info.get("general.parameter_count") or 0),
        weights=size_bytes,
        quantisation=str(details.get("quantization_level") or ""),
    )


def _of(info: Mapping[str, Any], *, parameters: int, weights: int, quantisation: str) -> Anatomy:
    name = str(info.get("general.architecture") or "unknown")
    notes: list[str] = []

    def number(key: str, default: int = 0) -> int:
        value = info.get(f"{name}.{key}")
        if isinstance(value, list):
            return int(max(value, default=default))
        return int(value) if isinstance(value, int | float) else default

    vocabulary = info.get("tokenizer.ggml.tokens")
    layers = _layers(info, name, number, notes)
    experts, used = number("expert_count"), number("expert_used_count")
    share = 1.0
    if experts and used:
        notes.append(f"a mixture of {experts} experts of which {used} speak: all lie in memory")
        share = _spoken_share(number, len(layers), experts, used, parameters)
    wide = number("expert_feed_forward_length") * max(used, 1) if experts else 0
    return Anatomy(
        architecture=name,
        quantisation=quantisation or _FILE_TYPES.get(int(info.get("general.file_type") or -1), "unknown"),
        parameters=parameters,
        weights_bytes=weights,
        read_bytes=int(weights * share),
        layers=layers,
        embedding=number("embedding_length"),
        feed_forward=max(number("feed_forward_length"), wide),
        vocabulary=number("vocab_size") or (len(vocabulary) if isinstance(vocabulary, list) else int(vocabulary or 0)),
        trained_context=number("context_length"),
        experts=experts,
        experts_used=used,
        recurrent=any(key.startswith((f"{name}.ssm.", f"{name}.wkv.")) for key in info),
        latent=bool(number("attention.kv_lora_rank")),
        notes=tuple(notes),
    )


def _spoken_share(number: Callable[..., int], layers: int, experts: int, used: int, parameters: int) -> float:
    """The share of the weights that one token needs, from the width of the experts; all where the width is not told."""
    wide = number("expert_feed_forward_length") or number("feed_forward_length")
    of_experts = 3 * number("embedding_length") * wide * experts * layers
    if not parameters or not of_experts or of_experts > parameters:
        return 1.0
    return 1 - of_experts / parameters * (1 - used / experts)


def _layers(info: Mapping[str, Any], name: str, number: Callable[..., int], notes: list[str]) -> tuple[Layer, ...]:
    count, heads = number("block_count"), number("attention.head_count")
    size = number("embedding_length") // max(heads, 1)
    key, value = number("attention.key_length", size), number("attention.value_length", size)
    if number("attention.kv_lora_rank") and number("attention.key_length_mla"):
        notes.append("keys and values are kept compressed (MLA)")
        return tuple(Layer(keys=key, values=0) for _ in range(count))
    if number("attention.kv_lora_rank"):
        notes.append("its file does not keep keys and values compressed (MLA): counted for each head")
    told = info.get(f"{name}.attention.head_count_kv")
    if told is None and f"{name}.attention.head_count_kv" in info:
        notes.append("its layers differ, and the server does not say how: counted as the largest")
    each = [int(n) for n in told] if isinstance(told, list) else [int(told if told is not None else heads)] * count
    every = number("full_attention_interval")
    shared = number("attention.shared_kv_layers")
    windows = _windows(info, name, number, count, notes)
    return tuple(
        Layer(keys=own * key, values=own * value, window=window)
        for place, (own, window) in enumerate(zip(each, windows, strict=False))
        if not (every and (place + 1) % every) and place < count - shared
    )


def _windows(info: Mapping[str, Any], name: str, number: Callable[..., int], count: int, notes: list[str]) -> list[int]:
    window = number("attention.sliding_window")
    told = info.get(f"{name}.attention.sliding_window_pattern")
    if not window:
        return [0] * count
    if isinstance(told, list) and len(told) == count:
        return [window if slides else 0 for slides in told]
    every = int(told) if isinstance(told, int) and told > 1 else _FULL_EVERY.get(name, 0)
    if not every:
        notes.append(f"a window of {window} tokens is named, but not for which layers: counted as none")
        return [0] * count
    notes.append(f"one layer in {every} keeps the whole context, the others {window} tokens")
    return [0 if (place + 1) % every == 0 else window for place in range(count)]
