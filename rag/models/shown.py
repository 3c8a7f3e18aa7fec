"""What Ollama shows of one model (`/api/show`), in our words: kind, length, what it can do, its licence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag.models.licences import Verdict, judge

_CAN = {
    "completion": "chat",
    "vision": "vision",
    "audio": "audio",
    "embedding": "embedding",
    "thinking": "thinking",
    "tools": "tools",
}
"""Ollama's words → ours, in the order they are told; others (``insert``) are no matter here."""
_ENCODERS = ("bert", "nomic-bert", "jina-bert-v2", "xlm-roberta", "gemma-embedding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One model as its server shows it. What it does not tell is empty, None or 0.

    `size` and `quantisation` as the server words them ("8.0B", "Q4_K_M"); `context_tokens` is the trained length;
    `information` are the fields of its file by their own names (``llama.block_count``); `licence` its whole text;
    `remote`: it only stands for a model that runs elsewhere.
    """

    family: str = ""
    size: str = ""
    quantisation: str = ""
    context_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    licence: str = ""
    template: str = ""
    parameters: str = ""
    information: Mapping[str, Any] = field(default_factory=dict)
    remote: bool = False

    @property
    def template_digest(self) -> str:
        """The first 12 digits of the template's sha256; empty where it has none."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:12] if self.template else ""

    @property
    def licence_digest(self) -> str:
        """Likewise of the licence's text."""
        return hashlib.sha256(self.licence.encode()).hexdigest()[:12] if self.licence else ""

    def verdict(self, name: str) -> Verdict:
        """Whether a company may use it, under that name."""
        return judge(
            self.licence,
            name=name,
            size=self.size,
            information=self.information,
            multimodal=bool({"vision", "audio"} & set(self.capabilities)),
        )


def of_answer(content: Mapping[str, Any]) -> Shown:
    """What an answer to ``POST /api/show`` says; whatever is missing or of another form is left out."""
    details, information = _mapping(content.get("details")), _mapping(content.get("model_info"))
    architecture = str(information.get("general.architecture") or details.get("family") or "")
    length = information.get(f"{architecture}.context_length")
    licence = content.get("license")
    return Shown(
        family=str(details.get("family") or architecture),
        size=str(details.get("parameter_size") or ""),
        quantisation=str(details.get("quantization_level") or ""),
        context_tokens=length if isinstance(length, int) and length > 0 else None,
        capabilities=_capabilities(content, architecture, information),
        licence="\n\n".join(map(str, licence)) if isinstance(licence, list) else str(licence or ""),
        template=str(content.get("template") or ""),
        parameters=str(content.get("parameters") or ""),
        information=information,
        remote=any(content.get(name) for name in ("remote_host", "remote_model")),
    )


def _capabilities(content: Mapping[str, Any], architecture: str, information: Mapping[str, Any]) -> tuple[str, ...]:
    """As the server lists them; servers before 0.6.4 list none, then by the file's architecture."""
    listed = content.get("capabilities")
    if isinstance(listed, list):
        return tuple(ours for theirs, ours in _CAN.items() if theirs in listed)
    if architecture in _ENCODERS or f"{architecture}.pooling_type" in information:
        return ("embedding",)
    sees = bool(content.get("projector_info")) or any(".vision." in name for name in information)
    return ("chat", "vision") if sees else ("chat",)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
