"""What a model thinks before it answers, taken out of its text while it streams, whatever pieces it comes in.

Every family marks it otherwise; a server that knows the family gives it in a field of its own, which nobody reads. Here
is what comes through as text. A block that is never closed hides everything after it. A document cannot use this: the
brackets of such tags are exchanged in the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rag.ports import Delta, Usage

_BLOCKS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<reflection>": "</reflection>",
    "<analysis>": "</analysis>",
    "<seed:think>": "</seed:think>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis": "<|channel|>final<|message|>",
    "<|channel|>commentary": "<|channel|>final<|message|>",
    "<|channel>thought": "<channel|>",
}
"""Opening → closing, in small letters."""

_TOKENS = ("<|channel|>final<|message|>", "<|start|>assistant", "<|end|>", "<|return|>", "<|message|>")
"""What stands around the answer itself where a template's tokens come through as text."""

_MARKS = (*_BLOCKS, *_TOKENS)


class Thinking:
    """Takes text piece by piece and gives what of it is no thinking. White space after a block goes with it."""

    def __init__(self) -> None:
        self._held, self._closing, self._after = "", "", False

    @property
    def within(self) -> bool:
        """Whether it is thinking now."""
        return bool(self._closing)

    def feed(self, piece: str) -> str:
        """What can be given now; what may be the beginning of a mark waits."""
        self._held += piece
        given = ""
        while True:
            if self._closing:
                at = self._held.lower().find(self._closing)
                if at < 0:
                    self._held = self._held[-len(self._closing) :]
                    return given
                self._held, self._closing, self._after = self._held[at + len(self._closing) :], "", True
            found = self._next()
            if found is None:
                kept = self._waiting()
                text, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
                return given + self._without_gap(text)
            at, mark = found
            given += self._without_gap(self._held[:at])
            self._held, self._closing = self._held[at + len(mark) :], _BLOCKS.get(mark, "")

    def end(self) -> str:
        """What waited, now that nothing more comes."""
        rest, self._held = ("" if self._closing else self._held), ""
        return self._without_gap(rest)

    def _next(self) -> tuple[int, str] | None:
        """The first mark; of two that begin there the longer, and none while a longer one may still come."""
        lower = self._held.lower()
        places = [(at, -len(mark), mark) for mark in _MARKS if (at := lower.find(mark)) >= 0]
        if not places:
            return None
        at, _, mark = min(places)
        rest = lower[at:]
        longer = any(other.startswith(rest) and len(other) > len(mark) for other in _MARKS)
        return None if longer else (at, mark)

    def _waiting(self) -> int:
        """How many characters at the end may be the beginning of a mark."""
        lower = self._held.lower()
        longest = max(map(len, _MARKS))
        return next(
            (n for n in range(min(longest, len(lower)), 0, -1) if any(mark.startswith(lower[-n:]) for mark in _MARKS)),
            0,
        )

    def _without_gap(self, text: str) -> str:
        if self._after:
            text = text.lstrip()
            self._after = not text
        return text


def without_thinking(deltas: Iterator[Delta], *, budget: int | None = None) -> Iterator[Delta]:
    """The deltas without what the model thinks; the last one keeps its usage.

    Once more than `budget` pieces (about a token each) were thought and nothing was said, it ends there; its usage says
    "thought", as it does where the server stopped it at its limit before it had said a word.
    """
    thinking, thought, said = Thinking(), 0, False
    for delta in deltas:
        text = thinking.feed(delta.text) + (thinking.end() if delta.usage is not None else "")
        hidden = delta.thought + (1 if delta.text and thinking.within else 0)
        thought += hidden
        said = said or bool(text.strip())
        usage = delta.usage
        if usage is not None and thought and not said and usage.finish == "length":
            usage = replace(usage, finish="thought")
        if text or usage is not None or hidden:
            yield Delta(text=text, usage=usage, thought=hidden)
        if usage is None and not said and budget is not None and thought > budget:
            yield Delta(usage=Usage(prompt_tokens=None, output_tokens=None, finish="thought"))
            return
    rest = thinking.end()
    if rest:
        yield Delta(text=rest)
