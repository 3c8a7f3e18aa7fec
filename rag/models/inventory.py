"""Which models there are: those a server has, those of the catalogue on this disk, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import ModelUnavailable
from rag.models.catalogue import MODELS, Kind
from rag.models.chat_completions import ChatCompletions
from rag.models.licences import Verdict, judge, named
from rag.models.ollama_server import OllamaServer, is_cloud_name
from rag.models.pins import bare
from rag.models.shown import Shown
from rag.models.streaming import Limits
from rag.models.weights import find

_LIMITS = Limits(connect_s=3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One model. `place`: the server's address, or the directory of the weights; `runtime`: ``ollama``,
    ``openai-compatible`` or ``catalogue``. `digest` without "sha256:"; sizes in bytes and tokens, None where nobody
    tells. `problem`: why it cannot be used where it is; `title` and `weights` are the catalogue's."""

    name: str
    runtime: str
    place: str
    verdict: Verdict
    kind: str = ""
    title: str = ""
    weights: str = ""
    family: str = ""
    size: str = ""
    quantisation: str = ""
    context_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    digest: str = ""
    size_bytes: int | None = None
    problem: str = ""
    shown: Shown | None = None

    @property
    def embeds_only(self) -> bool:
        """Whether it makes vectors, not text."""
        return self.capabilities == ("embedding",) or self.kind == Kind.EMBEDDER.value

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "name": self.name,
            "title": self.title or self.name,
            "kind": self.kind,
            "runtime": self.runtime,
            "place": self.place,
            "family": self.family,
            "size": self.size,
            "quantisation": self.quantisation,
            "context_tokens": self.context_tokens,
            "capabilities": list(self.capabilities),
            "digest": f"sha256:{self.digest}" if self.digest else "",
            "size_bytes": self.size_bytes,
            "licence": self.verdict.name,
            "use": self.verdict.use.value,
            "verdict": self.verdict.as_json(),
            "weights": self.weights,
            "problem": self.problem,
        }


def of_ollama(base_url: str, *, only: str = "") -> list[Listed]:
    """What an Ollama has, or one model of it.

    Raises:
        ModelUnavailable, ModelTimeout: it does not answer.
    """
    server = OllamaServer(base_url, limits=_LIMITS)
    return [
        _of_tag(server, entry)
        for entry in server.models()
        if only in ("", entry["name"], str(entry["name"]).removesuffix(":latest"))
    ]


def _of_tag(server: OllamaServer, entry: dict[str, Any]) -> Listed:
    name = str(entry["name"])
    problem = ""
    try:
        shown = server.shown(name)
    except ModelUnavailable as error:  # it is listed, and cannot be read
        shown, problem = Shown(), str(error)
    if shown.remote or server.is_remote(entry) or is_cloud_name(name):
        problem = "It runs in a cloud, and is not used: documents would leave the building."
    details = entry.get("details")
    tag = details if isinstance(details, dict) else {}
    size = entry.get("size")
    return Listed(
        name=name,
        runtime="ollama",
        place=server.base_url,
        verdict=shown.verdict(name),
        kind=(Kind.EMBEDDER if shown.capabilities == ("embedding",) else Kind.LANGUAGE_MODEL).value,
        family=shown.family or str(tag.get("family") or ""),
        size=shown.size or str(tag.get("parameter_size") or ""),
        quantisation=shown.quantisation or str(tag.get("quantization_level") or ""),
        context_tokens=shown.context_tokens,
        capabilities=shown.capabilities,
        digest=bare(str(entry.get("digest") or "")),
        size_bytes=size if isinstance(size, int) else None,
        problem=problem,
        shown=shown,
    )


def of_openai(base_url: str, *, api_key: str = "") -> list[Listed]:
    """What an OpenAI-compatible server offers: names, and what llama.cpp and vLLM add of their own.

    Raises:
        ModelUnavailable, ModelTimeout: it does not answer.
    """
    protocol = ChatCompletions(
        base_url,
        server=f"The model server at {base_url}",
        mend="Start it, or correct llm.base_url.",
        limits=_LIMITS,
        api_key=api_key,
    )
    return [_of_offer(base_url, offer) for offer in protocol.offers()]


def _of_offer(base_url: str, offer: dict[str, Any]) -> Listed:
    name = str(offer.get("id", ""))
    about = offer.get("meta")
    meta = about if isinstance(about, dict) else {}
    context, size = meta.get("n_ctx_train") or offer.get("max_model_len"), meta.get("size")
    parameters = meta.get("n_params")
    return Listed(
        name=name,
        runtime="openai-compatible",
        place=base_url,
        verdict=judge(name=name),
        context_tokens=context if isinstance(context, int) else None,
        size=f"{parameters / 1e9:.1f}B" if isinstance(parameters, int) else "",
        size_bytes=size if isinstance(size, int) else None,
    )


_CAN = {Kind.LANGUAGE_MODEL: ("chat",), Kind.EMBEDDER: ("embedding",), Kind.SPEECH: ("audio",)}


def of_catalogue(directory: Path) -> list[Listed]:
    """The models we know by hash, with what of them lies in the directory of weights."""
    found = []
    for name, model in MODELS.items():
        try:
            weights = find(name, directory=directory)
        except ModelUnavailable:
            weights = None
        found.append(
            Listed(
                name=name,
                runtime="catalogue",
                place=str(directory / name),
                verdict=named(model.licence, name=model.title),
                kind=model.kind.value,
                title=model.title,
                weights=weights.quality.value if weights else "not here",
                capabilities=_CAN[model.kind],
                digest=weights.sha256 if weights else model.weights.sha256,
                size_bytes=model.weights.size_bytes,
            )
        )
    return found


def same(one: str, other: str) -> bool:
    """Whether two names mean one model: Ollama's ``:latest`` may be left out."""
    return one.removesuffix(":latest") == other.removesuffix(":latest")


def called(name: str, listed: Sequence[Listed]) -> Listed | None:
    """The first model of that name."""
    return next((one for one in listed if same(one.name, name)), None)
