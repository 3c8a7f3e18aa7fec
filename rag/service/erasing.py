"""Erasures and access requests as whoever asks for them sees them: what is found, how far it is, what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, OWNER
from rag.app import App
from rag.errors import AccessError, SettingsError
from rag.govern import certificate, subject
from rag.govern.disclosures import documents_of
from rag.govern.erase import Named, erase, finish
from rag.govern.person import person_of
from rag.service.forms import Event
from rag.service.ingestion import Tell, told
from rag.store import journal
from rag.store.ledger import Ledger
from rag.store.rows import Entry


class Erasing:
    """The operations on an App that concern what must go, or be told; one erasure at a time."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._alone = threading.Lock()

    @property
    def operations(self) -> dict[str, Callable[..., Iterator[Event]]]:
        """Name → operation, for `rag.service`."""
        return {
            "erase": self.erase,
            "allow": self.allow,
            "erasures": self.erasures,
            "check_certificate": self.check_certificate,
            "finish_erasures": self.finish,
            "subject": self.subject,
        }

    def erase(
        self,
        *,
        documents: list[str] | None = None,
        person: str | None = None,
        aliases: list[str] | None = None,
        really: bool = False,
        language: str = "en",
    ) -> Iterator[Event]:
        """``{"found": […], …}``: what would be erased, and no more unless `really`; then ``{"progress": [what, done,
        total]}``… and ``{"found", "certificate", "journal"}``.

        Raises:
            AccessError: there is no such document.
            SettingsError: neither documents nor a person are named.
            StoreError: it could not be finished, and the next start goes on; or what would be shown could not be
                recorded.
        """
        if bool(documents) == bool(person):
            raise SettingsError("Name documents, as `rag documents` lists them, or a person: --person NAME.")
        names = [person, *(aliases or [])] if person else []
        found = self._person(names) if person else self._documents(documents or [])
        kept, known = self._kept(names) if person else ([], [])
        admitted = self._admitted(names) if person else []
        if not really or not (found["found"] or kept or known or admitted):
            self._shown(names, [document["key"] for document in found["found"]])
            yield found
            return
        keys = [document["key"] for document in found["found"]]
        named = {"names": names, "known": known, "kept": kept, "admitted": admitted} if person else None

        def work(tell: Tell, left: threading.Event) -> Event:
            with self._alone, self._app.premises(language=language) as premises:
                made = erase(
                    premises,
                    keys,
                    person=named,
                    also=self._forget,
                    progress=lambda *step: tell({"progress": list(step)}),
                )
                shown = self._app.posted.count(keys)
                return {**found, "messages": shown, "certificate": made, "journal": str(premises.journal)}

        yield from told(work)

    def _shown(self, names: Sequence[str], keys: Sequence[str]) -> None:
        """Record that somebody is about to see which documents name a person; an erasure is a record of its own."""
        if keys:
            for about in dict.fromkeys(" ".join(name.split()) for name in names):
                self._app.audit.note("erasure_shown", user=OWNER, channel=LOOPBACK, about=about, links=list(keys))

    def allow(self, documents: list[str]) -> Iterator[Event]:
        """Let places be read again once their content is another.

        Raises:
            SettingsError: nothing was erased there.
        """
        ledger = self._app.ledger
        for document in documents:
            if not ledger.allow(document):
                raise SettingsError(f"Nothing called {document!r} was erased: give its id as it was, or its key.")
        journal.keep(self._app.settings.home / journal.NAME, ledger.home_key, ledger.tombstones())
        yield {"allowed": documents}

    def erasures(self) -> Iterator[Event]:
        """``{"erasures": […], …}``: every erasure and how it stands, and what does not come back."""
        ledger, home = self._app.ledger, self._app.settings.home
        yield {
            "erasures": [
                {
                    "id": erasure.id,
                    "asked_at": erasure.asked_at,
                    "state": erasure.state,
                    "erased": erasure.facts.get("erased"),
                    "documents": len(erasure.keys),
                }
                for erasure in ledger.erasures()
            ],
            "tombstones": [
                {"keys": list(stone.documents), "erased_at": stone.erased_at, "allowed_at": stone.allowed_at}
                for stone in ledger.tombstones()
            ],
            "certificates": str(home / certificate.DIRECTORY),
            "journal": str(home / journal.NAME),
        }

    def check_certificate(self, path: str) -> Iterator[Event]:
        """The certificate, if this home wrote it so.

        Raises:
            SettingsError: it did not.
        """
        yield certificate.verify(Path(path), self._app.ledger.home_key)

    def finish(self) -> Iterator[Event]:
        """``{"finished": [certificate…]}``: what a crash interrupted is brought to its end."""

        def work(tell: Tell, left: threading.Event) -> Event:
            with self._alone, self._app.premises() as premises:
                made = finish(premises, also=self._forget, progress=lambda *step: tell({"progress": list(step)}))
                return {"finished": made}

        yield from told(work)

    def subject(
        self, name: str, *, aliases: list[str] | None = None, reason: str = "", language: str = "en"
    ) -> Iterator[Event]:
        """Where the person stands, and the page to hand out, once it is recorded for whom and why: the owner is shown
        sentences of documents that may not be theirs to read.

        Raises:
            AccessError: no reason.
            SettingsError: that is no name.
        """
        if not reason.strip():
            raise AccessError('What is found may be from any document, so say why, for the record: --reason "…".')
        app, names = self._app, [name, *(aliases or ())]
        kept, _ = self._kept(names)
        found = subject.access(app.ledger, name, tuple(names[1:]), records=self._records_of(name), kept=kept)
        found["keys"] = [one for one in app.keys.listed() if person_of(name, names[1:]).places(one["user"])]
        shown = [document["key"] for document in found["documents"]]
        for about in dict.fromkeys(names):
            app.audit.note("subject", user=OWNER, channel=LOOPBACK, about=about, reason=reason.strip(), links=shown)
        yield {**found, "page": subject.as_page(found, language=language)}

    def _records_of(self, name: str) -> int | None:
        """How many records are of this person's doing; None in works-council mode, which counts nobody's."""
        audit = self._app.audit
        if self._app.people.council:
            return None
        wanted = audit.pseudonym(name)
        return sum(wanted in (record.get("user"), record.get("acting")) for record in audit.records())

    def _person(self, names: Sequence[str]) -> Event:
        person = person_of(names[0], names[1:])
        found = [document.as_json() for document in subject.standing(self._app.ledger, person)]
        keys = {document["key"] for document in found}
        others = subject.beside(self._app.ledger, names[0], keys)
        kept, known = self._kept(names)
        council = self._app.people.council
        return {
            "found": found,
            "places": sum(document["places"] for document in found),
            "only_surname": others,
            "audit": {"texts": len(kept), "names": len(known)},
            "admitted": self._admitted(names),
            "messages": self._app.posted.count(keys),
            "answered": 0 if council else len(self._receipts_of([*names, *known], self._app.posted.receipts())),
        }

    def _kept(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Questions and reasons kept for the audit that name the person, and names of pseudonyms that are theirs."""
        person, people = person_of(names[0], names[1:]), self._app.people
        kept = {text.text for text in people.texts() if person.places(text.text)}
        kept |= {text for text in self._app.feedback.texts() if person.places(text)}
        return sorted(kept), sorted({name for name in people.names().values() if person.places(name)})

    def _admitted(self, names: Sequence[str]) -> list[str]:
        """What of the person stands with the API keys and with those who are shut out."""
        person, app = person_of(names[0], names[1:]), self._app
        held = [text for key in app.keys.all() for text in (key.user, key.name)]
        held += [one.user for one in app.suspensions.all() if one.user and one.at]
        held += sorted(app.accounts.users())
        return sorted({text for text in held if person.places(text)})

    def _forget(self, keys: Sequence[str], person: Named) -> Iterator[tuple[str, int]]:
        """What names the person beside the documents, and what people said of answers that were given from these: whose
        askers may have quoted them. See `rag.govern.erase.Also`."""
        people, feedback = self._app.people, self._app.feedback
        kept, names = person.get("kept", ()), person.get("names", ())
        theirs = list(dict.fromkeys([*person.get("known", ()), *names]))
        yield "texts", people.forget_texts(kept)
        yield "texts", feedback.forget_texts(kept) + self._forget_feedback(theirs, keys)
        if messages := self._forget_messages(theirs):
            yield "messages", messages
        yield "names", sum(people.forget(name) for name in theirs)
        if names:
            yield from self._shut(names)

    def _shut(self, names: Sequence[str]) -> Iterator[tuple[str, int]]:
        """The person's keys end and go; who was shut out stays so, without a name."""
        person, app = person_of(names[0], names[1:]), self._app

        def names_person(text: str) -> bool:
            return bool(person.places(text))

        for what, forget in (
            ("keys", app.keys.forget),
            ("suspended", app.suspensions.forget),
            ("accounts", app.accounts.forget),
        ):
            if gone := forget(names_person):
                yield what, gone

    def _forget_messages(self, names: Sequence[str]) -> int:
        """Which messages of bots answered the person; what others were answered from a document stays known, so that it
        can be taken back."""
        posted = self._app.posted
        kept = posted.receipts() if names else frozenset()
        return posted.forget(self._receipts_of(names, kept)) if kept else 0

    def _receipts_of(self, names: Sequence[str], kept: Set[str]) -> set[str]:
        audit = self._app.audit
        theirs = {audit.pseudonym(name) for name in names}
        return {
            str(record["receipt"])
            for record in audit.records()
            if record.get("receipt") in kept and record.get("user") in theirs
        }

    def _forget_feedback(self, names: Sequence[str], keys: Sequence[str]) -> int:
        said = {one.receipt for one in self._app.feedback.all()}
        if not said:
            return 0
        audit, gone = self._app.audit, set(keys)
        theirs = {audit.pseudonym(name) for name in names}
        return self._app.feedback.forget(
            {
                str(record["receipt"])
                for record in audit.records()
                if record.get("receipt") in said
                and (record.get("user") in theirs or not gone.isdisjoint(documents_of(record)))
            }
        )

    def _documents(self, names: Sequence[str]) -> Event:
        ledger = self._app.ledger
        entries = [_entry(ledger, name) for name in names]
        keys = ledger.with_parts(entry.key for entry in entries)
        inside = [_entry(ledger, key) for key in keys]
        found = [{"document_id": one.id, "key": one.key, "title": one.title} for one in inside]
        return {"found": found, "messages": self._app.posted.count(keys)}


def buried_json(ledger: Ledger) -> dict[str, Any]:
    """How many places do not come back, how many are allowed to, how many erasures are not finished."""
    stones = ledger.tombstones()
    return {
        "kept_out": sum(stone.allowed_at is None for stone in stones),
        "allowed": sum(stone.allowed_at is not None for stone in stones),
        "unfinished": len(ledger.erasures(unfinished=True)),
    }


def _entry(ledger: Ledger, name: str) -> Entry:
    found = ledger.entry(name)
    if found is None:
        raise AccessError(f"There is no document {name!r}. `rag documents` lists what there is.")
    return found
