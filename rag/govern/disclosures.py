"""Who was shown what, for a person to read: the audit's records with the keys resolved that still can be.

A key leads to a title as long as the document is in the ledger, a pseudonym to a name as long as the name is kept; in
works-council mode none is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rag.errors import AccessError, SettingsError
from rag.store.audit import WHO, AuditLog
from rag.store.ledger import Ledger
from rag.store.people import People


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records: those about a document (its key), of a person (their pseudonym), from a day on (``2026-11-26``),
    of one receipt; None is all."""

    document: str | None = None
    person: str | None = None
    since: str | None = None
    receipt: str | None = None

    def admits(self, record: Mapping[str, Any]) -> bool:
        """Whether a record that is no answer's end is wanted."""
        if self.since is not None and str(record["at"]) < self.since:
            return False
        if self.person is not None and self.person not in (record.get(who) for who in WHO):
            return False
        return self.document is None or self.document in documents_of(record)


def wanted(
    audit: AuditLog,
    ledger: Ledger,
    people: People,
    *,
    document: str | None = None,
    user: str | None = None,
    since: str | None = None,
    receipt: str | None = None,
) -> Wanted:
    """What was typed, understood. `document` is an id or a key; a key also finds records of one that was erased.

    Raises:
        AccessError: there is no such document.
        SettingsError: it cannot be understood, or must not be asked.
    """
    key = None
    if document is not None:
        entry = ledger.entry(document)
        if entry is None and not re.fullmatch(r"[0-9a-f]{24}", document):
            raise AccessError(f"There is no document {document!r}. Of one that is gone only its key finds records.")
        key = entry.key if entry else document
    if user is not None and people.council:
        raise SettingsError(
            "In works-council mode records are not looked up by person. Two people together can look up one pseudonym: "
            '`rag audit reidentify PSEUDONYM --key FILE --key FILE --reason "…"`.'
        )
    if since is not None:
        try:
            since = date.fromisoformat(since).isoformat()
        except ValueError as error:
            raise SettingsError(f"--since takes a day such as 2026-11-26, not {since!r}.") from error
    person = audit.pseudonym(user) if user is not None else None
    return Wanted(document=key, person=person, since=since, receipt=receipt)


def disclosures(audit: AuditLog, ledger: Ledger, people: People, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The records wanted, oldest first, an answer's end with its beginning; each with ``…_name``, ``…_text``,
    ``document_id`` and ``title`` where they are known."""
    names = people.names()
    readers = {audit.rule(token): str(token) for token in ledger.reader_tokens()}
    texts: dict[str, dict[str, str]] = {}
    for kept in people.texts(wanted.receipt):
        texts.setdefault(kept.receipt, {})[f"{kept.kind}_text"] = kept.text
    titles = _Titles(ledger)
    followed: set[str] = set()
    for record in audit.records(receipt=wanted.receipt):
        if record["event"] == "closed":
            if record["receipt"] in followed:
                followed.discard(record["receipt"])
                yield titles.resolved(record)
        elif wanted.admits(record):
            if record["event"] == "opened":
                followed.add(record["receipt"])
            found = titles.resolved(record)
            found |= {f"{who}_name": names.get(record[who]) for who in WHO if who in record}
            for passage in found.get("passages", ()):
                if isinstance(passage, dict):
                    passage["rule"] = [readers.get(rule, rule) for rule in passage["rule"]]
            yield found | texts.get(str(record.get("receipt")), {})


class _Titles:
    """Key → id and title, each looked up once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._known = ledger, dict[str, dict[str, Any]]()

    def of(self, key: str) -> dict[str, Any]:
        if key not in self._known:
            entry = self._ledger.entry(key)
            self._known[key] = {"document_id": entry.id if entry else None, "title": entry.title if entry else None}
        return self._known[key]

    def resolved(self, record: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(record)
        if "passages" in record:
            found["passages"] = [self._passage(passage) for passage in record["passages"]]
        for many in ("cited", "links"):
            if record.get(many):
                found[f"{many}_documents"] = [{"document": key, **self.of(key)} for key in record[many]]
        return found | (self.of(record["document"]) if "document" in record else {})

    def _passage(self, passage: Any) -> Any:
        """As versions before segments wrote it, a passage is ``[key, version, start, end]``."""
        if isinstance(passage, list):
            key, version, *span = passage
            passage = {"document": key, "version": version, "span": span, "hash": None, "rule": []}
        return {**passage, **self.of(passage["document"])}


def documents_of(record: Mapping[str, Any]) -> Iterable[str]:
    """The keys of the documents a record is about."""
    for passage in record.get("passages", ()):
        yield passage["document"] if isinstance(passage, dict) else passage[0]
    yield from record.get("links", ())
    if "document" in record:
        yield record["document"]
