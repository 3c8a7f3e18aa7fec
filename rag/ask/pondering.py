"""A model that thinks before it writes, as its reader is told of it: that it does, and when it is over; never what."""

from __future__ import annotations

from rag.answers import Thinking
from rag.ports import Delta


class Pondering:
    """Whether one answer's model thinks now. What it thinks after its first word goes untold: then the reader reads."""

    def __init__(self) -> None:
        self._thinks = self._wrote = False

    def told(self, delta: Delta) -> tuple[Thinking, ...]:
        """What the reader is to be told before this piece: once that it thinks, once that it writes, else nothing."""
        if delta.anew:
            self._wrote = False
        if self._wrote or not (delta.text or delta.thought):
            return ()
        self._wrote, before = bool(delta.text), self._thinks
        self._thinks = not delta.text
        return (Thinking(over=not self._thinks),) if self._thinks != before else ()
