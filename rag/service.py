"""What the owner of a home can ask of it, as plain JSON values: one table of operations, used in process by the command
line and over the home's socket by everybody else on this machine.

Every operation is an iterator of events; all but the last report progress, the last is the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, Principal
from rag.admission import Admission
from rag.advice import advice
from rag.app import App
from rag.ask.conversation import turns
from rag.auditing import OWNER, Auditing, reader
from rag.credentials.accounts import ACCOUNT, Linked
from rag.erasing import Erasing, buried_json
from rag.errors import AccessError, DocumentError, SettingsError
from rag.filters import Filters, parse
from rag.forms import Event, entry_json, event_json, plan_json, source_json
from rag.govern import bot_checks, checks, egress, records, rights_checks
from rag.govern.checks import Check
from rag.govern.standing import ages, standings
from rag.govern.why import Asked, because
from rag.ingestion import Ingestion
from rag.licensing import in_use
from rag.question import question_of
from rag.settings import Settings
from rag.store.backup import back_up
from rag.store.chain import COUNCIL
from rag.store.rows import Entry, source_of
from rag.withdrawing import Withdrawing
from rag.writers import policy_of

_HOW_LINKED = (
    "[bots.accounts] lists it, or the rule of its platform (people) links it; by e-mail, the platform has to vouch for "
    "the address: ask for the person instead."
)


def _linked(account: str | None, linked: Linked | None) -> Iterator[str]:
    """How an account comes to be somebody's."""
    if account is not None and linked is not None:
        rule = {"accounts": "as [bots.accounts] lists it", "object-id": "as their sign-in at the provider says"}
        yield f"The account {account} is {linked.user}'s, {rule.get(linked.by, 'by the name before the colon')}."


