"""How answers are made, by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unsupported(StrEnum):
    """What becomes of a sentence that no passage supports."""

    FLAG = "flag"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How answers are made: `prompt_tokens` for passages, `evidence` as the least probability of an answer."""

    passages: int = 8
    prompt_passages: int = 5
    prompt_tokens: int = 540
    evidence: float = 0.25
    max_answer_tokens: int = 300
    unsupported: Unsupported = Unsupported.FLAG
    patience_s: float = 8.0
