"""The settings' embedder, opened with the adapter in use; and one that answered before, opened again as it was."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict

from rag.models.embedder import open_embedder
from rag.models_in_use import adapting
from rag.models_in_use.writers import policy_of
from rag.ports import Embedder
from rag.settings import Settings
from rag.settings.models import EmbedderSettings
from rag.store.ledger import Ledger


class Embedders:
    """Opens embedders; `close` closes each of them in the end."""

    def __init__(self, settings: Settings, ledger: Ledger, *, close: ExitStack) -> None:
        self._settings, self._ledger, self._close = settings, ledger, close

    def open(self) -> Embedder:
        """The one the settings name.

        Raises:
            ModelError: it cannot be had; says what to do.
        """
        return self._open(self._settings.embedder, self._adapter)

    @property
    def made_by(self) -> str:
        """How that one is opened: what `reopen` takes, as the ledger keeps it."""
        return json.dumps(asdict(self._settings.embedder) | {"adapter": self._adapter})

    def reopen(self, made_by: str) -> Embedder:
        """As it was opened before; `adapter` tells which one it had.

        Raises:
            ModelError: it cannot be had any more.
        """
        wanted = json.loads(made_by)
        adapter = wanted.pop("adapter", "")
        return self._open(EmbedderSettings(**wanted), adapter)

    @property
    def _adapter(self) -> str:
        return adapting.adopted(self._ledger) if self._settings.embedder.adapter == "auto" else ""

    def _open(self, wanted: EmbedderSettings, adapter: str) -> Embedder:
        embedder = open_embedder(
            wanted.provider,
            models=self._settings.models,
            model=wanted.model,
            threads=wanted.threads or None,
            precision=wanted.precision,  # type: ignore[arg-type]  # one of the three: checked by settings
            base_url=wanted.base_url,
            digest=wanted.digest,
            changed=self._settings.llm.changed,
            policy=policy_of(self._settings),
        )
        self._close.callback(embedder.close)
        return adapting.adapted(embedder, adapter, self._ledger)
