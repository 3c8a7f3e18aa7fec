"""`GET /api/progress`: how the sources stand and what is being read now, for the documents page to ask every second or
two. A source is told of only to whoever may read something of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from rag.api.caller import AppOf, Caller, ReaderOf
from rag.api.forms import json_response
from rag.api.rights import carried
from rag.app import App
from rag.ports import Step
from rag.store import listing
from rag.store.listing import Wanted

router = APIRouter(prefix="/api", tags=["documents"])


@router.get("/progress", response_model=None)
def progress(app: AppOf, caller: ReaderOf) -> Response:
    """Each source with the caller's documents by state, whether it is being read, and since when it is out of reach.

    `reading` is None, or `{"share"}`, how much of what is to be read is done; and, where the caller may read all that
    is in the source, how many documents that is: how many others there are is not theirs to know.
    """
    wanted = Wanted(sources=caller.sources, classes=carried(caller))
    mine = listing.sources_of(app.ledger, caller.principal, wanted)
    underway = app.keeping.underway
    return json_response(
        {"sources": [_form(app, caller, name, counts, underway.get(name)) for name, counts in mine.items()]}
    )


def _form(app: App, caller: Caller, name: str, counts: dict[str, int], step: Step | None) -> dict[str, Any]:
    state = app.ledger.source_state(name)
    return {
        "name": name,
        "documents": counts,
        "reached": state.reached_at.isoformat() if state.reached_at else None,
        "offline_since": state.offline_since.isoformat() if state.offline_since else None,
        "watched": app.keeping.watched.get(name),
        "reading": _reading(step, whole=_reads_all(app, caller, name)) if step is not None else None,
    }


def _reading(step: Step, *, whole: bool) -> dict[str, Any]:
    share = {"share": round(step.done / step.total, 2) if step.total else 0.0}
    return share | ({"done": step.done, "total": step.total, "failed": step.failed} if whole else {})


def _reads_all(app: App, caller: Caller, name: str) -> bool:
    """Whether everything there is or may come in the source is theirs to read: it has no rights but its own."""
    folder = app.sources.folder(name)
    if folder is None or folder.rules or folder.from_filesystem:
        return False
    return folder.acl.admits(caller.principal)
