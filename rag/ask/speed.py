"""How fast each model reads a prompt, learned from the answers it gives in this process."""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict, deque

from rag.answers import ModelInfo

_KEPT, _ENOUGH = 9, 3
_LEAST_TOKENS, _LEAST_S = 100, 0.01


class ReadingSpeeds:
    """Model → tokens a second, the median of its last nine prompts. Thread-safe.

    A model's first prompt tells nothing: it was loaded, and read what all prompts share. Nor do fewer than three more:
    one slow answer on a busy machine must not cost the next ones their passages.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    def learn(self, model: str, *, tokens: int, seconds: float) -> None:
        """A prompt of so many tokens that were not known from before took so long to the first word."""
        with self._lock:
            if model in self._begun and tokens >= _LEAST_TOKENS and seconds >= _LEAST_S:
                self._seen[model].append(tokens / seconds)
            self._begun.add(model)

    def tokens_a_second(self, model: str) -> float | None:
        """None where too little was measured yet."""
        with self._lock:
            seen = self._seen.get(model, ())
            return statistics.median(seen) if len(seen) >= _ENOUGH else None

    def reads(self, model: ModelInfo, tokens: int, within_s: float) -> bool:
        """Whether a model reads so many tokens in that time; also where its speed is not known yet."""
        speed = self.tokens_a_second(model.digest or model.name)
        return speed is None or tokens <= speed * within_s


SPEEDS = ReadingSpeeds()
"""Those of this process."""
