"""A language model passed through. Whoever notes something of what it does overrides `stream`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.answers import ModelInfo
from rag.ports import Delta, Generation, LanguageModel, Message


class Wrapped:
    """See `rag.ports.LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def info(self) -> ModelInfo:
        """Name and digest."""
        return self._model.info

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer."""
        return self._model.context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt as the model will read it."""
        return self._model.count_tokens(messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops it."""
        return self._model.stream(messages, generation)

    def close(self) -> None:
        """Let go of memory and connections."""
        self._model.close()
