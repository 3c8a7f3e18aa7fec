"""The language models that are open: each by its name, opened when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rag.errors import ModelChanged, ModelUnavailable
from rag.metrics import Metrics
from rag.models.host import HostStanding
from rag.models.hosts import Hosts
from rag.models.licences import Policy
from rag.models.llm import open_language_model
from rag.models.metered import Metered
from rag.models.streaming import Limits
from rag.ports import LanguageModel
from rag.settings import Settings


class Writers:
    """What writes answers. `problem` says why none could be had the last time; empty where one could. `capacity` is
    told how many answers the settings' model writes at a time, where that changes."""

    def __init__(
        self, settings: Settings, metrics: Metrics, *, capacity: Callable[[int], None] = lambda count: None
    ) -> None:
        self._settings, self._metrics, self._capacity = settings, metrics, capacity
        self._hosts: Hosts | None = None
        self._opening = threading.Lock()
        self.opened: dict[str, LanguageModel] = {}
        self.problem = ""

    def get(self, name: str | None = None) -> LanguageModel | None:
        """The settings' model, or one by name; None where none can run.

        A model that could not be had is asked for again at the next question: its server may have come up.

        Raises:
            ModelUnavailable, ModelChanged: a model asked for by name is not there, or not the pinned one.
        """
        wanted = self._settings.llm
        key = name or wanted.model
        if wanted.provider == "none" and not name:
            return None
        with self._opening:
            if key not in self.opened:
                try:
                    self.opened[key] = self._open(key)
                except (ModelUnavailable, ModelChanged) as error:
                    self.problem = str(error)
                    if name:
                        raise
                    return None
                self.problem = ""
            return self.opened[key]

    def hosts(self) -> tuple[HostStanding, ...]:
        """How each of several model servers stands; none where there is one, or it was not asked yet."""
        return self._hosts.standing() if self._hosts is not None else ()

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
            base_urls=wanted.base_urls,
            digest=wanted.digest if name == wanted.model else "",
            changed=wanted.changed,
            policy=policy_of(self._settings),
            seats=self._settings.slots_per_host,
            capacity=self._capacity if name == wanted.model else lambda count: None,
            context_tokens=wanted.context_tokens,
            api_key=self._settings.api_key(),
            threads=wanted.threads or None,
            limits=limits_of(self._settings),
        )
        if isinstance(model, Hosts) and name == wanted.model:
            self._hosts = model
        return Metered(model, self._metrics)


def limits_of(settings: Settings) -> Limits:
    """How long a model may take by these settings, and think."""
    wanted = settings.llm
    return Limits(
        connect_s=wanted.connect_timeout_s,
        first_token_s=wanted.first_token_timeout_s,
        between_tokens_s=wanted.between_tokens_timeout_s,
        total_s=wanted.total_timeout_s,
        thinking_tokens=wanted.thinking_tokens,
    )


def policy_of(settings: Settings) -> Policy:
    """Which models these settings let in."""
    wanted = settings.licences
    return Policy(allow=wanted.allow, accepted=wanted.accepted, eu=wanted.european_union)
