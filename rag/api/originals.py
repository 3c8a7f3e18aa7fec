"""`GET /api/documents/{key}/original`: the file itself, to be saved. Rights are asked of the source again, now; what is
no longer what was indexed is not given under its name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from email.utils import format_datetime

from anyio import CancelScope
from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from rag.api.caller import AppOf, Caller, ReaderOf
from rag.api.documents import Key
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.api.ranges import Unsatisfiable, disposition, part_of
from rag.api.rights import entry_of
from rag.app import App
from rag.errors import AccessError, ChangingDocument, DocumentError, DocumentVanished
from rag.files.originals import Occupied, Original, PartNotGiven

router = APIRouter(prefix="/api/documents", tags=["documents"])

_KINDS = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff", "image/webp", "image/gif"})
"""Media types that are said; everything else is only bytes, so that nothing is ever opened as a page of this site."""


@router.get("/{key}/original", response_model=None)
@router.head("/{key}/original", response_model=None, include_in_schema=False)
async def original(key: Key, request: Request, app: AppOf, caller: ReaderOf) -> Response:
    """The file behind a document, or a part of it (one `Range`). 409 where it has changed since it was indexed, 503
    where its drive cannot be reached now."""
    found = await run_in_threadpool(_opened, app, key, caller)
    try:
        return await run_in_threadpool(_response, request, found, app, caller, key)
    except BaseException:
        found.close()
        raise


def opened_or_refused(error: Exception) -> Refused | None:
    """What an original that cannot be opened is to whoever asked; None where it is for others to say."""
    if isinstance(error, DocumentVanished | ChangingDocument):
        return Refused(Problem(status=409, code="document_changed"))
    if isinstance(error, PartNotGiven):
        return Refused(Problem(status=409, code="part_not_given"))
    if isinstance(error, Occupied):
        return Refused(Problem(status=503, code="busy"))
    if isinstance(error, DocumentError):
        return Refused(Problem(status=503, code="source_unavailable"))
    return None


def _opened(app: App, key: str, caller: Caller) -> Original:
    entry = entry_of(app, key, caller)
    try:
        found = app.originals.open(entry, caller.principal)
    except Exception as error:
        refused = opened_or_refused(error)
        if refused is None:
            raise
        raise refused from error
    if found is None:
        raise Refused(NOT_FOUND)
    return found


def _response(request: Request, found: Original, app: App, caller: Caller, key: str) -> Response:
    tag = f'"{found.version}"' if found.version else ""
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(found.name),
        "Last-Modified": format_datetime(found.modified_at, usegmt=True),
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        **({"ETag": tag} if tag else {}),
    }
    if tag and _lists(request.headers.get("if-none-match"), tag):
        found.close()
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range")
    if asked is not None and request.headers.get("if-range", tag) != tag:
        asked = None
    try:
        part = part_of(asked, found.size_bytes)
    except Unsatisfiable as error:
        size = (("Content-Range", f"bytes */{found.size_bytes}"),)
        raise Refused(Problem(status=416, code="range_not_satisfiable", headers=size)) from error
    start, end = part or (0, found.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size_bytes}"
    kind = found.media_type if found.media_type in _KINDS else "application/octet-stream"
    status = 200 if part is None else 206
    event = "looked_up" if request.method == "HEAD" else "opened_original"
    user, channel = caller.principal.user, caller.channel
    app.audit.note(event, user=user, channel=channel, document=key, version=found.version or None)
    if request.method == "HEAD":
        found.close()
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_sent(found, start, end, caller), status_code=status, headers=headers, media_type=kind)


async def _sent(found: Original, start: int, end: int, caller: Caller) -> AsyncIterator[bytes]:
    """The bytes, read in threads, as long as the caller stands; however it ends, the file is closed."""
    blocks = _while_standing(found.blocks(start, end), caller)
    try:
        async for block in iterate_in_threadpool(blocks):
            yield block
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(found.close)


def _while_standing(blocks: Iterator[bytes], caller: Caller) -> Iterator[bytes]:
    """What is left unsent breaks the connection off: the client sees that the file is not whole.

    Raises:
        AccessError: the credential has ended.
    """
    for block in blocks:
        if not caller.standing():
            raise AccessError("The credential ended while the document was sent.")
        yield block


def _lists(header: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` names this version."""
    names = [name.strip().removeprefix("W/") for name in (header or "")[:2000].split(",")]
    return tag in names or names == ["*"]
