"""`[embedder]`, `[llm]` and `[licences]` of rag.toml: the models, and what their tables may say together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.settings.option import option

_USES = ("free", "conditions", "research", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderSettings:
    """`[embedder]`: what turns text into vectors. Another embedder means the index is made anew."""

    provider: str = option(
        "openvino",
        "openvino (CPU, no torch), torch (GPU; extra torch), ollama",
        choices=("openvino", "torch", "ollama"),
    )
    model: str = option("e5-small", "model name; for ollama for instance bge-m3")
    base_url: str = option("http://localhost:11434", "address of Ollama, for provider ollama", address=True)
    digest: str = option(
        "", 'pinned digest, "sha256:…" (`rag models pin`); another version embeds nothing; empty: not pinned'
    )
    precision: str = option("auto", "auto: bf16 where the CPU has it", choices=("auto", "bf16", "f32"))
    threads: int = option(0, "threads for ingestion; 0: all cores")
    adapter: str = option(
        "auto", "auto: the one that `rag tune embedder` fitted and adopted, if any; none", choices=("auto", "none")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """`[llm]`: what writes answers."""

    provider: str = option(
        "auto",
        "auto: Ollama if it answers, else the embedded model",
        choices=("auto", "ollama", "openai-compatible", "embedded", "none"),
    )
    base_url: str = option("", "address of the model server; empty: the provider's usual one", address=True)
    model: str = option("", "model name; empty: Ollama's first local chat model, or the embedded one that fits")
    base_urls: tuple[str, ...] = option(
        (), "several servers of the same model, in place of base_url: the least busy one answers", address=True
    )
    digest: str = option("", 'pinned digest, "sha256:…" (`rag models pin`); empty: not pinned')
    changed: str = option(
        "refuse",
        "what becomes of answers when a pinned model, or the embedder, is another version: refuse: only extracts from "
        "the documents; warn: it answers, and the answer says so",
        choices=("refuse", "warn"),
    )
    context_tokens: int = option(4096, "tokens of prompt and answer together (num_ctx)", least=512)
    max_answer_tokens: int = option(300, "longest answer, tokens", least=1)
    connect_timeout_s: float = option(5.0, "longest wait for the model server to take a connection, seconds", least=0.1)
    first_token_timeout_s: float = option(180.0, "longest wait for the first token, seconds", least=0.1)
    between_tokens_timeout_s: float = option(60.0, "longest wait for each token after it, seconds", least=0.1)
    total_timeout_s: float = option(600.0, "longest answer, seconds", least=0.1)
    thinking_tokens: int = option(
        1024, "most tokens a thinking model may think before it answers; of the context, beside prompt and answer"
    )
    threads: int = option(0, "threads of the embedded model; 0: all cores (fewer is faster on a busy machine)")
    api_key_file: str = option("", "file that holds the key of an openai-compatible server")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers that are named; empty: the provider's usual one."""
        return self.base_urls or ((self.base_url,) if self.base_url else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LicencesSettings:
    """`[licences]`: which models may be used, by the licence each brings (`rag models` shows them)."""

    allow: tuple[str, ...] = option(
        ("free", "conditions", "unknown"),
        "uses that are let in: free, conditions, research, unknown; what is unknown is a finding of `rag doctor`",
        among=_USES,
    )
    accepted: tuple[str, ...] = option(
        (), 'models whose licence somebody who may has read and accepted, whatever is found, e.g. "command-r:35b"'
    )
    european_union: bool = option(
        True, "the company has its seat in the EU: models whose licence grants nothing there are refused"
    )


def host_problem(provider: str, base_url: str, base_urls: Sequence[str]) -> str:
    """What cannot be said of model servers together; empty where it can."""
    if base_url and base_urls:
        return "base_urls names the servers; take base_url out"
    if base_urls and provider in ("embedded", "none"):
        return f'base_urls is for a model on servers, not for provider "{provider}"'
    if len(set(base_urls)) < len(base_urls):
        return "base_urls names one server twice"
    return ""


def digest_problem(provider: str, digest: str) -> str:
    """Why a pin cannot be held; empty where it can. A pin that nothing checks would only seem to protect."""
    if digest and provider == "openai-compatible":
        return "an openai-compatible server tells no digest, so nothing could be checked; take digest out"
    if digest and not re.fullmatch(r"(?:sha256:)?[0-9a-f]{64}", digest.strip(), re.IGNORECASE):
        return 'digest is "sha256:" and 64 digits, as `rag models pin` writes it'
    return ""
