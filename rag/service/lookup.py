"""Documents as the owner of a home looks them up: which there are, what one says, who may read it and why.

An administrator is not a reader here either: see `rag.service.auditing`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rag.access import LOOPBACK, OWNER
from rag.app import App
from rag.credentials.accounts import ACCOUNT, Linked
from rag.errors import AccessError, DocumentError
from rag.govern.standing import ages
from rag.govern.why import Asked, because
from rag.service.auditing import reader
from rag.service.erasing import buried_json
from rag.service.forms import Event, entry_json
from rag.store.rows import Entry, source_of
from rag.text.advice import advice

_HOW_LINKED = (
    "[bots.accounts] lists it, or the rule of its platform (people) links it; by e-mail, the platform has to vouch for "
    "the address: ask for the person instead."
)


class Lookup:
    """The operations on an open App."""

    def __init__(self, app: App) -> None:
        self._app = app

    def documents(self, *, failed: bool = False) -> Iterator[Event]:
        """``{"documents": […], "erased": {…}}``; see `rag.service.erasing.buried_json`."""
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

    def _texts(self, entry: Entry) -> Iterator[str]:
        document = self._app.ledger.document(entry.key)
        if document is not None:
            yield document.text
        for _, key in self._app.ledger.parts(entry.key):
            part = self._app.ledger.entry(key)
            if part is not None:
                yield from self._texts(part)


def _linked(account: str | None, linked: Linked | None) -> Iterator[str]:
    """How an account comes to be somebody's."""
    if account is not None and linked is not None:
        rule = {"accounts": "as [bots.accounts] lists it", "object-id": "as their sign-in at the provider says"}
        yield f"The account {account} is {linked.user}'s, {rule.get(linked.by, 'by the name before the colon')}."
