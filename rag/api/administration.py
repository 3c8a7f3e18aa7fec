"""`GET /api/status` and `POST /api/sources/{name}/confirm-removals`: for administrators, who are no readers: counts and
kinds, never a title or a text."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

import rag
from rag.api.caller import AdminOf, AppOf
from rag.api.desk import Desk
from rag.api.forms import json_response
from rag.api.language import language_of
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.app import App
from rag.errors import ModelError, RagError
from rag.govern import egress
from rag.models import catalogue
from rag.service.operations import Service
from rag.store import listing
from rag.text.advice import kind_of
from rag.text.sentences import texts

router = APIRouter(prefix="/api", tags=["administration"])

_log = logging.getLogger(__name__)


class Chores:
    """What an administrator has set going and does not wait for: one after the other, until `close`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="chore")
        self._lock, self._under_way = threading.Lock(), set[str]()
        self._stopped = threading.Event()

    def confirm(self, source: str) -> None:
        """Carry out the removals that a source holds. Asked for twice, it is done once."""
        with self._lock:
            if source in self._under_way:
                return
            self._under_way.add(source)
        self._threads.submit(self._confirm, source)

    def close(self) -> None:
        """End what is under way after the document at hand."""
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def _confirm(self, source: str) -> None:
        try:
            self._app.ingest(frozenset({source}), confirm_removals=True, stopped=self._stopped.is_set)
        except RagError as error:
            extra = {"action": "chore_failed", "source": source}
            _log.error("Held removals could not be carried out: %s", error, extra=extra)
        except Exception:
            _log.exception("Held removals could not be carried out", extra={"action": "chore_failed", "source": source})
        finally:
            with self._lock:
                self._under_way.discard(source)


class Agreed(BaseModel):
    """What is agreed to: `held` is how many removals were shown to whoever says yes."""

    model_config = ConfigDict(extra="forbid")
    held: int | None = None


@router.get("/status", response_model=None)
def status(request: Request, app: AppOf, caller: AdminOf) -> Response:
    """Models with digest and licence, the index, every source with its last sync and held removals, failures by kind,
    the outbound guard."""
    (whole,) = Service(app).status()
    language = language_of(request)
    return json_response(
        {
            "version": rag.__version__,
            "model": {**_model(app), **_hosts(app)},
            "pins": [
                {"key": one.pin.key, "model": one.model, "place": one.place, "problem": one.problem or None}
                for one in app.pins.last
            ],
            "embedder": {"model": whole["embedder"], **_licence(str(whole["embedder"])), **dict(whole["embedding"])},
            "index": {name: whole[name] for name in ("documents", "failed", "chunks")},
            "sources": [_source(app, one) for one in whole["sources"]],
            "erased": whole["erased"],
            "removals": whole["removals"],
            "queue": _queue(request.app.state.desk),
            "failures": _failures(app, language),
            "guard": egress.standing(),
        }
    )


@router.post("/sources/{name}/confirm-removals", response_model=None, status_code=202)
def confirm_removals(
    name: Annotated[str, Path(max_length=200)],
    request: Request,
    app: AppOf,
    caller: AdminOf,
    agreed: Agreed | None = None,
) -> Response:
    """Carry out the removals a source holds: they are done in the background, `GET /api/status` tells when. 409 where
    they are not as many any more as was agreed to."""
    if name not in app.sources.names:
        raise Refused(NOT_FOUND)
    held = app.ledger.source_state(name).held
    if not held:
        raise Refused(Problem(status=409, code="nothing_held"))
    if agreed is not None and agreed.held not in (None, held):
        raise Refused(Problem(status=409, code="held_changed"))
    app.audit.note("removals_confirmed", user=caller.principal.user, channel=caller.channel, held=held)
    request.app.state.chores.confirm(name)
    return json_response({"source": name, "held": held, "status": "/api/status"}, status=202)


def _model(app: App) -> dict[str, Any]:
    """The language model. `licence` is None where its server does not say."""
    model = app.language_model()
    if model is None:
        return {"name": None, "problem": app.model_problem or None}
    try:
        info = model.info
    except ModelError as error:
        return {"name": None, "problem": str(error)}
    form: dict[str, Any] = {"name": info.name, "digest": info.digest, "runtime": info.runtime, "problem": None}
    form |= {"use": info.use or None, "changed": info.changed}
    return {**form, "context_tokens": model.context_tokens, **_licence(info.name, info.licence)}


def _hosts(app: App) -> dict[str, Any]:
    """Each of several model servers."""
    hosts = app.writers.hosts()
    return {"hosts": [asdict(host) for host in hosts]} if hosts else {}


def _licence(name: str, told: str = "") -> dict[str, str | None]:
    known = catalogue.MODELS.get(name)
    return {"licence": told or (known.licence if known else None)}


def _queue(desk: Desk) -> dict[str, int]:
    """How many wait for the model, how many answers are being written, and how many can be at once."""
    return {"waiting": desk.waiting, "running": desk.running, "slots": desk.seats.count}


def _source(app: App, source: dict[str, Any]) -> dict[str, Any]:
    step = app.keeping.underway.get(str(source["name"]))
    reading = {"done": step.done, "total": step.total, "failed": step.failed} if step is not None else None
    return {**source, "reading": reading}


def _failures(app: App, language: str) -> list[dict[str, Any]]:
    """Kind → how many, the most frequent first."""
    said, found = texts(language), Counter[str]()
    for reason, count in listing.reasons(app.ledger):
        found[kind_of(reason)] += count
    return [
        {"kind": kind, "said": said[f"failure.{kind}"], "advice": said[f"failure.{kind}.advice"], "documents": count}
        for kind, count in found.most_common()
    ]
