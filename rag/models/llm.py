"""Which language model runs: the configured one, else Ollama if it answers, else the embedded one if it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from rag.errors import ModelChanged, ModelUnavailable
from rag.models.catalogue import MODELS, Kind
from rag.models.streaming import Limits
from rag.models.weights import find
from rag.ports import LanguageModel

OLLAMA_URL = "http://localhost:11434"
PREFERRED = ("qwen2.5-1.5b", "qwen2.5-0.5b")
"""Embedded models in the order of choice where none is named."""


def open_language_model(
    provider: str = "auto",
    *,
    models: Path,
    model: str = "",
    base_url: str = "",
    context_tokens: int = 4096,
    digest: str = "",
    api_key: str = "",
    threads: int | None = None,
    keep_alive: str = "30m",
    limits: Limits | None = None,
) -> LanguageModel:
    """The language model of that provider: `auto`, `ollama`, `openai-compatible` or `embedded`.

    `model` is a name the server has, or for `embedded` one of the catalogue or the path of a GGUF file; empty means
    the first that is there. `digest` pins it. `models` is the weights directory.

    Raises:
        ModelUnavailable: none is there; the message says what to do.
        ModelChanged: it is not the pinned one.
    """

    def ollama() -> LanguageModel:
        from rag.models.ollama import OllamaModel, first_model

        url = base_url or OLLAMA_URL
        return OllamaModel(
            model or first_model(url),
            base_url=url,
            context_tokens=context_tokens,
            digest=digest,
            keep_alive=keep_alive,
            limits=limits,
        )

    def openai_compatible() -> LanguageModel:
        from rag.models.openai_compatible import OpenAiCompatibleModel

        return OpenAiCompatibleModel(
            model, base_url=base_url, context_tokens=context_tokens, api_key=api_key, limits=limits
        )

    def embedded() -> LanguageModel:
        from rag.models.embedded import EmbeddedModel

        path, name, sha256 = _gguf(model, models)
        if digest and digest.removeprefix("sha256:") != sha256:
            raise ModelChanged(f"{path} has the digest sha256:{sha256[:12]}…, pinned is {digest[:19]}… (llm.digest).")
        return EmbeddedModel(
            path, name=name, sha256=sha256, context_tokens=context_tokens, threads=threads, limits=limits
        )

    def auto() -> LanguageModel:
        from rag.models.ollama import answers

        if answers(base_url or OLLAMA_URL):
            try:
                return ollama()
            except ModelUnavailable:
                if base_url or model:
                    raise  # it was meant
        return embedded()

    providers: Mapping[str, Callable[[], LanguageModel]] = MappingProxyType(
        {"auto": auto, "ollama": ollama, "openai-compatible": openai_compatible, "embedded": embedded}
    )
    if provider not in providers:
        raise ModelUnavailable(f"There is no language model provider {provider!r}; use one of: {', '.join(providers)}.")
    return providers[provider]()


def _gguf(model: str, models: Path) -> tuple[Path, str, str]:
    """Path, name and sha256 of the embedded model."""
    if model.endswith(".gguf"):
        path = Path(model).expanduser()
        if not path.is_file():
            raise ModelUnavailable(f"{path} is not there (llm.model).")
        with path.open("rb") as content:
            return path, path.stem, hashlib.file_digest(content, "sha256").hexdigest()
    for name in (model,) if model else PREFERRED:
        try:
            weights = find(name, directory=models)
        except ModelUnavailable:
            if model:
                raise
            continue
        if weights.model.kind is not Kind.LANGUAGE_MODEL:
            raise ModelUnavailable(f"{name} is no language model (llm.model).")
        return weights.path, weights.model.title, weights.sha256
    raise ModelUnavailable(
        f"There is no language model: Ollama does not answer, and no weights are in {models}. Start Ollama with "
        f"`ollama serve`, or fetch an embedded model with `rag models fetch {PREFERRED[0]}` "
        f"({MODELS[PREFERRED[0]].weights.size_bytes / 1e9:.1f} GB)."
    )
