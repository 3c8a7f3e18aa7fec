"""Which language model runs: the configured one, else Ollama if it answers, else the embedded one if it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from rag.errors import LicenceRefused, ModelUnavailable
from rag.models.catalogue import MODELS, Kind
from rag.models.host import Served
from rag.models.hosts import Hosts
from rag.models.licences import Policy, Verdict, judge, named
from rag.models.pins import Pin
from rag.models.streaming import Limits
from rag.models.token_bound import TokenBound
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
    base_urls: Sequence[str] = (),
    context_tokens: int = 4096,
    digest: str = "",
    changed: str = "refuse",
    policy: Policy | None = None,
    api_key: str = "",
    threads: int | None = None,
    keep_alive: str = "30m",
    seats: int = 1,
    capacity: Callable[[int], None] = lambda count: None,
    limits: Limits | None = None,
) -> LanguageModel:
    """The language model of that provider: `auto`, `ollama`, `openai-compatible` or `embedded`.

    `model` is a name the server has, or for `embedded` one of the catalogue or the path of a GGUF file; empty means
    the first that is there. `digest` pins it; `changed` says what becomes of answers by another version (`Changed`).
    `policy` says which licences are let in. `models` is the weights directory. Several `base_urls` are hosts of one
    model; each writes `seats` answers at a time, and `capacity` is told how many they write together.

    Raises:
        ModelUnavailable: none is there; the message says what to do. LicenceRefused: none that may be used.
        ModelChanged: it is not the pinned one.
    """
    urls = tuple(base_urls) or (base_url,)
    bound = TokenBound()

    def ollama() -> LanguageModel:
        from rag.models.ollama import OllamaModel, first_model

        places = [url or OLLAMA_URL for url in urls]
        name = model or _first_of(places, first_model)
        return hosted(
            {
                url: OllamaModel(
                    name,
                    base_url=url,
                    context_tokens=context_tokens,
                    digest=digest,
                    changed=changed,
                    policy=policy,
                    keep_alive=keep_alive,
                    limits=limits,
                    bound=bound,
                )
                for url in places
            }
        )

    def openai_compatible() -> LanguageModel:
        from rag.models.openai_compatible import OpenAiCompatibleModel

        def at(url: str) -> OpenAiCompatibleModel:
            return OpenAiCompatibleModel(
                model,
                base_url=url,
                context_tokens=context_tokens,
                api_key=api_key,
                policy=policy,
                limits=limits,
                bound=bound,
            )

        return hosted({url: at(url) for url in urls})

    def hosted(served: Mapping[str, Served]) -> LanguageModel:
        """One is itself; several are asked as one."""
        if len(served) == 1:
            return next(iter(served.values()))
        return Hosts(tuple(served.items()), seats=seats, capacity=capacity)

    def embedded() -> LanguageModel:
        from rag.models.embedded import EmbeddedModel

        path, name, sha256, verdict = _gguf(model, models)
        if refusal := (policy or Policy()).refusal(name, verdict):
            raise LicenceRefused(refusal)
        pinned = Pin.of(digest, key="llm.digest", changed=changed).check(sha256, model=name, place=str(path))
        return EmbeddedModel(
            path,
            name=name,
            sha256=sha256,
            context_tokens=context_tokens,
            threads=threads,
            limits=limits,
            use=verdict.use.value,
            changed=not pinned,
        )

    def auto() -> LanguageModel:
        from rag.models.ollama import answers

        if base_urls or answers(base_url or OLLAMA_URL):
            try:
                return ollama()
            except ModelUnavailable:
                if any(urls) or model:
                    raise  # it was meant
        return embedded()

    providers: Mapping[str, Callable[[], LanguageModel]] = MappingProxyType(
        {"auto": auto, "ollama": ollama, "openai-compatible": openai_compatible, "embedded": embedded}
    )
    if provider not in providers:
        raise ModelUnavailable(f"There is no language model provider {provider!r}; use one of: {', '.join(providers)}.")
    return providers[provider]()


def _first_of(urls: Sequence[str], first_model: Callable[[str], str]) -> str:
    """The first model of the first server that answers."""
    for url in urls[:-1]:
        with suppress(ModelUnavailable):
            return first_model(url)
    return first_model(urls[-1])


def _gguf(model: str, models: Path) -> tuple[Path, str, str, Verdict]:
    """Path, name and sha256 of the embedded model, and what its licence says."""
    if model.endswith(".gguf"):
        path = Path(model).expanduser()
        if not path.is_file():
            raise ModelUnavailable(f"{path} is not there (llm.model).")
        with path.open("rb") as content:
            return path, path.stem, hashlib.file_digest(content, "sha256").hexdigest(), judge(name=path.stem)
    for name in (model,) if model else PREFERRED:
        try:
            weights = find(name, directory=models)
        except ModelUnavailable:
            if model:
                raise
            continue
        if weights.model.kind is not Kind.LANGUAGE_MODEL:
            raise ModelUnavailable(f"{name} is no language model (llm.model).")
        return weights.path, weights.model.title, weights.sha256, named(weights.model.licence)
    raise ModelUnavailable(
        f"There is no language model: Ollama does not answer, and no weights are in {models}. Start Ollama with "
        f"`ollama serve`, or fetch an embedded model with `rag models fetch {PREFERRED[0]}` "
        f"({MODELS[PREFERRED[0]].weights.size_bytes / 1e9:.1f} GB)."
    )
