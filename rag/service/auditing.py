"""The audit as the owner of a home asks for it: show, verify, export, purge, re-identify, replay. And who the owner may
be.

An administrator is not a reader: without options the owner asks as `local`, and reads what everyone may, what is for
`user:local`, and what is for a group that holds `local`. `--as USER` reads as that person, on the record.
`--break-glass` reads what any reader may, with a reason, on the record, and with a warning in the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rag.access import LOOPBACK, OWNER, Principal
from rag.app import App
from rag.ask.receipt import receipt_of
from rag.ask.replay import replay
from rag.errors import AccessError, SettingsError, StoreError
from rag.govern.disclosures import disclosures, wanted
from rag.govern.retention import Kind, purge
from rag.identity import break_glass
from rag.service.forms import Event
from rag.store import copies
from rag.store.audit import utc_now
from rag.store.feedback import Judgement
from rag.store.verifying import anchors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """For whom something is read: `acting` and `reason` are for the record, `glass` where it was broken."""

    principal: Principal
    acting: str | None = None
    reason: str | None = None
    glass: bool = False


def reader(app: App, *, user: str | None, reason: str | None, glass: bool) -> Reader:
    """Who reads, by what was asked for. An empty name is nobody, not the owner.

    Raises:
        AccessError: a reason is needed.
        SettingsError: both were asked for.
    """
    given = reason.strip() if reason is not None else ""
    if glass:
        if user is not None:
            raise SettingsError("Either --as USER or --break-glass: with a broken glass you read in your own name.")
        principal = break_glass(OWNER, app.ledger.reader_tokens(), reason=given)
        return Reader(principal=principal, reason=given, glass=True)
    if user is None:
        return Reader(principal=app.person(OWNER))
    wanted = app.settings.audit
    if not given and (wanted.reason_for_as or wanted.works_council):
        raise AccessError('Asking as somebody else needs a reason here, which is recorded: --reason "…".')
    return Reader(principal=app.person(user), acting=OWNER, reason=given or None)


class Auditing:
    """The operations on an open App."""

    def __init__(self, app: App, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._app, self._clock = app, clock

    @property
    def operations(self) -> Mapping[str, Callable[..., Iterator[Event]]]:
        """By the names `rag.service` knows them under."""
        return {
            "audit_show": self.show,
            "audit_verify": self.verify,
            "audit_head": self.head,
            "audit_export": self.export,
            "audit_purge": self.purge,
            "audit_keys": self.keys,
            "audit_reidentify": self.reidentify,
            "replay": self.replay,
            "feedback": self.feedback,
        }

    def show(
        self,
        *,
        document: str | None = None,
        user: str | None = None,
        since: str | None = None,
        receipt: str | None = None,
    ) -> Iterator[Event]:
        """``{"records"}``, oldest first. That they were looked at is a record too."""
        app = self._app
        asked = wanted(app.audit, app.ledger, app.people, document=document, user=user, since=since, receipt=receipt)
        self._note("examined", about=user, **({"document": asked.document} if asked.document else {}))
        yield {"records": list(disclosures(app.audit, app.ledger, app.people, asked))}

    def verify(self, *, anchor: str | None = None) -> Iterator[Event]:
        """``{"first_bad_record", "day", "what", "head"}``; `anchor`: what `rag audit head` printed once."""
        audit = self._app.audit
        fault = audit.verify(anchors_of(anchor, kept="the anchor") if anchor is not None else ())
        yield {
            "first_bad_record": fault.record if fault else None,
            "day": fault.day if fault else None,
            "what": fault.what if fault else None,
            "records": audit.chain.head.record,
            "head": audit.head,
        }

    def head(self) -> Iterator[Event]:
        """``{"anchor", "record", "head"}``: what to keep elsewhere."""
        head = self._app.audit.chain.head
        yield {"anchor": str(head), "record": head.record, "head": head.hash}

    def export(self, file: str) -> Iterator[Event]:
        """Every record as it is written, into a new file."""
        self._note("exported")
        path, count = Path(file), 0
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(made, "wb") as out:  # noqa: PTH123  # made with its mode
                for count, written in enumerate(self._app.audit.chain.lines(), 1):  # noqa: B007  # counted
                    out.write(written)
                out.flush()
                os.fsync(made)
            copies.sync(path.parent)
        except FileExistsError as error:
            raise SettingsError(f"{path} is there already. Give a new file.") from error
        except OSError as error:
            raise StoreError(copies.refused(f"The file {path}", error)) from error
        yield {"file": str(path), "records": count}

    def purge(self) -> Iterator[Event]:
        """``{"purged": {kind: how many}}``: what is older than `[retention]` says."""
        yield {"purged": self.purge_now()}

    def purge_now(self) -> dict[str, int]:
        """The same, for whoever does it daily; also seals the day before."""
        self._app.audit.turn()
        return purge(self._kinds(), now=self._clock())

    def _kinds(self) -> list[Kind]:
        kept, people = self._app.settings.retention, self._app.people
        return [
            Kind(name="audit", days=kept.audit_days, purge=lambda day: self._app.audit.purge(before=day)),
            Kind(name="reasons", days=kept.audit_days, purge=lambda day: people.purge_texts(before=day, reasons=True)),
            Kind(name="bot_messages", days=kept.audit_days, purge=lambda day: self._app.posted.purge(before=day)),
            Kind(name="feedback", days=kept.audit_days, purge=lambda day: self._app.feedback.purge(before=day)),
            Kind(
                name="question_texts",
                days=kept.question_text_days,
                purge=lambda day: people.purge_texts(before=day, reasons=False),
            ),
        ]

    def keys(self, one: str, other: str) -> Iterator[Event]:
        """Make the two keys of works-council mode, each in a new file."""
        self._app.people.make_keys(Path(one), Path(other))
        self._note("keys_made")
        yield {"keys": [one, other]}

    def reidentify(self, pseudonym: str, keys: list[str], reason: str) -> Iterator[Event]:
        """``{"name"}``: whom a pseudonym stands for; `keys` are both private keys in hex. Recorded before it is said.

        Raises:
            AccessError: no reason, or these are not the two keys.
        """
        if not reason.strip():
            raise AccessError('Re-identification needs a reason, which is recorded: --reason "…".')
        try:
            one, other = (bytes.fromhex(key) for key in keys)
        except ValueError as error:
            raise AccessError("Re-identification takes two keys, each from its own file.") from error
        name = self._app.people.reidentify(pseudonym, (one, other)) if one != other else None
        self._note("reidentified" if name is not None else "reidentify_refused", reason=reason, pseudonym=pseudonym)
        if name is None:
            raise AccessError(f"{pseudonym} does not open with these two keys, or nothing is kept of it any more.")
        yield {"pseudonym": pseudonym, "name": name}

    def replay(
        self,
        receipt: str,
        *,
        question: str | None = None,
        user: str | None = None,
        reason: str | None = None,
        model: str | None = None,
    ) -> Iterator[Event]:
        """``{"same", "changes", "also", "answer"}``: an answer given again, or what has changed since. Which documents
        are named is a record, too.

        Raises:
            AccessError: the receipt is another person's.
            SettingsError: there is no such receipt, or the question is missing or another.
        """
        app = self._app
        found = receipt_of(app.audit, receipt)
        who = reader(app, user=user, reason=reason, glass=False)
        if not app.people.council and found.user != app.audit.pseudonym(who.principal.user):
            raise AccessError(f"The receipt {receipt} is not {who.principal.user}'s. Whose it is says --as USER.")
        texts = {kept.kind: kept.text for kept in app.people.texts(receipt)}
        text = question if question is not None else texts.get("asked", texts.get("question"))
        if text is None:
            raise SettingsError('The question\'s text is not kept: give it with --question "…".')
        reads: dict[str, Any] = {"acting": who.acting, "reason": who.reason}
        made = replay(found, text, app.answerer(model), principal=who.principal, **reads)
        if made.named or made.answer is None:
            app.audit.note(
                "replayed",
                user=who.principal.user,
                channel=LOOPBACK,
                question=text,
                replays=receipt,
                links=list(made.named),
                **reads,
            )
        yield {
            "receipt": receipt,
            "same": made.same,
            "changes": [asdict(change) for change in made.changes],
            "also": list(made.also),
            "answer": made.answer.as_json() if made.answer else None,
        }

    def feedback(self) -> Iterator[Event]:
        """``{"feedback": [{"receipt", "verdict", "reason", "question", "at", "outcome", "model", "cited"}]}``, oldest
        first; `question` where its asker sent it or questions are kept, `cited` are ids of documents that are still
        there. That it was looked at is a record too."""
        app = self._app
        self._note("examined")
        said = list(app.feedback.all())
        ends: dict[str, dict[str, Any]] = {}
        if said:
            wanted = {one.receipt for one in said}
            since = min(wanted)
            day = f"{since[:4]}-{since[4:6]}-{since[6:8]}"
            for record in app.audit.chain.records(since=day):
                if record.get("event") == "closed" and record.get("receipt") in wanted:
                    ends[record["receipt"]] = record
        yield {"feedback": [self._judged(one, ends.get(one.receipt, {})) for one in said]}

    def _judged(self, one: Judgement, end: Mapping[str, Any]) -> Event:
        app = self._app
        kept = {text.kind: text.text for text in app.people.texts(one.receipt)}
        cited = [entry.id for key in end.get("cited", ()) if (entry := app.ledger.entry(key)) is not None]
        return {
            "receipt": one.receipt,
            "verdict": one.verdict.value,
            "reason": one.reason,
            "question": one.question or kept.get("question"),
            "at": one.at,
            "outcome": end.get("outcome"),
            "model": end.get("model"),
            "cited": cited,
        }

    def _note(self, event: str, *, about: str | None = None, reason: str | None = None, **more: Any) -> None:
        self._app.audit.note(event, user=OWNER, channel=LOOPBACK, about=about, reason=reason, **more)
