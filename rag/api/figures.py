"""`GET /metrics`: the figures of this process for Prometheus, for whoever looks after it."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from rag.api.caller import AdminOf, AppOf
from rag.api.desk import Desk
from rag.metrics import CONTENT_TYPE, Sample
from rag.service.figures import readings

router = APIRouter(tags=["status"])


@router.get("/metrics", response_model=None)
async def metrics(request: Request, app: AppOf, caller: AdminOf) -> Response:
    """Counts and times in Prometheus' text format. No name, no question and no text is among them."""
    queue = list(_queue(request.app.state.desk))  # of the event loop's, so it is asked on it
    page = await run_in_threadpool(app.metrics.render, *readings(app), lambda: queue)
    return Response(page, headers={"Content-Type": CONTENT_TYPE})


def _queue(desk: Desk) -> Iterator[Sample]:
    about = "Questions under way: searched for, waiting for the model, being written."
    for state, count in (("finding", desk.finding), ("waiting", desk.waiting), ("running", desk.running)):
        yield "questions", about, {"state": state}, count
    yield "model_seats", "Answers the model writes at the same time.", {}, desk.seats.count
