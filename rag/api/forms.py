"""The public JSON forms of this door: those of `rag.answers`, and the document's key, by which its text is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from rag.answers import Answer, AnswerEvent, Citation, Done, Found, Passage, Sentence, Thinking
from rag.api.line import Waiting
from rag.ask.searched import Retrieved
from rag.documents import Document, Section
from rag.filters import name_of
from rag.store.listing import Listed
from rag.store.rows import Entry
from rag.text.advice import kind_of
from rag.text.sentences import texts


def passage_form(passage: Passage) -> dict[str, Any]:
    """A passage and the key of its document."""
    return {**passage.as_json(), "key": passage.key}


def citation_form(citation: Citation) -> dict[str, Any]:
    """A citation and the key of its document."""
    return {**citation.as_json(), "key": citation.key}


def answer_form(answer: Answer) -> dict[str, Any]:
    """An answer whose citations, passages and disagreements name their document's key."""
    return {
        **answer.as_json(),
        "citations": [citation_form(citation) for citation in answer.citations],
        "passages": [passage_form(passage) for passage in answer.passages],
        "disagreements": [[citation_form(found.one), citation_form(found.other)] for found in answer.disagreements],
    }


def passages_form(passages: Sequence[Passage], evidence: float) -> dict[str, Any]:
    """The evidence."""
    return {"evidence": round(evidence, 4), "passages": [passage_form(passage) for passage in passages]}


def found_form(found: Retrieved) -> dict[str, Any]:
    """What a search found."""
    return {**passages_form(found.passages, found.evidence), "unquoted": list(found.unquoted)}


Event = AnswerEvent | Waiting
"""What a reader of an answer is told of."""


def event_form(event: Event) -> tuple[str, dict[str, Any]]:
    """An event's name in the stream, and its data."""
    if isinstance(event, Waiting):
        return "queue", {"position": event.position, "of": event.of}
    if isinstance(event, Found):
        return "passages", passages_form(event.passages, event.evidence) | {"settled": event.settled}
    if isinstance(event, Thinking):
        return "thinking", {"over": event.over}
    if isinstance(event, Sentence):
        citations = [citation_form(citation) for citation in event.citations]
        return "sentence", {"text": event.text, "supported": event.supported, "citations": citations}
    if isinstance(event, Done):
        return "done", answer_form(event.answer)
    raise TypeError(f"not an event of an answer: {type(event).__name__}")


def document_form(entry: Entry, document: Document | None) -> dict[str, Any]:
    """What is known of a document; `pages` is None where pages mean nothing in it."""
    pages = max((section.page or 0 for section in document.sections), default=0) if document else 0
    return {
        "key": entry.key,
        "document_id": entry.id,
        "title": entry.title,
        "uri": entry.uri,
        "media_type": entry.media_type,
        "modified": entry.modified_at.isoformat(),
        "language": entry.language,
        "state": entry.state,
        "pages": pages or None,
    }


def listed_form(row: Listed, language: str) -> dict[str, Any]:
    """A document as a listing shows it. `type` is what filters call its kind, `part_of` the key of what it is inside
    of, `indexed` when it was last read, successfully or not."""
    return {
        "key": row.key,
        "document_id": row.id,
        "title": row.title,
        "uri": row.uri,
        "source": row.source,
        "type": name_of(row.media_type) if row.media_type else None,
        "media_type": row.media_type,
        "language": row.language,
        "state": row.state,
        "modified": row.modified_at.isoformat(),
        "indexed": row.indexed_at.isoformat(),
        "part_of": row.parent,
        "failure": failure_form(row.reason, language) if row.reason else None,
        "notes": list(row.notes),
    }


def failure_form(reason: str, language: str) -> dict[str, str]:
    """Why a document failed: its kind for programs, what happened and what to do in the reader's language, and the
    reason as it was recorded."""
    said, kind = texts(language), kind_of(reason)
    return {
        "kind": kind,
        "said": said[f"failure.{kind}"],
        "advice": said[f"failure.{kind}.advice"],
        "reason": reason,
    }


def text_form(document: Document) -> dict[str, Any]:
    """A document's text and its sections; spans count code points."""
    return {
        "key": document.ref.key,
        "document_id": document.ref.id,
        "title": document.title,
        "uri": document.uri,
        "modified": document.modified_at.isoformat(),
        "version": document.ref.version,
        "text": document.text,
        "sections": [_section_form(section) for section in document.sections],
    }


def _section_form(section: Section) -> dict[str, Any]:
    return {
        "span": [section.span.start, section.span.end],
        "headings": list(section.headings),
        "page": section.page,
        "table": section.table,
    }


def encoded(form: Any) -> bytes:
    """JSON in one line of UTF-8; half a surrogate pair, which texts can hold, is written as an escape."""
    try:
        return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(form, separators=(",", ":")).encode()


def json_response(form: Any, *, status: int = 200) -> Response:
    """A form as a response."""
    return Response(encoded(form), status_code=status, media_type="application/json")
