"""How much memory a model needs at a context length, part by part.

Measured with the embedded runtime (llama.cpp through xllamacpp 2026.10, CPU) and computed for others, which are made
of the same library. Source of the buffers: llama.cpp's own report of them when it loads a model.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from rag.models.fit.anatomy import Anatomy
from rag.models.fit.gguf import Tensor

UBATCH = 512
"""Tokens of a prompt that are computed together (the runtime's default)."""
PROMPT_CACHE_BYTES = 256 * 2**20
"""What the embedded runtime may keep of earlier prompts."""
MEASURED_ERROR, ASSUMED_ERROR = 0.10, 0.25
"""Bound of the relative error: where the kind of model was measured (`make bench BENCH=fit`), and elsewhere."""

_CELLS = 256  # a context is rounded up to so many tokens
_F16, _F32 = 2, 4
_WIDE, _NARROW = 3, 5  # activations alive at once: as wide as the feed-forward, as the embedding
_TABLES, _ENTRY = 7 * 2**20, 424  # vocabulary: a constant part, and bytes an entry
_LIBRARY = 5 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes, part by part. `repacked` are copies of weights in the order this processor likes; the originals stay
    mapped, and the system may take those pages back."""

    weights: int
    repacked: int
    cache: int
    compute: int
    tables: int
    library: int
    prompts: int

    @property
    def total(self) -> int:
        """All of it: the peak of the resident memory."""
        return self.weights + self.repacked + self.cache + self.compute + self.tables + self.library + self.prompts

    @property
    def reclaimable(self) -> int:
        """Mapped pages that are never read again, since their copies are."""
        return min(self.repacked, self.weights)

    @property
    def on_device(self) -> int:
        """What has to lie in a GPU's memory for it to do all the work; nothing is repacked there."""
        return self.weights + self.cache + self.compute


def cache_bytes(anatomy: Anatomy, *, context: int) -> int:
    """The key-value cache: for every layer, token and head the key and the value in 16 bits."""
    whole = _padded(context)
    return sum(
        (layer.keys + layer.values) * _F16 * (min(whole, _padded(layer.window + UBATCH)) if layer.window else whole)
        for layer in anatomy.layers
    )


def predict(
    anatomy: Anatomy, *, context: int, features: Set[str] = frozenset(), cached_tokens: int | None = None
) -> Memory:
    """The peak while prompts of the whole context are answered.

    `features` are what the runtime was built for and finds (`machine.runtime_features`): they decide what is repacked.
    `cached_tokens` are those of earlier prompts that are kept; None: as many as may be (the embedded runtime's
    `PROMPT_CACHE_BYTES`). 0 for runtimes that keep none.
    """
    each = sum((layer.keys + layer.values) * _F16 for layer in anatomy.layers)
    kept = PROMPT_CACHE_BYTES if cached_tokens is None else min(cached_tokens * each, PROMPT_CACHE_BYTES)
    return Memory(
        weights=anatomy.weights_bytes,
        repacked=sum(tensor.size_bytes for tensor in anatomy.tensors if _repacks(tensor, anatomy, features)),
        cache=cache_bytes(anatomy, context=context),
        compute=UBATCH * _F32 * (_WIDE * anatomy.feed_forward + _NARROW * anatomy.embedding)
        + _padded(context) * UBATCH * _F16
        + anatomy.vocabulary * _F32,
        tables=_TABLES + _ENTRY * anatomy.vocabulary,
        library=_LIBRARY,
        prompts=kept,
    )


def error_bound(anatomy: Anatomy) -> float:
    """How far the peak may lie from the prediction, as a share of it."""
    return MEASURED_ERROR if anatomy.plain and anatomy.tensors else ASSUMED_ERROR


def _repacks(tensor: Tensor, anatomy: Anatomy, features: Set[str]) -> bool:
    """Whether the runtime keeps a copy of this tensor in another order: matrices of some types, by what the processor
    has. Source: ggml-cpu's choice of a layout."""
    if "REPACK" not in features or len(tensor.shape) < 2 or not tensor.name.endswith(".weight"):
        return False
    if tensor.name == "token_embd.weight" and not anatomy.tied:
        return False  # looked up, never multiplied
    rows = tensor.shape[1]
    eight, four = rows % 8 == 0, rows % 4 == 0
    if "AVX2" in features:
        types = {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"} | ({"Q2_K"} if "AVX512" in features else set())
        return tensor.type in types and eight
    if features & {"MATMUL_INT8", "DOTPROD"}:
        return tensor.type in {"Q4_0", "Q4_K", "IQ4_NL", "Q5_K", "Q6_K", "Q8_0", "MXFP4"} and four
    return False


def _padded(tokens: int) -> int:
    return -(-tokens // _CELLS) * _CELLS
