"""`GET /healthz`: the process lives. `GET /readyz`: what it can answer with."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from rag.api.caller import AppOf, CallerOf
from rag.api.forms import json_response

router = APIRouter(tags=["status"])


@router.get("/healthz", response_model=None)
async def healthz() -> Response:
    """Always 200 while the process answers; asks nothing of the stores."""
    return json_response({"status": "ok"})


@router.get("/readyz", response_model=None)
def readyz(app: AppOf, caller: CallerOf) -> Response:
    """Counts of the index, and the model or why there is none. Without a model answers are extracts, so still ready."""
    model = app.language_model()
    return json_response(
        {
            "status": "ready",
            "index": dict(app.ledger.counts()),
            "model": model.info.as_json() if model is not None else None,
            "model_problem": app.model_problem or None,
        }
    )
