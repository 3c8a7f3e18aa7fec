"""The sentences of passages, and citations of them. Pure.

A quote is verbatim by construction: it is a sentence of the passage, named by its span; `verify` checks it once more
against the document itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answers import Citation, Passage
from rag.ask.sentences import sentences
from rag.documents import Document, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One sentence of a passage: the smallest thing that is cited. `span` counts in the document."""

    passage: int
    span: Span
    text: str


def units_of(passages: Sequence[Passage]) -> list[Unit]:
    """The sentences of the passages, in order of passage and place."""
    found = []
    for number, passage in enumerate(passages):
        for span in sentences(passage.chunk.text):
            start = passage.chunk.span.start
            found.append(
                Unit(
                    passage=number,
                    span=Span(start=start + span.start, end=start + span.end),
                    text=span.of(passage.chunk.text),
                )
            )
    return found


def citation(unit: Unit, passage: Passage, marker: int) -> Citation:
    """The unit as a numbered citation."""
    return Citation(
        marker=marker,
        document_id=passage.chunk.document_id,
        title=passage.title,
        uri=passage.uri,
        page=passage.chunk.page,
        headings=passage.chunk.headings,
        span=unit.span,
        quote=unit.text,
        key=passage.key,
        as_of=passage.as_of,
        modified=passage.modified,
        superseded_by=passage.superseded_by,
        hidden=tuple(one for one in passage.hidden if one.span.meets(unit.span)),
    )


def verify(citation: Citation, document: Document | None) -> bool:
    """Whether the quote stands, letter by letter, at its span in the document as it is now."""
    return document is not None and bool(citation.quote) and citation.span.of(document.text) == citation.quote
