"""Generated JSON to statements while it streams. Pure but for its own memory of what came before."""

from __future__ import annotations

import json
from dataclasses import dataclass

_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One thing the model says, with the number of the passage it names (1-based)."""

    source: int
    text: str


class StatementStream:
    """Takes pieces of ``{"statements": [{"source": 1, "text": "…"}, …]}`` and gives each statement once it is whole."""

    def __init__(self) -> None:
        self._text, self._at = "", 0

    def feed(self, piece: str) -> list[Statement]:
        """The statements that became whole with this piece."""
        self._text += piece
        if not self._at:
            opened = self._text.find("[")
            if opened < 0:
                return []
            self._at = opened + 1
        found = []
        while (start := self._text.find("{", self._at)) >= 0:
            try:
                entry, end = _DECODER.raw_decode(self._text, start)
            except json.JSONDecodeError:
                break
            self._at = end
            if isinstance(entry, dict) and isinstance(entry.get("text"), str) and entry["text"].strip():
                source = entry.get("source")
                found.append(Statement(source=source if isinstance(source, int) else 0, text=entry["text"].strip()))
        return found
