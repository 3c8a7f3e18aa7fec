"""Which embedder runs: chosen by name, its library imported only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rag.errors import LicenceRefused, ModelUnavailable
from rag.models.adapter import Adapted
from rag.models.licences import Policy, named
from rag.models.pins import Pin
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
    digest: str = "",
    changed: str = "refuse",
    policy: Policy | None = None,
) -> Embedder:
    """The embedder of that provider: `openvino`, `torch` or `ollama`.

    `models` is the weights directory (`weights.default_directory`). `model` names a model of the catalogue, or with
    `ollama` one the server has. `threads` are those of ingestion, default all; a question always takes one.
    `base_url`, `timeout_s`, `max_tokens` and the prefixes are for `ollama` alone. `digest` pins it, `changed` is as
    `llm.changed`, `policy` says which licences are let in.

    Raises:
        ModelUnavailable: no such provider, its library, its weights or its server is missing; or LicenceRefused.
        ModelChanged: it is not the pinned one.
    """

    def on_disk() -> Weights:
        weights = find(model or DEFAULT_MODEL, directory=models)
        if refusal := (policy or Policy()).refusal(weights.model.name, named(weights.model.licence)):
            raise LicenceRefused(refusal)
        pin = Pin.of(digest, key="embedder.digest")  # other weights are never only warned of: nothing can be compared
        pin.check(weights.sha256, model=weights.model.name, place=str(weights.path))
        return weights

    def openvino() -> Embedder:
        from rag.models.openvino_embedder import OpenVinoEmbedder

        weights = on_disk()
        return OpenVinoEmbedder(
            weights.directory, fingerprint=fingerprint(weights), threads=threads, precision=precision
        )

    def torch() -> Embedder:
        from rag.models.torch_embedder import TorchEmbedder

        weights = on_disk()
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
            digest=digest,
            changed=changed,
            policy=policy,
        )

    providers: Mapping[str, Callable[[], Embedder]] = MappingProxyType(
        {"openvino": openvino, "torch": torch, "ollama": ollama}
    )
    if provider not in providers:
        raise ModelUnavailable(f"There is no embedder provider {provider!r}; use one of: {', '.join(providers)}.")
    return providers[provider]()


def for_answers(embedder: Embedder) -> Embedder:
    """The embedder that answers are made with: itself, but see `OllamaEmbedder.for_answers`. An adapter stays on it."""
    from rag.models.ollama_embedder import OllamaEmbedder

    if isinstance(embedder, Adapted):
        return embedder.over(for_answers(embedder.bare))
    return embedder.for_answers() if isinstance(embedder, OllamaEmbedder) else embedder


def changed(embedder: Embedder) -> bool:
    """Whether it, or the one under its adapter, was seen to be another version than the pinned one."""
    from rag.models.ollama_embedder import OllamaEmbedder

    bare = embedder.bare if isinstance(embedder, Adapted) else embedder
    return isinstance(bare, OllamaEmbedder) and bare.changed


def fingerprint(weights: Weights) -> str:
    """The same for every runtime of the same weights: an index made with one serves the other."""
    return f"{weights.model.title}@{weights.sha256[:16]}"
