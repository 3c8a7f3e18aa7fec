"""Generated JSON to statements while it streams. Pure but for its own memory of what came before."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One thing the model says, with the number of the passage it names (1-based)."""

    source: int
    text: str


_LIST = re.compile(r'"statements"\s*:\s*\[|^\s*(?:```(?:json)?\s*)?\[(?=\s*[{\]])', re.IGNORECASE)
"""Where the list begins; what a model writes before it (prose, a fence) is no answer. Some write only the list."""

_CLOSED = re.compile(r"</?(?:think|thinking|thought|reasoning)>|\[/THINK\]", re.IGNORECASE)


class StatementStream:
    """Takes pieces of ``{"statements": [{"source": 1, "text": "…"}, …]}`` and gives each statement once it is whole."""

    def __init__(self) -> None:
        self._text, self._at, self._over = "", 0, False

    def feed(self, piece: str) -> list[Statement]:
        """The statements that became whole with this piece."""
        self._text += piece
        if not self._at:
            self._text = _CLOSED.split(self._text)[-1]  # thinking whose opening stood in the prompt
            opened = _LIST.search(self._text)
            if opened is None:
                return []
            self._at = opened.end()
        found = []
        while not self._over and (start := self._next()) >= 0:
            try:
                entry, self._at = _DECODER.raw_decode(self._text, start)
            except (ValueError, RecursionError):  # not whole yet, or never JSON
                break
            found += _statement(entry)
        return found

    def _next(self) -> int:
        """Where the next entry begins; -1 where none has, or the list has ended."""
        start, end = self._text.find("{", self._at), self._text.find("]", self._at)
        self._over = 0 <= end < (start if start >= 0 else len(self._text))
        return -1 if self._over else start


def _statement(entry: object) -> list[Statement]:
    """The entry as a statement, if it is one; half a surrogate pair becomes a replacement character."""
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or not entry["text"].strip():
        return []
    source = entry.get("source")
    text = entry["text"].strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return [Statement(source=source if type(source) is int else 0, text=text)]
