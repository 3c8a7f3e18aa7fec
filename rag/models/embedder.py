"""Which embedder runs: chosen by name, its library imported only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rag.errors import ModelUnavailable
from rag.models.weights import Weights, find
from rag.ports import Embedder

Precision = Literal["auto", "bf16", "f32"]

DEFAULT_MODEL = "e5-small"


def open_embedder(
    provider: str = "openvino",
    *,
    models: Path,
    model: str = "",
    threads: int | None = None,
    precision: Precision = "auto",
    base_url: str = "http://localhost:11434",
    timeout_s: float = 120.0,
    max_tokens: int = 512,
    question_prefix: str = "",
    passage_prefix: str = "",
) -> Embedder:
    """The embedder of that provider: `openvino`, `torch` or `ollama`.

    `models` is the weights directory (`weights.default_directory`). `model` names a model of the catalogue, or with
    `ollama` one the server has. `threads` are those of ingestion, default all; a question always takes one.
    `base_url`, `timeout_s`, `max_tokens` and the prefixes are for `ollama` alone.

    Raises:
        ModelUnavailable: no such provider, its library, its weights or its server is missing.
    """

    def openvino() -> Embedder:
        from rag.models.openvino_embedder import OpenVinoEmbedder

        weights = find(model or DEFAULT_MODEL, directory=models)
        return OpenVinoEmbedder(
            weights.directory, fingerprint=fingerprint(weights), threads=threads, precision=precision
        )

    def torch() -> Embedder:
        from rag.models.torch_embedder import TorchEmbedder

        weights = find(model or DEFAULT_MODEL, directory=models)
        return TorchEmbedder(weights.directory, fingerprint=fingerprint(weights), threads=threads)

    def ollama() -> Embedder:
        from rag.models.ollama_embedder import OllamaEmbedder

        return OllamaEmbedder(
            model,
            base_url=base_url,
            timeout_s=timeout_s,
            max_tokens=max_tokens,
            question_prefix=question_prefix,
            passage_prefix=passage_prefix,
        )

    providers: Mapping[str, Callable[[], Embedder]] = MappingProxyType(
        {"openvino": openvino, "torch": torch, "ollama": ollama}
    )
    if provider not in providers:
        raise ModelUnavailable(f"There is no embedder provider {provider!r}; use one of: {', '.join(providers)}.")
    return providers[provider]()


def fingerprint(weights: Weights) -> str:
    """The same for every runtime of the same weights: an index made with one serves the other."""
    return f"{weights.model.title}@{weights.sha256[:16]}"
