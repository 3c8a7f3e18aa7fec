"""`GET /healthz`: the process lives. `GET /readyz`: whether it can answer, and what to do where it cannot."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from rag.answers import ModelInfo
from rag.api.caller import AppOf, Caller
from rag.api.desk import Desk
from rag.api.forms import json_response
from rag.api.rights import carried
from rag.app import App
from rag.credentials.identified import ADMIN
from rag.service.readiness import Part, Readiness, ready

router = APIRouter(tags=["status"])

_READY, _NOT_READY = 200, 503


def perhaps(request: HTTPConnection) -> Caller | None:
    """Who asks, where it is known: whoever spreads the load asks without a credential."""
    return cast("Caller | None", request.scope.get("state", {}).get("caller"))


@router.get("/healthz", response_model=None)
async def healthz() -> Response:
    """Always 200 while the process answers; asks nothing of the stores."""
    return json_response({"status": "ok"})


@router.get("/readyz", response_model=None)
def readyz(request: Request, app: AppOf, caller: Annotated[Caller | None, Depends(perhaps)]) -> Response:
    """200 where questions can be answered, 503 where not. Who may come in is told counts of what they may read, the
    model, and which parts are ready; whoever looks after the service also what is wrong and what to do. Everybody
    else: ready, not, or being stopped. Without a model answers are extracts, so still ready."""
    readiness: Readiness = request.app.state.readiness
    parts = readiness.parts()
    is_ready = ready(parts)
    draining = cast(Desk, request.app.state.desk).draining
    told: dict[str, Any] = {"status": "ready" if is_ready else "draining" if draining else "not_ready"}
    if caller is not None:
        told |= _told(app, caller, parts, readiness.model)
    return json_response(told, status=_READY if is_ready else _NOT_READY)


def _told(app: App, caller: Caller, parts: tuple[Part, ...], model: ModelInfo | None) -> dict[str, Any]:
    looks_after = ADMIN in caller.scopes
    return {
        "index": app.ledger.counts_for(caller.principal, sources=caller.sources, classes=carried(caller)),
        "model": model.as_json() if model is not None else None,
        "model_problem": app.model_problem or None,
        "parts": {part.name: part.as_json() if looks_after else {"ready": part.ready} for part in parts},
    }
