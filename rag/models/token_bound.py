"""Bounds on the tokens of a prompt for servers that do not count them, and what they prove afterwards.

The likely bound weighs characters as the tokenizers in use split them: letters fall into pieces of two and more,
digits and signs stand alone, every other character may cost its bytes. It is above the true count for text people
write; each answer's own count raises it should it ever have been too low, and sharpens it otherwise. The certain bound
takes a token a byte, which no tokenizer of a language model exceeds. The lower bound rests on pieces never reaching
across white space, and on how many tokens Latin letters took so far in prose: digits, signs and other scripts count
nothing, since some tokenizers take runs of them at once.

A server that cuts what is too long leaves out the oldest messages but for the system's, and then the beginning of what
remains, until it fits its context, which it then fills. So a count that would still fit with all those messages added,
at a token a byte, and that leaves the room for the answer, is proof that nothing is missing; any other count is none,
and is treated as a loss. Source: Ollama, server/prompt.go (`chatPrompt`) and the runners' truncation.

A server that was told no context gives what it likes, and may leave out the system's message too. Where it counts
prompts itself, its count afterwards must be the one before. Where it does not, a prompt that fits what it is said to
give is proven whole as above, and of one that is longer than it really gives, a loss shows once it read fewer tokens
than there are words: such a server has to be set right (`llm.context_tokens`).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.errors import ContextOverflow
from rag.ports import Delta, Message

_PER_MESSAGE = 8  # role, separators
_PER_PROMPT = 48  # begin, generation prompt, the default system sentence some templates add
_MARGIN = 1.15
_LEAST_FACTOR = 0.75  # the next prompt may be in a language that needs more than those seen
_CLEARLY_LESS = 0.7  # English takes three quarters of the tokens a letter that German does
_PROSE = 0.7  # so much of the characters are letters, at least
_TELLING_TOKENS = 200  # shorter prompts are mostly template
_OBSERVATIONS = 3
_EXACT, _EXACT_TOKENS = 0.95, 16  # a template that is told not to think may differ by a few tokens
_CERTAINLY_MESSAGE, _CERTAINLY_PROMPT = 16, 96
_UNREADABLE = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
"""What may be no word: base64, keys, hashes. Their letters do not fall into pieces."""
_CHANGES = re.compile(r"[a-z][A-Z0-9]|[0-9][A-Za-z]")
_CHANGES_LEAST, _UNREADABLE_COST = 3, 0.8


class TokenBound:
    """Bounds that learn from the counts a server reports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lowest, self._highest, self._seen = math.inf, 0.0, 0
        self._blind = False

    def forget(self) -> None:
        """Begin anew: another model counts otherwise."""
        with self._lock:
            self._lowest, self._highest, self._seen = math.inf, 0.0, 0

    def upper(self, messages: Sequence[Message]) -> int:
        """At least the tokens of the prompt, for text that people write; for certain, once the server has shown that it
        does not tell what it reads."""
        with self._lock:
            learned = self._highest * _MARGIN
            factor = max(learned, _LEAST_FACTOR if self._seen >= _OBSERVATIONS else 1.0)
            blind = self._blind
        certain = certainly(messages)
        return certain if blind else min(certain, math.ceil(_weight(messages) * factor) + _overhead(messages))

    def lower(self, messages: Sequence[Message]) -> int:
        """At most the tokens of the prompt."""
        words = _words(messages)
        with self._lock:
            known = self._seen >= _OBSERVATIONS and math.isfinite(self._lowest)
            return max(words, int(_letters(messages)[0] * self._lowest * _CLEARLY_LESS)) if known else words

    def learn(self, messages: Sequence[Message], counted: int, *, whole: bool = True) -> None:
        """Remember how a prompt was counted by the server; `whole`: as far as can be known it read all of it."""
        weight = _weight(messages)
        letters, others, prose = _letters(messages)
        with self._lock:
            if counted > weight or counted >= _TELLING_TOKENS:
                if whole and prose:
                    self._lowest = min(self._lowest, max(counted - _overhead(messages) - others, 1) / letters)
                self._highest = max(self._highest, counted / max(weight, 1))
                self._seen += 1

    def checked(
        self,
        messages: Sequence[Message],
        deltas: Iterator[Delta],
        *,
        server: str,
        context_tokens: int | None = None,
        answer_tokens: int = 1,
        refuses: bool = False,
        exact: int | None = None,
        told: bool = True,
    ) -> Iterator[Delta]:
        """The deltas; in the end the server's count is compared with what was sent.

        `context_tokens` is what the server was `told` to give, or is said to, None where nobody says, `answer_tokens`
        what of it was left for the answer; `refuses` whether it is known to refuse what is too long rather than cut it;
        `exact` how many tokens the server itself counted before.

        Raises:
            ContextOverflow: the server read less than was sent, or may have: it cut the prompt in silence.
        """
        for delta in deltas:
            if delta.usage is not None and delta.usage.finish != "cut" and not refuses:
                counted = delta.usage.prompt_tokens
                sent = Sent(messages, context=context_tokens, left=answer_tokens, exact=exact, told=told)
                self._insist(sent, counted, server=server)
            if delta.usage is not None and delta.usage.prompt_tokens is not None:
                self.learn(messages, delta.usage.prompt_tokens)
            yield delta

    def _insist(self, sent: Sent, counted: int | None, *, server: str) -> None:
        messages, context = sent.messages, sent.context
        fits = sent.fits
        if counted is None:
            if context is not None and not fits:
                with self._lock:
                    self._blind = True
                raise ContextOverflow(
                    f"{server} does not tell how much of the prompt it read, and it may have been too long. "
                    f"From now on it is given less."
                )
            return
        if sent.exact is not None:
            least = int(sent.exact * _EXACT) - _EXACT_TOKENS
        else:
            least = _words(messages) if fits and sent.told else self.lower(messages)  # what certainly fits was not cut
        if counted < least:
            raise ContextOverflow(
                f"{server} read {counted} tokens of a prompt of at least {least}: its beginning was cut off. "
                f"Lower llm.context_tokens to what the server really gives, or let the server give more."
            )
        if context is not None and not fits and counted + max(sent.left, sent.droppable) > context:
            self.learn(messages, counted, whole=False)
            raise ContextOverflow(
                f"{server} read {counted} tokens, and may have left out what did not fit its {context}. Raise "
                f"llm.context_tokens if the model can take more, or give it fewer passages."
            )