class Service:
    """The operations on an open App. `stop` ends whatever is running at its next step."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ingestion = Ingestion(app)
        erasing = Erasing(app)
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
            **Auditing(app).operations,
            **Admission(app).operations,
            **erasing.operations,
            **Withdrawing(app).operations,
            "records": self.records,
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
        """Events ``passages``, ``sentence``…, ``done``. Who reads: see `rag.auditing.reader`. `filters`: ``languages``,
        ``types``, ``since``, ``paths`` as `rag.filters.parse` takes them. `conversation`: what was said before, oldest
        first, each ``{"role": "user" | "assistant", "content"}``.

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
        """``{"evidence", "passages"}``; the rest as in `ask`."""
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

    def documents(self, *, failed: bool = False) -> Iterator[Event]:
        """``{"documents": […], "erased": {…}}``; see `rag.erasing.buried_json`."""
        ledger = self._app.ledger
        age = ages(ledger)
        entries = [entry_json(entry, age) for entry in ledger.entries(failed_only=failed)]
        yield {"documents": entries, "erased": buried_json(ledger)}

    def show(
        self, document: str, *, user: str | None = None, reason: str | None = None, break_glass: bool = False
    ) -> Iterator[Event]:
        """``{"text"}``: the document's own text, then that of its parts, once it is recorded who sees it.

        Raises:
            AccessError: there is none, or it is not for this person to read, in the same words; whoever looks after
                Archivar is no reader.
            DocumentError: it failed and has no text; the message is the reason.
        """
        who = reader(self._app, user=user, reason=reason, glass=break_glass)
        entry = self._app.ledger.entry(document)
        if entry is None or not (who.glass or entry.acl.admits(who.principal)):
            raise AccessError(
                f"There is no document {document!r} that {who.principal.user} may read. `rag documents` lists what "
                'there is; to look into one all the same, on the record: `rag show … --break-glass --reason "…"`.'
            )
        self._app.audit.note(
            "viewed",
            user=who.principal.user,
            channel=LOOPBACK,
            acting=who.acting,
            reason=who.reason,
            document=entry.key,
            version=entry.version,
            glass=who.glass,
        )
        text = "\n\n".join(self._texts(entry))
        if entry.reason and not text:
            raise DocumentError(f"{entry.id} has no text: {entry.reason}. {advice(entry.reason)}")
        yield {"document_id": entry.id, "title": entry.title, "text": text}

    def why(self, user: str, document: str) -> Iterator[Event]:
        """May they read it, by which reader, and why: ``because`` are sentences. `user` may be an account of a chat.

        Raises:
            AccessError: it is an account, and linked to nobody; or there is no such document.
        """
        app = self._app
        linked = app.accounts.linked(user)
        if linked is None and ACCOUNT.match(user):
            raise AccessError(f"The account {user} is linked to nobody here. {_HOW_LINKED}")
        account, user = (user, linked.user) if linked is not None else (None, user)
        entry, person = app.ledger.entry(document), app.person(user)
        if entry is None:
            raise AccessError(f"There is no document {document!r}. `rag documents` lists what there is.")
        app.audit.note("explained", user=OWNER, channel=LOOPBACK, about=user, document=entry.key)
        may = entry.acl.admits(person)
        asked = Asked(
            entry=entry,
            person=person,
            ways=app.memberships.ways(person),
            registered=not any(source.name == source_of(entry.id) for source in app.settings.sources),
        )
        yield {
            "user": user,
            "document_id": entry.id,
            "may_read": may,
            "shown": may and entry.version is not None,
            "by": sorted(entry.acl.readers & person.tokens) if may else [],
            "readers": sorted(entry.acl.readers),
            "denied": sorted(entry.acl.denied),
            "groups": sorted(person.groups),
            "because": [*_linked(account, linked), *because(asked, app.sources.why(entry.id))],
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

    def doctor(self) -> Iterator[Event]:
        """``{"well", "checks"}``: everything this installation stands on."""
        app, settings = self._app, self._app.settings
        found = [checks.switches(), *egress.findings(), *checks.home(settings.home)]
        if settings.embedder.provider != "ollama":
            found.append(checks.weights(settings.embedder.model, settings.models))
        found.append(checks.language_model(app.language_model, lambda: app.model_problem))
        for address in settings.llm.addresses or (settings.ollama_url(),):
            found += checks.model_server(app.language_model, address, pinned=bool(settings.llm.digest))
        found += checks.licences(_licences(settings))
        found += checks.pins((one.pin.key, one.model, one.place, one.problem) for one in app.pins.look())
        found += checks.hosts((host.number, host.url, host.problem) for host in app.writers.hosts())
        if app.reranker is not None:
            found.append(checks.reranker(app.reranker))
        keys = settings.home / "audit" / COUNCIL if settings.audit.works_council else None
        found += checks.audit(anchor_file=settings.audit.anchor_file, keys=keys)
        found.append(checks.index(app.ledger))
        found.append(checks.rows(app.look_through))
        standing = standings(settings, app.ledger)
        there = frozenset(source.name for source in standing if source.there and source.origin != "nowhere")
        found += rights_checks.rights(app.sources.connectors(there) if there else ())
        found += rights_checks.groups(app.memberships.failures)
        found += self._bots()
        found += checks.sources(standing)
        yield {
            "well": all(check.well for check in found),
            "checks": [asdict(check) for check in found],
            "egress": egress.standing(),
        }

    def _bots(self) -> Iterator[Check]:
        app, bots, auth = self._app, self._app.settings.bots, self._app.settings.auth
        yield from bot_checks.release(app.policy)
        yield from bot_checks.accounts(
            app.keys.bots,
            people={"slack": bots.slack.people, "teams": bots.teams.people, "matrix": bots.matrix.people},
            listed=list(bots.accounts.items()),
            emails=len(bots.emails),
            directory=bool(auth.ldap.url),
            provider=bool(auth.oidc.issuer),
            signed_in=len(app.accounts.users()),
            shut_out=lambda user: app.suspensions.hold([user]),
        )
        yield from bot_checks.messages(len(app.posted.all(gone=True)))

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

    def _texts(self, entry: Entry) -> Iterator[str]:
        document = self._app.ledger.document(entry.key)
        if document is not None:
            yield document.text
        for _, key in self._app.ledger.parts(entry.key):
            part = self._app.ledger.entry(key)
            if part is not None:
                yield from self._texts(part)


def _licences(settings: Settings) -> Iterator[tuple[str, str, str, str, str]]:
    """Of each model in use: key, name, use, licence, and why it is refused."""
    policy = policy_of(settings)
    for key, model in in_use(settings):
        accepted = not policy.refusal(model.name, model.verdict) and policy.accepts(model.name)
        use = "accepted" if accepted else model.verdict.use.value
        yield key, model.name, use, model.verdict.name, policy.refusal(model.name, model.verdict)
