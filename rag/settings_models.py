"""`[licences]` of rag.toml, and what the tables of models may say together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.settings_option import option as _option

_USES = ("free", "conditions", "research", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class LicencesSettings:
    """`[licences]`: which models may be used, by the licence each brings (`rag models` shows them)."""

    allow: tuple[str, ...] = _option(
        ("free", "conditions", "unknown"),
        "uses that are let in: free, conditions, research, unknown; what is unknown is a finding of `rag doctor`",
        among=_USES,
    )
    accepted: tuple[str, ...] = _option(
        (), 'models whose licence somebody who may has read and accepted, whatever is found, e.g. "command-r:35b"'
    )
    european_union: bool = _option(
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
