"""The JSON forms of `rag.service`: what an App has, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rag.answers import AnswerEvent, Done, Found, Thinking
from rag.govern.standing import Standing
from rag.ingest.survey import Survey
from rag.store.rows import Entry, source_of
from rag.text.advice import advice

Event = dict[str, Any]


def event_json(event: AnswerEvent) -> Event:
    """An answer's event in its public form; the key ``event`` names it."""
    if isinstance(event, Found):
        return {
            "event": "passages",
            "settled": event.settled,
            "evidence": round(event.evidence, 4),
            "passages": [passage.as_json() for passage in event.passages],
        }
    if isinstance(event, Thinking):
        return {"event": "thinking", "over": event.over}
    if isinstance(event, Done):
        return {"event": "done", **event.answer.as_json()}
    return {
        "event": "sentence",
        "text": event.text,
        "supported": event.supported,
        "extract": event.extract,
        "citations": [citation.as_json() for citation in event.citations],
    }


def entry_json(entry: Entry, ages: Mapping[str, datetime]) -> Event:
    """A document as `rag documents` lists it. `as_of` is set where its source is offline; `ages`: source → when it was
    last reached."""
    age = ages.get(source_of(entry.id))
    return {
        "document_id": entry.id,
        "key": entry.key,
        "title": entry.title,
        "state": entry.state,
        "reason": entry.reason,
        "advice": advice(entry.reason) if entry.reason else None,
        "media_type": entry.media_type,
        "language": entry.language,
        "modified_at": entry.modified_at.isoformat(),
        "as_of": age.isoformat() if age else None,
        "chunks": entry.chunks,
        "class": entry.confidentiality.name.lower(),
        "readers": sorted(entry.acl.readers),
        "denied": sorted(entry.acl.denied),
        "narrowed": bool(entry.acl.gates),
        "notes": list(entry.notes),
    }


def source_json(source: Standing, *, watched: str | None) -> Event:
    """A source as `rag status` and `rag sources` list it. `watched` is ``events``, ``polling`` or None."""
    state = source.state
    return {
        "name": source.name,
        "path": source.path,
        "readers": list(source.readers),
        "class": source.confidentiality,
        "from": source.origin,
        "documents": source.documents,
        "failed": source.failed,
        "state": source.word,
        "reached_at": state.reached_at.isoformat() if state.reached_at else None,
        "offline_since": state.offline_since.isoformat() if state.offline_since else None,
        "problem": state.problem,
        "held": state.held,
        "there": source.there,
        "watched": watched,
        "remarks": [remark._asdict() for remark in source.remarks()],
    }


def plan_json(found: Mapping[str, Survey], offline: Mapping[str, str]) -> Event:
    """What an ingest would do, by source; `offline`: source → why it cannot be listed."""
    plans = [survey.plan for survey in found.values()]
    return {
        "add": [ref.id for plan in plans for ref in plan.add],
        "replace": [ref.id for plan in plans for ref in plan.replace],
        "move": [[old, ref.id] for plan in plans for old, ref in plan.move],
        "reprotect": [ref.id for plan in plans for ref in plan.reprotect],
        "remove": [name for plan in plans for name in plan.remove],
        "held": [name for survey in found.values() for name in survey.held],
        "held_because": {source: survey.why_held for source, survey in found.items() if survey.held},
        "shut": [{"folder": shut.prefix, "reason": shut.reason} for survey in found.values() for shut in survey.shut],
        "later": sorted(name for survey in found.values() for name in survey.later),
        "failed": [
            {"document": name, "reason": reason} for survey in found.values() for name, reason in survey.unread.items()
        ],
        "offline": dict(offline),
        "unchanged": sum(survey.unchanged for survey in found.values()),
    }
