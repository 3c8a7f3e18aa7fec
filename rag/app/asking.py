"""Questions as every door asks them, by the settings: answered through the flow of `rag.ask`, or only searched for.

Each is counted, and recorded before anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from rag.access import Channel, Principal
from rag.app.index import Index
from rag.app.observing import Counted
from rag.ask.answer import Answerer
from rag.ask.conversation import Turn
from rag.ask.lineage import described
from rag.ask.listening import Telling
from rag.ask.release import Policy, divide, within
from rag.ask.rules import Rules, Unsupported
from rag.ask.searched import Retrieved
from rag.ask.versions import newest_first
from rag.documents import ChunkId
from rag.errors import ModelError
from rag.filters import NONE, Filters
from rag.metrics import Metrics
from rag.models import embedder as embedding
from rag.models.seats import Seats
from rag.models_in_use.writers import Writers
from rag.ports import LanguageModel
from rag.settings import Settings
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger

_PROMPT_TOKENS = {"embedded": 540, "ollama": 2000, "openai-compatible": 2000}
"""Excerpts a model is given, tokens: two cores read 67 a second, a server's GPU thousands."""


class Asking:
    """What answers the questions to one home; `policy` is asked for each of them, and says what chats carry."""

    def __init__(
        self,
        settings: Settings,
        index: Index,
        *,
        writers: Writers,
        ledger: Ledger,
        audit: AuditLog,
        metrics: Metrics,
        seats: Seats,
        policy: Callable[[], Policy],
    ) -> None:
        self._settings, self._index, self._writers = settings, index, writers
        self._ledger, self._audit, self._metrics = ledger, audit, metrics
        self._seats, self._policy = seats, policy

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        filters: Filters = NONE,
        acting: str | None = None,
        reason: str | None = None,
        model: str | None = None,
        conversation: Sequence[Turn] = (),
        early: bool = False,
    ) -> Counted:
        """Answer a question, event by event; `model` names another model than the settings do, `conversation` is what
        was said before, as the asker tells it; `acting` and `reason` as the audit takes them, `early` as the answerer
        does."""

        def asked() -> Telling:
            return self.answerer(model).ask(
                question,
                principal=principal,
                channel=channel,
                filters=filters,
                acting=acting,
                reason=reason,
                conversation=conversation,
                early=early,
            )

        return Counted(asked, self._metrics)

    def answerer(self, model: str | None = None) -> Answerer:
        """What answers questions, by the settings."""
        retriever = self._index.retriever
        writer = self._writers.get(model)
        if model is not None and writer is not None:
            _ = writer.info  # whoever names a model is told that it is not there, and gets no extracts instead
        return Answerer(
            retriever=retriever,
            audit=self._audit,
            model=writer,
            rules=self.rules(writer),
            seats=self._seats,
            policy=self._policy(),
            other_embedder=lambda: embedding.changed(self._index.spaces.coming.embedder),
            prompts=self._settings.prompts,
        )

    def rules(self, writer: LanguageModel | None) -> Rules:
        """How answers are made with this model, by the settings."""
        wanted = self._settings.retrieval
        return Rules(
            passages=wanted.passages,
            prompt_tokens=wanted.prompt_tokens or _PROMPT_TOKENS[_runtime(writer)],
            evidence=wanted.evidence,
            max_answer_tokens=self._settings.llm.max_answer_tokens,
            unsupported=Unsupported(self._settings.answers.unsupported),
            patience_s=self._settings.answers.patience_s,
        )

    def search(
        self,
        query: str,
        *,
        principal: Principal,
        channel: Channel,
        k: int,
        filters: Filters = NONE,
        without: Set[ChunkId] = frozenset(),
        acting: str | None = None,
        reason: str | None = None,
    ) -> Retrieved:
        """The best passages that the channel may carry, whatever their evidence, once it is recorded that they are
        shown; none of those in `without`."""
        with self._metrics.failing("search"):
            policy = self._policy()
            found = self._index.retriever.retrieve(
                query, principal=principal, k=k, filters=within(filters, channel, policy), without=without
            )
            shown = described(divide(found.passages, channel, policy).full, self._ledger, principal)
            shown = tuple(newest_first(shown, query))
            self._audit.open(
                question=query,
                principal=principal,
                channel=channel,
                passages=shown,
                acting=acting,
                reason=reason,
                event="searched",
            )
            return replace(found, passages=shown)


def _runtime(writer: LanguageModel | None) -> str:
    """Where it runs; a server that does not answer now says so when it is asked for the answer."""
    try:
        return writer.info.runtime if writer is not None else "embedded"
    except ModelError:
        return "ollama"
