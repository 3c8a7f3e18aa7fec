"""What the owner of a home can ask of it, as plain JSON values: one table of operations, used in process by the command
line and over the home's socket by everybody else on this machine.

Every operation is an iterator of events; all but the last report progress, the last is the result.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.answers import AnswerEvent, Done, Found
from rag.app import App
from rag.errors import SettingsError
from rag.govern import checks
from rag.ports import IngestProgress
from rag.store.rows import Entry

Event = dict[str, Any]
OWNER = "local"


class Service:
    """The operations on an open App. `stop` ends whatever is running at its next step."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stopped = threading.Event()
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
        self._stopped.set()

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
        """``{"progress"}`` events, then the report; with `dry_run` only the plan."""
        app = self._app
        if dry_run:
            yield {"plan": _plan_json(app, paths or [])}
            return
        for path in paths or []:
            app.sources.unregistered(Path(path))  # all of them are there, or none is registered
        names = frozenset(app.sources.register(Path(path)) for path in paths or []) or None
        if confirm_removals:
            names = frozenset(confirm_removals)
        yield from _with_progress(
            lambda progress, left: app.ingest(
                names,
                confirm_removals=bool(confirm_removals),
                progress=progress,
                stopped=lambda: left.is_set() or self._stopped.is_set(),
            ).as_json()
        )

    def status(self) -> Iterator[Event]:
        """Counts, sources, models."""
        app = self._app
        yield {
            "home": str(app.settings.home),
            "pid": os.getpid(),
            **app.ledger.counts(),
            "sources": list(self._source_rows()),
            "embedder": app.settings.embedder.model,
            "settings": str(app.settings.config) if app.settings.config else None,
        }

    def documents(self, *, failed: bool = False) -> Iterator[Event]:
        """``{"documents": […]}``."""
        yield {"documents": [entry_json(entry) for entry in self._app.ledger.entries(failed_only=failed)]}

    def show(self, document: str) -> Iterator[Event]:
        """``{"text"}``: the document's own text, then that of its parts."""
        entry = self._app.ledger.entry(document)
        if entry is None:
            raise SettingsError(f"There is no document {document!r}. `rag documents` lists what there is.")
        yield {"document_id": entry.id, "title": entry.title, "text": "\n\n".join(self._texts(entry))}

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
        yield {"sources": list(self._source_rows())}

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
        yield {"well": all(check.well for check in found), "checks": [asdict(check) for check in found]}

    def _asker(self, user: str | None) -> Principal:
        """The person asked for, the owner where none is; an empty name is nobody, not the owner."""
        return self._app.person(OWNER if user is None else user)

    def _source_rows(self) -> Iterator[Event]:
        app = self._app
        for source in app.settings.sources:
            yield {
                "name": source.name,
                "path": source.path,
                "readers": list(source.readers),
                "class": source.confidentiality,
                "from": "settings",
            }
        for name, path in app.ledger.sources().items():
            yield {"name": name, "path": str(path), "readers": ["everyone"], "class": "internal", "from": "ingest"}

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


def event_json(event: AnswerEvent) -> Event:
    """An answer's event in its public form; the key ``event`` names it."""
    if isinstance(event, Found):
        return {
            "event": "passages",
            "evidence": round(event.evidence, 4),
            "passages": [passage.as_json() for passage in event.passages],
        }
    if isinstance(event, Done):
        return {"event": "done", **event.answer.as_json()}
    return {
        "event": "sentence",
        "text": event.text,
        "supported": event.supported,
        "citations": [citation.as_json() for citation in event.citations],
    }


def entry_json(entry: Entry) -> Event:
    """A document as `rag documents` lists it."""
    return {
        "document_id": entry.id,
        "key": entry.key,
        "title": entry.title,
        "state": entry.state,
        "reason": entry.reason,
        "media_type": entry.media_type,
        "language": entry.language,
        "modified_at": entry.modified_at.isoformat(),
        "chunks": entry.chunks,
        "class": entry.confidentiality.name.lower(),
        "readers": sorted(entry.acl.readers),
        "notes": list(entry.notes),
    }


def _plan_json(app: App, paths: list[str]) -> Event:
    found = app.survey([Path(path) for path in paths])
    plans = [survey.plan for survey in found.values()]
    return {
        "add": [ref.id for plan in plans for ref in plan.add],
        "replace": [ref.id for plan in plans for ref in plan.replace],
        "move": [[old, ref.id] for plan in plans for old, ref in plan.move],
        "reprotect": [ref.id for plan in plans for ref in plan.reprotect],
        "remove": [name for plan in plans for name in plan.remove],
        "held": [name for survey in found.values() for name in survey.held],
        "failed": [
            {"document": name, "reason": reason} for survey in found.values() for name, reason in survey.unread.items()
        ],
    }


def _with_progress(work: Callable[[IngestProgress, threading.Event], Event]) -> Iterator[Event]:
    """Run `work` in a thread and pass its progress on while it runs.

    The event is set when whoever asked has gone, or pressed Ctrl-C: the work ends after the document under way.
    """
    events: SimpleQueue[Event | BaseException] = SimpleQueue()
    left = threading.Event()

    def run() -> None:
        try:
            result = work(lambda step: events.put({"progress": list(step)}), left)
            events.put(result)
        except BaseException as error:
            events.put(error)

    thread = threading.Thread(target=run, name="ingest")
    thread.start()
    try:
        while True:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if "progress" not in event:
                return
    finally:
        left.set()
        thread.join()