@dataclass(frozen=True, slots=True)
class Sent:
    """A prompt and what is known of where it went; see `TokenBound.checked`."""

    messages: Sequence[Message]
    context: int | None
    left: int
    exact: int | None
    told: bool

    @property
    def fits(self) -> bool:
        """Whether it fits for certain, whatever is in it."""
        return self.context is not None and certainly(self.messages) <= self.context

    @property
    def droppable(self) -> int:
        """Tokens that the server may have left out first."""
        return droppable(self.messages) if self.told else likely_droppable(self.messages)


def certainly(messages: Sequence[Message]) -> int:
    """At least the tokens of the prompt, whatever is in it."""
    return _CERTAINLY_PROMPT + sum(_bytes(message) for message in messages)


def droppable(messages: Sequence[Message]) -> int:
    """At least the tokens of the messages a server leaves out first: all but the system's and the last."""
    return sum(_bytes(message) for message in messages[:-1] if message.role != "system")


def likely_droppable(messages: Sequence[Message]) -> int:
    """Likewise of a server that leaves out the system's message too, which is text that people wrote."""
    system = sum(_text_weight(message.content) for message in messages[:-1] if message.role == "system")
    return droppable(messages) + math.ceil(system) + (_CERTAINLY_MESSAGE if system else 0)


def _words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


def _letters(messages: Sequence[Message]) -> tuple[float, int, bool]:
    """The weight of the Latin letters, the most tokens of all else but white space, and whether letters prevail."""
    weight, count, others, spaces = 0.0, 0, 0, 0
    for character in "".join(message.content for message in messages):
        if character.isspace():
            spaces += 1
        elif character.isalpha() and character < "\u0250":
            weight, count = weight + _cost(character), count + 1
        else:
            others += len(character.encode("utf-8", "replace"))
    return weight, others, count > _PROSE * (count + others + spaces)


def _bytes(message: Message) -> int:
    return len(message.content.encode("utf-8", "replace")) + _CERTAINLY_MESSAGE


def _overhead(messages: Sequence[Message]) -> int:
    return _PER_PROMPT + _PER_MESSAGE * len(messages)


def _weight(messages: Sequence[Message]) -> float:
    return sum(_text_weight(message.content) for message in messages)


def _text_weight(text: str) -> float:
    weight = sum(map(_cost, text))
    for found in _UNREADABLE.finditer(text):
        if len(_CHANGES.findall(found[0])) >= _CHANGES_LEAST:
            weight += max(0.0, _UNREADABLE_COST * len(found[0]) - sum(map(_cost, found[0])))
    return weight


def _cost(character: str) -> float:
    """Tokens that a character may cost, at most."""
    if not character.isascii():
        return 1.0 if character.isalpha() and character < "\u0250" else float(len(character.encode("utf-8", "replace")))
    if character.isalpha():
        return 0.5
    return 0.3 if character == " " else 1.0
