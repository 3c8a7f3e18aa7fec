"""Which licence a family of models came under, by the name a server gives a model: what is known without its text.

Names are those of Ollama's library (``qwen2.5:3b``), of model hubs (``Qwen/Qwen2.5-3B-Instruct``) and mixtures of both
(``hf.co/bartowski/Qwen2.5-3B-Instruct-GGUF:Q4_K_M``). The first pattern that is found counts, so the particular stands
before the general. Source: the models' published cards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_3B, _8B, _72B = (rf".*(?<![\d.]){size}(\.\d+)?b\b" for size in ("3", "8", "7[23]"))

_FAMILIES: tuple[tuple[str, str, str], ...] = (
    # pattern on the folded name · licence · the licence of the model it was made from, where that one holds on
    (r"\bgpt ?oss\b", "apache-2.0", ""),
    (r"\bdeepseek r1\b.*\bllama\b.*\b70b", "mit", "llama3.3"),
    (r"\bdeepseek r1\b.*\b70(\.\d+)?b\b", "mit", "llama3.3"),
    (r"\bdeepseek r1\b.*\bllama\b", "mit", "llama3.1"),
    (r"\bdeepseek r1\b", "mit", ""),
    (r"\bdeepseek v3( 0324|\.[12])", "mit", ""),
    (r"\bdeepseek (v[23]|coder|llm|vl|math)", "deepseek", ""),
    (r"\bnemotron\b.*\bllama 3\.1|\bllama 3\.1 nemotron", "nvidia-open", "llama3.1"),
    (r"\b(llama ?4|llama4|4 (scout|maverick))\b", "llama4", ""),
    (r"\b(code ?llama|llama ?2|llama2)\b", "llama2", ""),
    (r"\bllama ?3\.1\b", "llama3.1", ""),
    (r"\bllama ?3\.2\b", "llama3.2", ""),
    (r"\bllama ?3\.3\b", "llama3.3", ""),
    (r"\bllama ?3\b(?!\.)", "llama3", ""),
    (r"\bqwen ?3", "apache-2.0", ""),
    (rf"\bqwen ?2\.5( ?(coder|vl))?\b{_3B}", "qwen-research", ""),
    (rf"\bqwen ?2\.5( ?vl)?\b{_72B}", "qwen", ""),
    (rf"\bqwen ?2( ?vl)?\b{_72B}", "tongyi", ""),
    (r"\bqwen ?2(\.5)?( ?(coder|vl|math))?\b|\bqwen2\.?5?(coder|vl)\b|\bqwq\b", "apache-2.0", ""),
    (r"\bqwen( ?1\.5)?\b", "tongyi", ""),
    (r"\bphi ?[34](\.5)?\b", "mit", ""),
    (r"\bmistral large(?! ?3)|\bpixtral large|\bmistral small\b.*\b2409", "mrl", ""),
    (rf"\bministral\b{_8B}", "mrl", ""),
    (r"\bcodestral\b(?!.*mamba)", "mnpl", ""),
    (r"\b(mistral|mixtral|ministral|magistral|devstral|mathstral|pixtral|voxtral)", "apache-2.0", ""),
    (r"\bfalcon\b.*\b180b", "falcon-180b", ""),
    (r"\bfalcon ?(2|3|h1|mamba)\b", "falcon-2", ""),
    (r"\bfalcon\b", "apache-2.0", ""),
    (r"\bgemma ?4", "apache-2.0", ""),
    (r"\bmedgemma|\bmedsiglip|\btxgemma", "hai-def", ""),
    (r"gemma", "gemma", ""),
    (r"\b(command( ?r|a)?( ?plus)?|aya|c4ai)\b", "cc-by-nc", ""),
    (r"\bexaone", "exaone", ""),
    (r"\bstable ?lm ?2?\b", "stability-research", ""),
    (r"\bstarcoder ?2?\b|\bbloom\b", "openrail", ""),
    (r"\bdbrx\b", "dbrx", ""),
    (r"\blfm ?2\b", "lfm", ""),
    (r"\bhunyuan\b", "hunyuan", ""),
    (r"\b(multilingual )?e5\b|\bbge\b|\bgte\b", "mit", ""),
    (
        r"\b(smollm|smolvlm|granite|olmo|nomic embed|mxbai embed|snowflake arctic|all minilm|paraphrase)",
        "apache-2.0",
        "",
    ),
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a name tells: ids of licences (`rag.models.licence_terms`); `made_from` is "" where none holds on."""

    licence: str
    made_from: str


def known(name: str, *, size: str = "", architecture: str = "") -> Known | None:
    """What is known of a model by its name, its `size` as its server tells it ("3.1B") and its `architecture`."""
    folded = fold(f"{name} {size}")
    if architecture == "llama" and "deepseek r1" in folded and "qwen" not in folded and "llama" not in folded:
        folded = folded.replace(
            "deepseek r1", "deepseek r1 llama", 1
        )  # the tag does not say from which it was distilled
    for pattern, licence, made_from in _FAMILIES:
        if re.search(pattern, folded):
            return Known(licence, made_from)
    return None


def fold(name: str) -> str:
    """Lower case, owner and address left out, words apart: ``hf.co/x/Qwen2.5-3B-GGUF:Q4`` → ``qwen2.5 3b gguf q4``."""
    own = name.lower().rsplit("/", 1)[-1]
    return " ".join(re.sub(r"[^a-z0-9.]+", " ", own).split())
