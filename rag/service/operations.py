"""What the owner of a home can ask of it, as plain JSON values: one table of operations, used in process by the command
line and over the home's socket by everybody else on this machine.

Every operation is an iterator of events; all but the last report progress, the last is the result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, OWNER, Principal
from rag.app import App
from rag.ask.conversation import turns
from rag.errors import SettingsError
from rag.filters import Filters, parse
from rag.govern import egress, records
from rag.govern.standing import standings
from rag.question import question_of
from rag.service.admission import Admission
from rag.service.auditing import Auditing, reader
from rag.service.doctor import Doctor
from rag.service.erasing import Erasing, buried_json
from rag.service.figures import readings
from rag.service.forms import Event, event_json, plan_json, source_json
from rag.service.ingestion import Ingestion
from rag.service.lookup import Lookup
from rag.service.withdrawing import Withdrawing
from rag.store.backup import back_up


class Service:
    """The operations on an open App. `stop` ends whatever is running at its next step."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ingestion = Ingestion(app)
        lookup = Lookup(app)
        self.documents, self.show, self.why = lookup.documents, lookup.show, lookup.why
        self.doctor = Doctor(app).doctor
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
            "doctor": self.doctor,
            "records": self.records,
            **Auditing(app).operations,
            **Admission(app).operations,
            **Erasing(app).operations,
            **Withdrawing(app).operations,
            "metrics": self.metrics,
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
        self,
        question: str,
        *,
        user: str | None = None,
        sources: list[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        model: str | None = None,
        conversation: list[dict[str, str]] | None = None,
        reason: str | None = None,
        break_glass: bool = False,
    ) -> Iterator[Event]:
        """Events ``passages``, ``sentence``…, ``done``. Who reads: see `rag.service.auditing.reader`. `filters`:
        ``languages``, ``types``, ``since``, ``paths`` as `rag.filters.parse` takes them. `conversation`: what was said
        before, oldest first, each ``{"role": "user" | "assistant", "content"}``.

        Raises:
            SettingsError: the question, filters or conversation are not of that form, or too long.
        """
        app = self._app
        who = reader(app, user=user, reason=reason, glass=break_glass)
        wanted = self._filters(sources, filters, who.principal)
        events = app.ask(
            question_of(question),
            principal=who.principal,
            channel=LOOPBACK,
            filters=wanted,
            acting=who.acting,
            reason=who.reason,
            model=model,
            conversation=turns(conversation or ()),
        )
        return (event_json(event) for event in events)

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        user: str | None = None,
        sources: list[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        reason: str | None = None,
        break_glass: bool = False,
    ) -> Iterator[Event]:
        """``{"evidence", "passages", "unquoted"}``; the rest as in `ask`."""
        who = reader(self._app, user=user, reason=reason, glass=break_glass)
        found = self._app.search(
            question_of(query),
            principal=who.principal,
            channel=LOOPBACK,
            k=k,
            filters=self._filters(sources, filters, who.principal),
            acting=who.acting,
            reason=who.reason,
        )
        yield {
            "evidence": round(found.evidence, 4),
            "passages": [passage.as_json() for passage in found.passages],
            "unquoted": list(found.unquoted),
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
            "erased": buried_json(app.ledger),
            "removals": asdict(app.keeping.removals) if app.keeping.removals else None,
            "embedder": app.settings.embedder.model,
            "embedding": app.embedding,
            "language_model": {"provider": app.settings.llm.provider, "model": app.settings.llm.model},
            "settings": str(app.settings.config) if app.settings.config else None,
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
        removed = self._app.remove_source(name)
        shown = len(self._app.posted.all(gone=True)) if removed else 0
        yield {"removed": removed, **({"bot_messages": shown} if shown else {})}

    def rebuild(self) -> Iterator[Event]:
        """Both indexes anew from the ledger."""
        yield {"chunks": self._app.rebuild()}

    def backup(self, directory: str) -> Iterator[Event]:
        """A backup's manifest, once it was written and read back."""
        app = self._app
        app.audit.note("backed_up", user=OWNER, channel=LOOPBACK)
        yield back_up(app.ledger, app.audit, app.settings.config, Path(directory))

    def records(self) -> Iterator[Event]:
        """What `rag dpia` says, as data."""
        app = self._app
        yield records.facts(app.settings, app.ledger, egress.standing(), bots=app.keys.bots)

    def metrics(self) -> Iterator[Event]:
        """``{"text", "at"}``: what this process counted, in Prometheus' text format, and when (seconds since 1970)."""
        app = self._app
        yield {"text": app.metrics.render(*readings(app)).decode(), "at": time.time()}

    def _filters(self, sources: Sequence[str] | None, typed: Mapping[str, Any] | None, principal: Principal) -> Filters:
        app, given = self._app, dict(typed or {})
        app.sources.check(sources or ())
        found = parse(
            sources=sources or None,
            languages=given.pop("languages", ()),
            types=given.pop("types", ()),
            since=given.pop("since", None),
            paths=given.pop("paths", ()),
            there=lambda: app.ledger.media_types(principal),
        )
        if given:  # what is not understood is never left out
            raise SettingsError(f"There is no filter called {', '.join(given)}; is it another version of Archivar?")
        return found

    def _sources(self) -> list[Event]:
        app = self._app
        watched: Mapping[str, str] = app.keeping.watched
        return [source_json(one, watched=watched.get(one.name)) for one in standings(app.settings, app.ledger)]
