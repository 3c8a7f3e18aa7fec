"""A language model whose tokens and failures are counted; otherwise the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.metrics import Metrics
from rag.models.wrapped import Wrapped
from rag.ports import Delta, Generation, LanguageModel, Message


class Metered(Wrapped):
    """See `rag.ports.LanguageModel`."""

    def __init__(self, model: LanguageModel, metrics: Metrics) -> None:
        super().__init__(model)
        self._metrics = metrics

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate. Closing the iterator stops it."""
        with self._metrics.failing("model"):
            return self._counted(self._model.stream(messages, generation))

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
