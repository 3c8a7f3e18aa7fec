"""The language models that are open: each by its name, opened when first asked for."""

from __future__ import annotations

import threading

from rag.errors import ModelUnavailable
from rag.metrics import Metrics
from rag.models.llm import open_language_model
from rag.models.metered import Metered
from rag.models.streaming import Limits
from rag.ports import LanguageModel
from rag.settings import Settings


class Writers:
    """What writes answers. `problem` says why none could be had the last time; empty where one could."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._opening = threading.Lock()
        self.opened: dict[str, LanguageModel] = {}
        self.problem = ""

    def get(self, name: str | None = None) -> LanguageModel | None:
        """The settings' model, or one by name; None where none can run.

        A model that could not be had is asked for again at the next question: its server may have come up.

        Raises:
            ModelUnavailable: a model asked for by name is not there.
        """
        wanted = self._settings.llm
        key = name or wanted.model
        if wanted.provider == "none" and not name:
            return None
        with self._opening:
            if key not in self.opened:
                try:
                    self.opened[key] = self._open(key)
                except ModelUnavailable as error:
                    self.problem = str(error)
                    if name:
                        raise
                    return None
                self.problem = ""
            return self.opened[key]

    def close(self) -> None:
        """Close them, the newest first."""
        while self.opened:
            self.opened.popitem()[1].close()

    def _open(self, name: str) -> LanguageModel:
        wanted = self._settings.llm
        model = open_language_model(
            wanted.provider if wanted.provider != "none" else "auto",
            models=self._settings.models,
            base_url=wanted.base_url,
            model=name,
            digest=wanted.digest,
            context_tokens=wanted.context_tokens,
            api_key=self._settings.api_key(),
            threads=wanted.threads or None,
            limits=Limits(
                connect_s=wanted.connect_timeout_s,
                first_token_s=wanted.first_token_timeout_s,
                between_tokens_s=wanted.between_tokens_timeout_s,
                total_s=wanted.total_timeout_s,
                thinking_tokens=wanted.thinking_tokens,
            ),
        )
        return Metered(model, self._metrics)
