"""What is known of passages beyond their text: dates, newer versions of their documents, what nobody sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rag.access import Principal
from rag.answers import Passage
from rag.ask.versions import is_to_come, series_of, stem_of, superseded
from rag.ask.visible import hides
from rag.documents import DocumentId, Hidden, Hiding
from rag.store.ledger import Ledger
from rag.text.dates import BEGINNING_CHARS


def described(passages: Sequence[Passage], ledger: Ledger, principal: Principal) -> tuple[Passage, ...]:
    """The passages with `modified`, `superseded_by` and `hidden`; a newer version counts only if the principal may
    read it."""
    beginnings = ledger.beginnings((passage.key for passage in passages), BEGINNING_CHARS)
    newer: dict[str, DocumentId] = {}
    for key, document in {passage.key: passage.chunk.document_id for passage in passages}.items():
        later = _newer(document, ledger, principal)
        if later is not None:
            newer[key] = later
    found = superseded(passages, beginnings, newer)
    hidden = ledger.hidden_in(passage.key for passage in passages)
    return tuple(replace(passage, hidden=_hidden(passage, hidden.get(passage.key, ()))) for passage in found)


def _hidden(passage: Passage, hidden: Sequence[tuple[str, Hidden]]) -> tuple[Hidden, ...]:
    """What is hidden in a passage: stretches of its version of the document, and all of it where its own characters
    are."""
    chunk = passage.chunk
    found = tuple(one for version, one in hidden if version == chunk.version and one.span.meets(chunk.span))
    if hides(f"{passage.title}\n{chunk.indexed_text}"):
        found += (Hidden(span=chunk.span, why=Hiding.CHARACTERS),)
    return found


def _newer(document: DocumentId, ledger: Ledger, principal: Principal) -> DocumentId | None:
    stem = stem_of(document)
    if not stem:
        return None
    series, number = series_of(document)
    versions = [
        (other, name)
        for name in ledger.named_like(stem, principal)
        for own, other in [series_of(name)]
        if own == series
    ]
    today = datetime.now(UTC)
    for other, name in sorted(versions, reverse=True):
        if other <= number:
            break
        entry = ledger.entry(name)
        beginning = ledger.beginnings([entry.key], BEGINNING_CHARS).get(entry.key, "") if entry else ""
        if not is_to_come(name, beginning, today):
            return name
    return None
