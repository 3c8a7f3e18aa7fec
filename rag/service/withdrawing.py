"""Messages of bots that show documents, as whoever looks after a home asks for them: which there are, and taking them
back, which their bots do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rag.access import LOOPBACK, OWNER
from rag.app import App
from rag.errors import AccessError, SettingsError
from rag.service.forms import Event
from rag.store.bot_messages import Posted


class Withdrawing:
    """The operations on an open App."""

    def __init__(self, app: App) -> None:
        self._app = app

    @property
    def operations(self) -> Mapping[str, Callable[..., Iterator[Event]]]:
        """By the names `rag.service` knows them under."""
        return {"bot_messages": self.messages}

    def messages(self, *, document: str | None = None, gone: bool = False, remove: bool = False) -> Iterator[Event]:
        """``{"messages": […], "wanted_back"}``: all, those that show a document (id, or its key once it is gone), or
        one that is gone; with `remove` their bots take them back, and `wanted_back` counts those that they were not to
        before.

        Raises:
            AccessError: nothing of that document is known.
            SettingsError: all of them would be taken back.
        """
        app = self._app
        if remove and document is None and not gone:
            raise SettingsError("Which messages? Name a --document, or those of documents that are --gone.")
        key = self._key(document) if document is not None else None
        found = app.posted.all(document=key, gone=gone)
        wanted = 0
        if remove and found:
            about: dict[str, Any] = {"document": key} if key else {}
            app.audit.note("withdrawal_asked", user=OWNER, channel=LOOPBACK, messages=len(found), **about)
            wanted = app.posted.withdraw(found)
            found = app.posted.all(document=key, gone=gone)
        yield {"messages": [self._json(one) for one in found], "wanted_back": wanted}

    def _key(self, document: str) -> str:
        entry = self._app.ledger.entry(document)
        if entry is not None:
            return entry.key
        if not self._app.posted.count([document]):
            raise AccessError(
                f"There is no document {document!r}. Of one that is gone only its key finds messages: "
                "`rag bot messages --gone` lists them."
            )
        return document

    def _json(self, one: Posted) -> dict[str, Any]:
        entries = {key: self._app.ledger.entry(key) for key in one.documents}
        documents = [
            {"key": key, "document_id": entry.id if entry is not None else None, "gone": key in one.gone}
            for key, entry in entries.items()
        ]
        return {**asdict(one), "documents": documents}
