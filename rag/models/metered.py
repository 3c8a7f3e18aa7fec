"""A language model whose tokens and failures are counted; otherwise the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.answers import ModelInfo
from rag.metrics import Metrics
from rag.ports import Delta, Generation, LanguageModel, Message


class Metered:
    """See `rag.ports.LanguageModel`."""

    def __init__(self, model: LanguageModel, metrics: Metrics) -> None:
        self._model, self._metrics = model, metrics

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
        with self._metrics.failing("model"):
            return self._counted(self._model.stream(messages, generation))

    def close(self) -> None:
        """Let go of memory and connections."""
        self._model.close()

    def _counted(self, deltas: Iterator[Delta]) -> Iterator[Delta]:
        try:
            with self._metrics.failing("model"):
                for delta in deltas:
                    if (used := delta.usage) is not None:
                        self._metrics.model_used(
                            read=used.prompt_tokens, wrote=used.output_tokens, reused=used.cached_tokens
                        )
                    yield delta
        finally:
            if (close := getattr(deltas, "close", None)) is not None:
                close()
