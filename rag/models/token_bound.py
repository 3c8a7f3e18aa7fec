"""Bounds on the tokens of a prompt for servers that do not count them.

The upper bound weighs characters as the tokenizers in use split them: letters fall into pieces of two and more,
digits and signs stand alone, every other character may cost its bytes. It is above the true count for text people
write; each answer's own count raises it should it ever have been too low, and sharpens it otherwise. The lower bound
rests on pieces never reaching across white space, and on the ratio seen so far.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence

from rag.errors import ContextOverflow
from rag.ports import Delta, Message

_PER_MESSAGE = 8  # role, separators
_PER_PROMPT = 48  # begin, generation prompt, the default system sentence some templates add
_MARGIN = 1.15
_LEAST_FACTOR = 0.75  # the next prompt may be in a language that needs more than those seen
_CLEARLY_LESS = 0.7
_TELLING_TOKENS = 200  # shorter prompts are mostly template
_OBSERVATIONS = 3


class TokenBound:
    """Bounds that learn from the counts a server reports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lowest, self._highest, self._seen = math.inf, 0.0, 0

    def forget(self) -> None:
        """Begin anew: another model counts otherwise."""
        with self._lock:
            self._lowest, self._highest, self._seen = math.inf, 0.0, 0

    def upper(self, messages: Sequence[Message]) -> int:
        """At least the tokens of the prompt."""
        with self._lock:
            learned = self._highest * _MARGIN
            factor = max(learned, _LEAST_FACTOR if self._seen >= _OBSERVATIONS else 1.0)
        return math.ceil(_weight(messages) * factor) + _overhead(messages)

    def lower(self, messages: Sequence[Message]) -> int:
        """At most the tokens of the prompt."""
        words = sum(len(message.content.split()) for message in messages)
        with self._lock:
            if self._seen < _OBSERVATIONS:
                return words
            return max(words, int(_weight(messages) * self._lowest * _CLEARLY_LESS))

    def learn(self, messages: Sequence[Message], counted: int) -> None:
        """Remember how a prompt was counted by the server."""
        weight = _weight(messages)
        with self._lock:
            if counted > weight or counted >= _TELLING_TOKENS:
                self._lowest = min(self._lowest, max(counted - _overhead(messages), 1) / max(weight, 1))
                self._highest = max(self._highest, counted / max(weight, 1))
                self._seen += 1

    def checked(self, messages: Sequence[Message], deltas: Iterator[Delta], *, server: str) -> Iterator[Delta]:
        """The deltas; in the end the server's count is compared with what was sent.

        Raises:
            ContextOverflow: the server read clearly less than was sent: it cut the prompt in silence.
        """
        for delta in deltas:
            counted = delta.usage.prompt_tokens if delta.usage else None
            if counted is not None:
                least = self.lower(messages)
                if counted < least:
                    raise ContextOverflow(
                        f"{server} read {counted} tokens of a prompt of at least {least}: its beginning was cut off. "
                        f"Lower llm.context_tokens to what the server really gives, or let the server give more."
                    )
                self.learn(messages, counted)
            yield delta


def _overhead(messages: Sequence[Message]) -> int:
    return _PER_PROMPT + _PER_MESSAGE * len(messages)


def _weight(messages: Sequence[Message]) -> float:
    return sum(_cost(character) for message in messages for character in message.content)


def _cost(character: str) -> float:
    """Tokens that a character may cost, at most."""
    if not character.isascii():
        return 1.0 if character.isalpha() and character < "\u0250" else float(len(character.encode("utf-8", "replace")))
    if character.isalpha():
        return 0.5
    return 0.3 if character == " " else 1.0
