"""Embeddings on a CPU without torch: OpenVINO over the model's own weights file.

Three lanes: questions on one thread for a short wait, passages on all, a batch each, for throughput, and the token
vectors of the few best passages of a search on all; each is compiled when it is first used. bf16 where the processor
has it in hardware: 1.7 times the speed of fp32 for the same neighbours.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelUnavailable
from rag.models import e5_graph
from rag.models.cores import cores
from rag.models.tokens import PASSAGE_PREFIX, QUESTION_PREFIX, E5Tokens
from rag.ports import TokenVectors, Vector, Vectors

logger = logging.getLogger(__name__)

Precision = Literal["auto", "bf16", "f32"]

_WINDOW = 512
_BATCH_TOKENS = 2048
_MAX_BATCH = 8
_PAD_TO = 4


def import_openvino() -> ModuleType:
    """OpenVINO without its conversion tools: importing those sends a usage event to Google Analytics."""
    for name in ("openvino_telemetry", "openvino.tools.ovc"):
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment] # makes `import` raise ImportError, which openvino expects
    try:
        import openvino
    except ImportError as error:
        raise ModelUnavailable(
            f'OpenVINO cannot be loaded ({error}). Install `openvino`, or set embedder.provider to "torch".'
        ) from error
    return openvino  # type: ignore[no-any-return] # no stubs


class OpenVinoEmbedder:
    """multilingual-e5-small through OpenVINO. Thread-safe. Nothing is loaded before the first text: to see that nothing
    changed in a million files takes no model."""

    dimension = e5_graph.DIMENSION
    max_tokens = e5_graph.MAX_TOKENS

    def __init__(
        self, directory: Path, *, fingerprint: str, threads: int | None = None, precision: Precision = "auto"
    ) -> None:
        for name in ("tokenizer.json", "model.safetensors"):
            if not (directory / name).is_file():
                raise ModelUnavailable(f"{directory / name} is missing. Fetch it with `rag models fetch e5-small`.")
        self.fingerprint = fingerprint
        self._directory, self._wanted = directory, precision
        self._loading = threading.RLock()
        self._closed = False
        self._threads = threads or cores()
        self._questions = _Lane(self._compile, threads=1)
        self._passages = _Lane(self._compile, threads=self._threads)
        self._reading = _Lane(self._compile_tokens, threads=self._threads)

    @property
    def precision(self) -> Precision:
        """What the weights are computed in: ``bf16`` or ``f32``."""
        return self._supported(self._wanted)

    @cached_property
    def _tokens(self) -> E5Tokens:
        return E5Tokens(self._directory / "tokenizer.json", max_tokens=self.max_tokens)

    @cached_property
    def _core(self) -> Any:
        return import_openvino().Core()

    @cached_property
    def _tensors(self) -> e5_graph.Tensors:
        try:
            return e5_graph.map_tensors(self._directory / "model.safetensors")
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ModelUnavailable:
        return ModelUnavailable(f"The weights in {self._directory} cannot be used: {error}.")

    def _loaded(self) -> E5Tokens:
        with self._loading:
            return self._tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of a passage, prefix and special tokens included."""
        return self._loaded().count(PASSAGE_PREFIX + text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row a text, in order.

        Raises:
            ContextOverflow: a text is longer than `max_tokens`.
        """
        tokens = self._loaded()
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _WINDOW):
            encoded = tokens.encode_whole([PASSAGE_PREFIX + text for text in texts[start : start + _WINDOW]])
            batches = list(_batches(encoded))
            inputs = [_padded([encoded[place] for place in batch]) for batch in batches]
            for batch, found in zip(batches, self._passages.infer_all(inputs), strict=True):
                vectors[[start + place for place in batch]] = found
        return unit(vectors)

    def embed_question(self, text: str) -> Vector:
        """The vector of a question; what exceeds `max_tokens` at its end is left out."""
        ids, mask = _padded([self._loaded().encode_beginning(QUESTION_PREFIX + text)], to=1)
        row: Vector = unit(self._questions.infer(ids, mask))[0]
        return row

    def tokens(self, texts: Sequence[str], *, question: bool) -> list[TokenVectors]:
        """The token vectors of questions or passages, in order; what exceeds `max_tokens` is left out."""
        tokens, prefix = self._loaded(), QUESTION_PREFIX if question else PASSAGE_PREFIX
        parts = [tokens.encode_parts(prefix, text) for text in texts]
        batches = list(_batches([ids for ids, _, _ in parts], most=-(-len(parts) // self._threads)))
        inputs = [_padded([parts[place][0] for place in batch]) for batch in batches]
        made: dict[int, TokenVectors] = {}
        for batch, found in zip(batches, self._reading.infer_all(inputs), strict=True):
            for row, place in enumerate(batch):
                ids, own, starts = parts[place]
                made[place] = TokenVectors(
                    vectors=found[row][:, own],
                    information=tokens.information(ids[own]),
                    starts=np.asarray(starts, np.int32),
                )
        return [made[place] for place in range(len(parts))]

    def close(self) -> None:
        """Let go of the graphs and the mapped weights."""
        for lane in (self._questions, self._passages, self._reading):
            lane.close()
        with self._loading:
            self._closed = True
            self.__dict__.pop("_tensors", None)

    def _supported(self, precision: Precision) -> Precision:
        if precision != "auto":
            return precision
        return "bf16" if "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"

    def _compile(self, threads: int) -> Any:
        return self._compiled(e5_graph.build, threads)

    def _compile_tokens(self, threads: int) -> Any:
        return self._compiled(e5_graph.build_tokens, threads)

    def _compiled(self, build: Callable[[Any, e5_graph.Tensors], Any], threads: int) -> Any:
        with self._loading:
            if self._closed:
                raise ModelUnavailable("The embedder was closed.")
            try:
                model = build(import_openvino(), self._tensors)
            except (ValueError, KeyError) as error:
                raise self._unusable(error) from error
        hints: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "PERFORMANCE_HINT": "LATENCY" if threads == 1 else "THROUGHPUT",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # other processes share the cores
        }
        return self._core.compile_model(model, "CPU", hints)


class _Lane:
    """One compiled form of the model, used by one caller at a time. As many batches as there are threads are worked on
    at the same time, each by one: two that share a batch wait for each other, which costs a tenth."""

    def __init__(self, compile_model: Any, *, threads: int) -> None:
        self._compile_model = compile_model
        self._threads = threads
        self._lock = threading.Lock()
        self._requests: Any = None

    def infer(self, ids: NDArray[np.int32], mask: NDArray[np.int32]) -> Vectors:
        return self.infer_all([(ids, mask)])[0]

    def infer_all(self, batches: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]]) -> list[Vectors]:
        found: list[Vectors] = [np.empty(0, np.float32)] * len(batches)

        def keep(request: Any, place: int) -> None:
            found[place] = np.array(request.get_output_tensor(0).data, np.float32)  # a copy: its memory is used again

        with self._lock:
            if self._requests is None:
                compiled = self._compile_model(self._threads)
                self._requests = import_openvino().AsyncInferQueue(compiled, self._threads)
            self._requests.set_callback(keep)
            for place, (ids, mask) in enumerate(batches):
                self._requests.start_async({0: ids, 1: mask}, place)
            self._requests.wait_all()
        return found

    def close(self) -> None:
        with self._lock:
            self._requests = None


def _batches(encoded: Sequence[Sequence[int]], *, most: int = _MAX_BATCH) -> Iterator[list[int]]:
    """Places of texts of similar length, longest first, so that little is padded; at most so many in a batch."""
    order = sorted(range(len(encoded)), key=lambda place: -len(encoded[place]))
    while order:
        size = max(1, min(most, _MAX_BATCH, _BATCH_TOKENS // max(len(encoded[order[0]]), 1)))
        yield order[:size]
        order = order[size:]


def _padded(encoded: Sequence[Sequence[int]], *, to: int = _PAD_TO) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Ids and mask (batch, tokens), the length rounded up so that few different shapes occur."""
    length = min(-(-max(map(len, encoded)) // to) * to, e5_graph.MAX_TOKENS)
    ids = np.ones((len(encoded), length), np.int32)  # 1 is <pad>
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(encoded):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
