"""Where a person stands: for an access request (Art. 15) with the sentences that name them, for an erasure (Art. 17) as
a list of documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from typing import Any

from rag.ask.sentences import sentences
from rag.documents import Span
from rag.govern.blacken import blacken
from rag.govern.page import page
from rag.govern.person import Person, person_of, surname_of
from rag.store.ledger import Ledger
from rag.store.rows import Entry, source_of
from rag.text.language import language_of_question
from rag.text.sentences import texts

_LONGEST = 600  # code points of a sentence; a table row or a list without ends is cut round the name


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A document that names the person. `places` counts in its text, `named_in` tells where else: ``title``,
    ``author``, ``path``, ``notes``."""

    entry: Entry
    places: tuple[Span, ...]
    named_in: tuple[str, ...]
    text: str

    @property
    def times(self) -> int:
        """How often it names the person."""
        return len(self.places) + len(self.named_in)

    def as_json(self) -> dict[str, Any]:
        """What `rag erase --person` shows."""
        return {
            "document_id": self.entry.id,
            "key": self.entry.key,
            "title": self.entry.title,
            "places": self.times,
            "named_in": [*(["text"] if self.places else []), *self.named_in],
        }


def standing(ledger: Ledger, person: Person) -> Iterator[Standing]:
    """Every document that names the person, in order of id; failed and hidden ones too."""
    for document in ledger.every_text():
        entry = document.entry
        fields = {"title": entry.title, "author": entry.author or "", "notes": "\n".join(entry.notes)}
        fields["path"] = entry.id.split(":", 1)[-1]
        named_in = tuple(name for name, value in sorted(fields.items()) if person.places(value))
        places = tuple(person.places(document.text))
        if named_in or places:
            yield Standing(entry=entry, places=places, named_in=named_in, text=document.text)


def beside(ledger: Ledger, name: str, found: set[str]) -> int:
    """How many other documents hold the surname without the rest of the name: they may mean the person too."""
    surname = surname_of(name)
    if surname is None or sum(letter.isalpha() for letter in surname) < len("Dax"):
        return 0
    return sum(document.entry.key not in found for document in standing(ledger, Person((surname,))))


def access(
    ledger: Ledger, name: str, aliases: tuple[str, ...], *, records: int | None, kept: Sequence[str] = ()
) -> dict[str, Any]:
    """The answer to an access request: documents, dates, sources, and the sentences that name the person, everybody
    else blackened, whoever may read them. `records` is how many audit records bear the name's pseudonym, None where
    these are not counted, `kept` are questions and reasons that name them."""
    person = person_of(name, aliases)
    documents = [_shown(document, person) for document in standing(ledger, person)]
    keys = {document["key"] for document in documents}
    return {
        "documents": documents,
        "places": sum(document["places"] for document in documents),
        "only_surname": beside(ledger, name, keys),
        "audit_records": records,
        "kept": [blacken(text, person.places(text), language=language_of_question(text)) for text in kept],
    }


def as_page(found: dict[str, Any], *, language: str) -> str:
    """The same to read and hand out."""
    text = texts(language)
    parts = [f"<p>{escape(text['subject.purpose'])}</p>", f"<p>{escape(text['subject.limits'])}</p>"]
    if not found["documents"]:
        parts.append(f"<p>{escape(text['subject.none'])}</p>")
    for document in found["documents"]:
        facts = " · ".join(
            f"{text[f'subject.{name}']}: {value}"
            for name, value in {
                "date": document["modified_at"][:10],
                **{name: document[name] for name in ("source", "class", "places")},
            }.items()
        )
        quotes = "".join(f"<blockquote>{escape(sentence)}</blockquote>" for sentence in document["sentences"])
        parts.append(f"<h2>{escape(document['title'])}</h2><p>{escape(facts)}</p>{quotes}")
    if found["kept"]:
        quotes = "".join(f"<blockquote>{escape(question)}</blockquote>" for question in found["kept"])
        parts.append(f"<h2>{escape(text['subject.kept'])}</h2>{quotes}")
    counted = "subject.audit" if found["audit_records"] is not None else "subject.audit_not_counted"
    parts.append(f"<p>{escape(text[counted].format(count=found['audit_records']))}</p>")
    return page(text["subject.title"], "\n".join(parts), language=language)


def _shown(found: Standing, person: Person) -> dict[str, Any]:
    entry, language = found.entry, found.entry.language or "de"
    return {
        "key": entry.key,
        "title": blacken(entry.title, person.places(entry.title), language=language),
        "source": source_of(entry.id),
        "class": entry.confidentiality.name.lower(),
        "modified_at": _iso(entry.modified_at),
        "created_at": _iso(entry.created_at) if entry.created_at else None,
        "places": found.times,
        "named_in": [*(["text"] if found.places else []), *found.named_in],
        "sentences": [blacken(text, own, language=language) for text, own in _sentences(found)],
    }


def _sentences(found: Standing) -> Iterator[tuple[str, list[Span]]]:
    """Each sentence that names the person, once, with where it does; a name over the end of one takes both."""
    spans = sentences(found.text)
    last = -1
    for place in found.places:
        if place.end <= last:
            continue
        touched = [span for span in spans if span.start < place.end and place.start < span.end]
        start = min((span.start for span in touched), default=place.start)
        end = max((span.end for span in touched), default=place.end)
        if end - start > _LONGEST:
            start, end = max(start, place.start - _LONGEST // 2), min(end, place.end + _LONGEST // 2)
        last = end
        inside = [own for own in found.places if own.start >= start and own.end <= end]
        yield found.text[start:end], [replace(own, start=own.start - start, end=own.end - start) for own in inside]


def _iso(at: datetime) -> str:
    return at.isoformat()
