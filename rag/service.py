"""What the owner of a home can ask of it, as plain JSON values: one table of operations, used in process by the command
line and over the home's socket by everybody else on this machine.

Every operation is an iterator of events; all but the last report progress, the last is the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.advice import advice
from rag.app import App
from rag.errors import DocumentError, SettingsError
from rag.forms import Event, entry_json, event_json, plan_json, source_json
from rag.govern import checks
from rag.govern.standing import ages, standings
from rag.ingestion import Ingestion
from rag.store.backup import back_up
from rag.store.rows import Entry

OWNER = "local"


class Service:
    """The operations on an open App. `stop` ends whatever is running at its next step."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ingestion = Ingestion(app)
        self._operations: dict[str, Callable[..., Iterator[Event]]] = {
            "ask": self.ask,
            "search": self.search,
            "ingest": self.ingest,
            "status": self.status,
            "documents": self.documents,
            "show": self.show,
            "why": self.why,
            "sources": self.sources,
            "remove_source": self.remove_source,
            "rebuild": self.rebuild,
            "backup": self.backup,
            "audit": self.audit,
            "doctor": self.doctor,
        }

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        """Run one operation.

        Raises:
            SettingsError: there is no such operation.
            RagError: as the operation says.
        """
        if operation not in self._operations:
            raise SettingsError(
                f"The service knows no operation called {operation}; is it another version of Archivar?"
            )
        run = self._operations[operation]
        try:
            signature(run).bind(**arguments)
        except TypeError as error:
            raise SettingsError(
                f"The service was asked wrongly ({operation}: {error}); is it another version of Archivar?"
            ) from error
        return run(**arguments)

    def stop(self) -> None:
        """End what is running at its next step; finished documents stay."""
        self._ingestion.stop()

    @property
    def busy(self) -> bool:
        """Whether an ingest is under way, whoever asked for it."""
        return self._ingestion.busy

    def ask(
        self, question: str, *, user: str | None = None, sources: list[str] | None = None, model: str | None = None
    ) -> Iterator[Event]:
        """Events ``passages``, ``sentence``…, ``done``."""
        app = self._app
        app.sources.check(sources or ())
        events = app.ask(
            _text(question),
            principal=self._asker(user),
            channel=LOOPBACK,
            sources=frozenset(sources) if sources else None,
            acting=None if user is None else OWNER,
            model=model,
        )
        return (event_json(event) for event in events)

    def search(
        self, query: str, *, k: int = 10, user: str | None = None, sources: list[str] | None = None
    ) -> Iterator[Event]:
        """``{"evidence", "passages"}``; asking as somebody else leaves a record."""
        app = self._app
        person = self._asker(user)
        app.sources.check(sources or ())
        found = app.search(_text(query), principal=person, k=k, sources=frozenset(sources) if sources else None)
        if user is not None:
            app.audit.open(question=query, principal=person, channel=LOOPBACK, passages=found.passages, acting=OWNER)
        yield {
            "evidence": round(found.evidence, 4),
            "passages": [passage.as_json() for passage in found.passages],
        }

    def ingest(
        self,
        *,
        paths: list[str] | None = None,
        dry_run: bool = False,
        confirm_removals: list[str] | None = None,
    ) -> Iterator[Event]:
        """``{"waiting": …}`` where another ingest is under way, ``{"looking": source}``, ``{"progress": Step}``…, then
        the report; with `dry_run` only the plan."""
        app = self._app
        if dry_run:
            yield {"plan": plan_json(*app.survey([Path(path) for path in paths or []]))}
            return
        for path in paths or []:
            app.sources.unregistered(Path(path))  # all of them are there, or none is registered
        confirmed = frozenset(confirm_removals or ())
        app.sources.check(confirmed)
        wanted = confirmed | {app.sources.register(Path(path)) for path in paths or []}
        names = [connector.name for connector in app.sources.connectors(wanted or None)]
        yield from self._ingestion.run(names, confirmed=confirmed)

    def status(self) -> Iterator[Event]:
        """Counts, sources, models."""
        app = self._app
        yield {
            "home": str(app.settings.home),
            "pid": os.getpid(),
            **app.ledger.counts(),
            "sources": self._sources(),
            "removals": asdict(app.keeping.removals) if app.keeping.removals else None,
            "embedder": app.settings.embedder.model,
            "embedding": app.embedding,
            "settings": str(app.settings.config) if app.settings.config else None,
        }

    def documents(self, *, failed: bool = False) -> Iterator[Event]:
        """``{"documents": […]}``."""
        ledger = self._app.ledger
        age = ages(ledger)
        yield {"documents": [entry_json(entry, age) for entry in ledger.entries(failed_only=failed)]}

    def show(self, document: str) -> Iterator[Event]:
        """``{"text"}``: the document's own text, then that of its parts.

        Raises:
            DocumentError: it failed and has no text; the message is the reason.
        """
        entry = self._app.ledger.entry(document)
        if entry is None:
            raise SettingsError(f"There is no document {document!r}. `rag documents` lists what there is.")
        text = "\n\n".join(self._texts(entry))
        if entry.reason and not text:
            raise DocumentError(f"{entry.id} has no text: {entry.reason}. {advice(entry.reason)}")
        yield {"document_id": entry.id, "title": entry.title, "text": text}

    def why(self, user: str, document: str) -> Iterator[Event]:
        """May they read it, and by which reader."""
        entry = self._app.ledger.entry(document)
        person = self._app.person(user)
        if entry is None:
            raise SettingsError(f"There is no document {document!r}. `rag documents` lists what there is.")
        by = sorted(entry.acl.readers & person.tokens)
        yield {
            "user": user,
            "document_id": entry.id,
            "may_read": bool(by),
            "by": by,
            "readers": sorted(entry.acl.readers),
            "groups": sorted(person.groups),
        }

    def sources(self) -> Iterator[Event]:
        """``{"sources": […]}``."""
        yield {"sources": self._sources()}

    def remove_source(self, name: str) -> Iterator[Event]:
        """Forget a registered folder, or one that was taken out of rag.toml, and its documents."""
        if any(source.name == name for source in self._app.settings.sources):
            raise SettingsError(f'The source "{name}" stands in rag.toml. Take it out there first, then repeat this.')
        if name not in self._app.ledger.sources() and not self._app.ledger.size(name):
            raise SettingsError(f'There is no registered source called "{name}". `rag sources` lists what there is.')
        yield {"removed": self._app.remove_source(name)}

    def rebuild(self) -> Iterator[Event]:
        """Both indexes anew from the ledger."""
        yield {"chunks": self._app.rebuild()}

    def backup(self, directory: str) -> Iterator[Event]:
        """A backup's manifest, once it was written and read back."""
        app = self._app
        yield back_up(app.ledger, app.audit, app.settings.config, Path(directory))

    def audit(self, *, verify: bool = False) -> Iterator[Event]:
        """The records, or whether they hold."""
        if verify:
            yield {"first_bad_record": self._app.audit.verify(), "head": self._app.audit.head}
        else:
            yield {"records": list(self._app.audit.records())}

    def doctor(self) -> Iterator[Event]:
        """``{"well", "checks"}``: everything this installation stands on."""
        app, settings = self._app, self._app.settings
        found = [checks.switches(), *checks.home(settings.home)]
        if settings.embedder.provider != "ollama":
            found.append(checks.weights(settings.embedder.model, settings.models))
        found.append(checks.language_model(app.language_model, lambda: app.model_problem))
        found.append(checks.index(app.ledger))
        found.append(checks.rows(app.look_through))
        found += checks.sources(standings(settings, app.ledger))
        yield {"well": all(check.well for check in found), "checks": [asdict(check) for check in found]}

    def _asker(self, user: str | None) -> Principal:
        """The person asked for, the owner where none is; an empty name is nobody, not the owner."""
        return self._app.person(OWNER if user is None else user)

    def _sources(self) -> list[Event]:
        app = self._app
        watched: Mapping[str, str] = app.keeping.watched
        return [source_json(one, watched=watched.get(one.name)) for one in standings(app.settings, app.ledger)]

    def _texts(self, entry: Entry) -> Iterator[str]:
        document = self._app.ledger.document(entry.key)
        if document is not None:
            yield document.text
        for _, key in self._app.ledger.parts(entry.key):
            part = self._app.ledger.entry(key)
            if part is not None:
                yield from self._texts(part)


def _text(typed: str) -> str:
    """What was typed, as text: bytes a terminal in another encoding sent become question marks."""
    return typed.encode("utf-8", "replace").decode("utf-8")
