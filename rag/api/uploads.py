"""`POST /api/documents`: a file into a source that takes uploads; `GET /api/uploads/{receipt}`: what became of it;
`DELETE /api/documents/{key}`: one's own upload taken away again.

The body is the file itself, written to the disk as it comes and never held in memory; it is a document once the watcher
has read it, as any other file of the folder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Query, Request
from pydantic import StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from rag.api.caller import ENDED, AppOf, Caller, ReaderOf
from rag.api.documents import Key
from rag.api.forms import failure_form, json_response
from rag.api.language import language_of
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.api.rights import carried, entry_of
from rag.app import App
from rag.documents import DocumentId
from rag.files.uploads import Incoming, NameNotPossible, NameTaken, NotTaken, Received
from rag.store.rows import source_of

router = APIRouter(prefix="/api", tags=["documents"])

_PIECE_S, _WHOLE_S = 30.0, 900.0
_BUSY = Problem(status=503, code="busy", headers=(("Retry-After", "5"),))
_TOO_LARGE = Problem(status=413, code="upload_too_large")
_BROKEN = Problem(status=400, code="upload_broken")

Source = Annotated[str, StringConstraints(min_length=1, max_length=200), Query(description="the source that takes it")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1000), Query(description="the file's name")]
Replace = Annotated[bool, Query(description="in the place of one's own earlier upload of that name")]
Receipt = Annotated[str, Path(description="what an upload was answered with")]

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/documents", response_model=None, status_code=202, openapi_extra=_BODY)
async def upload(
    source: Source, name: Name, request: Request, app: AppOf, caller: ReaderOf, replace: Replace = False
) -> Response:
    """Put a file into a source: 202 and where to ask what becomes of it. Its readers are the source's. 404 where the
    caller may not upload there, 409 where the name is taken."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > app.uploads.max_bytes:
        raise Refused(_TOO_LARGE)
    if not app.uploads.turns.acquire(blocking=False):
        raise Refused(_BUSY)
    try:
        incoming = await run_in_threadpool(_begun, app, caller, source, name)
        try:
            await _receive(request, incoming, app.uploads.max_bytes)
            received = await run_in_threadpool(_finished, app, caller, incoming, replace)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(incoming.drop)
    finally:
        app.uploads.turns.release()
    address = f"/api/uploads/{received.receipt}"
    form = {"document_id": received.document, "receipt": received.receipt, "status": address}
    response = json_response({**form, "watched": source in app.keeping.watched}, status=202)
    response.headers["Location"] = address
    return response


@router.get("/uploads", response_model=None)
def places(app: AppOf, caller: ReaderOf) -> Response:
    """The sources the caller may upload to, and the largest file that is taken."""
    open_to = [one.name for one in app.uploads.open_to(caller.principal) if _may(one.name, app, caller)]
    return json_response({"sources": sorted(open_to), "max_bytes": app.uploads.max_bytes})


@router.get("/uploads/{receipt}", response_model=None)
def became(receipt: Receipt, request: Request, app: AppOf, caller: ReaderOf) -> Response:
    """What became of one's own upload: `state` is `waiting` (to be read), `indexed`, `failed`, `outdated` or `kept_out`
    (its content was erased here before). 404 for anybody else."""
    received = app.uploads.received(receipt, caller.principal)
    if received is None or not caller.reaches(received.document):
        raise Refused(NOT_FOUND)
    return json_response(_state(app, received, language_of(request)))


@router.delete("/documents/{key}", response_model=None, status_code=202)
def remove(key: Key, app: AppOf, caller: ReaderOf) -> Response:
    """Take away a file one has uploaded oneself, if it is still the one that was sent; else 409. Messages of bots that
    show it stay in their chats until whoever looks after the system has them taken back: how many that are is told."""
    entry = entry_of(app, key, caller)
    messages = app.posted.count(app.ledger.with_parts([entry.key]))
    app.audit.note("upload_removed", user=caller.principal.user, channel=caller.channel, document=key)
    if not app.uploads.remove(entry.id, caller.principal):
        raise Refused(Problem(status=409, code="not_your_upload"))
    _hint(app, entry.id)
    return json_response({"document_id": entry.id, "state": "removing", "messages": messages}, status=202)


def _begun(app: App, caller: Caller, source: str, name: str) -> Incoming:
    try:
        begun = app.uploads.begin(source, name, caller.principal) if _may(source, app, caller) else None
    except NameNotPossible as error:
        raise Refused(Problem(status=422, code="name_not_possible")) from error
    except NotTaken as error:
        raise Refused(Problem(status=422, code="kind_not_taken")) from error
    if begun is None:
        raise Refused(NOT_FOUND)
    return begun


def _may(source: str, app: App, caller: Caller) -> bool:
    """Whether the caller's channel and key reach the source at all."""
    level = next((one.level for one in app.settings.sources if one.name == source), None)
    return level in carried(caller) and caller.reaches(f"{source}:")


async def _receive(request: Request, incoming: Incoming, most: int) -> None:
    """The body, to the disk, piece by piece; who sends nothing for half a minute, or takes a quarter of an hour, has
    gone: others wait."""
    pieces: AsyncIterator[bytes] = request.stream()
    try:
        with anyio.fail_after(_WHOLE_S):
            while (piece := await _next(pieces)) is not None:
                if incoming.size_bytes + len(piece) > most:
                    raise Refused(_TOO_LARGE)
                if piece:
                    await run_in_threadpool(incoming.write, piece)
    except (ClientDisconnect, TimeoutError) as error:
        raise Refused(_BROKEN) from error
    announced = request.headers.get("content-length")
    if not incoming.size_bytes or (announced is not None and int(announced) != incoming.size_bytes):
        raise Refused(_BROKEN)


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    with anyio.fail_after(_PIECE_S):
        return await anext(pieces, None)


def _finished(app: App, caller: Caller, incoming: Incoming, replace: bool) -> Received:
    if not caller.standing():  # the file may have taken its time
        raise Refused(ENDED)
    app.audit.note(
        "uploaded", user=caller.principal.user, channel=caller.channel, version=incoming.version, replaced=replace
    )
    try:
        received = app.uploads.finish(incoming, caller.principal, replace=replace)
    except NameTaken as error:
        raise Refused(Problem(status=409, code="name_taken")) from error
    _hint(app, received.document)
    return received


def _hint(app: App, document: DocumentId) -> None:
    app.keeping.hint(source_of(document), document.split(":", 1)[1])


def _state(app: App, received: Received, language: str) -> dict[str, Any]:
    entry = app.ledger.entry(received.document)
    rows = app.ledger.rows("SELECT seen_version FROM documents WHERE id = ?", received.document)
    form: dict[str, Any] = {"document_id": received.document, "key": None, "failure": None}
    if entry is None or not rows or rows[0]["seen_version"] != received.version:
        kept_out = app.ledger.kept_out(received.document, received.version)
        return {**form, "state": "kept_out" if kept_out else "waiting"}
    failure = failure_form(entry.reason, language) if entry.reason else None
    return {**form, "key": entry.key, "state": entry.state, "failure": failure}
