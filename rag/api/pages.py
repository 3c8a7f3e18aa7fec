"""`GET /api/documents/{key}/pages/{n}`: a page of a PDF as a picture, and `…/marks`: where a span stands on it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from rag.api.caller import AppOf, Caller, ReaderOf
from rag.api.documents import Key
from rag.api.forms import json_response
from rag.api.originals import opened_or_refused
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.api.rights import document_of, entry_of
from rag.app import App
from rag.documents import Span
from rag.errors import DocumentError
from rag.files.pages import PDF
from rag.store.rows import Entry

router = APIRouter(prefix="/api/documents", tags=["documents"])

Page = Annotated[int, Path(ge=1, le=100_000, description="the page, from 1")]
Width = Annotated[int, Query(ge=100, le=2400, description="pixels across, at most")]
Stretch = Annotated[
    str,
    Query(pattern="^[0-9]{1,9}-[0-9]{1,9}$", description="code points of the text, as a citation's `span`: `812-871`"),
]


@router.get("/{key}/pages/{n}", response_model=None)
def picture(key: Key, n: Page, request: Request, app: AppOf, caller: ReaderOf, width: Width = 1000) -> Response:
    """The page as PNG. 404 where there is no such page, 409 where the file has changed since it was indexed."""
    entry = _pdf(app, key, caller)
    tag = f'"{entry.version}-{n}-{width}"'
    headers = {"ETag": tag, "Content-Disposition": "inline"}
    found = _tried(lambda: app.pages.picture(entry, caller.principal, page=n, width=width))
    if not found.png:
        raise Refused(NOT_FOUND)
    user, channel = caller.principal.user, caller.channel
    app.audit.note("viewed", user=user, channel=channel, document=key, version=entry.version, page=n)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(found.png, media_type="image/png", headers=headers)


@router.get("/{key}/pages/{n}/marks", response_model=None)
def marks(key: Key, n: Page, app: AppOf, caller: ReaderOf, span: Stretch = "0-0") -> Response:
    """Where a span of the text stands on the page: `boxes`, each `[left, top, right, bottom]` in fractions of the
    picture, a box a line. `found` is false where the words are not on the page: it is shown without a mark then.
    `share` is how much of the span stands on this page; `by_ocr` says that boxes are those of a scan's lines."""
    entry, document = _pdf(app, key, caller), document_of(app, key, caller)
    if document.ref.version != entry.version:  # another one became current in between
        raise Refused(Problem(status=409, code="document_changed"))
    start, end = map(int, span.split("-"))
    if not start <= end <= len(document.text):
        raise Refused(Problem(status=422, code="invalid", fields=(("span", "not a span of the document's text"),)))
    wanted = Span(start=start, end=end)
    found = _tried(lambda: app.pages.marks(entry, document, caller.principal, page=n, span=wanted))
    if not 1 <= n <= found.pages:
        raise Refused(NOT_FOUND)
    user, channel = caller.principal.user, caller.channel
    app.audit.note("viewed", user=user, channel=channel, document=key, version=entry.version, page=n)
    return json_response(
        {
            "key": key,
            "version": entry.version,
            "page": n,
            "pages": found.pages,
            "size": [round(side, 2) for side in found.size],
            "boxes": [list(box) for box in found.boxes],
            "found": bool(found.boxes),
            "share": found.share,
            "by_ocr": found.by_ocr,
        }
    )


def _pdf(app: App, key: str, caller: Caller) -> Entry:
    entry = entry_of(app, key, caller)
    if entry.version is None:
        raise Refused(NOT_FOUND)
    if entry.media_type != PDF:
        raise Refused(Problem(status=409, code="no_page_pictures"))
    return entry


def _tried(make: Any) -> Any:
    """What was made; what cannot be made, as a problem; what may not be read any more, as what is not there."""
    try:
        found = make()
    except Exception as error:
        refused = opened_or_refused(error)
        if isinstance(error, DocumentError) and refused is not None and refused.problem.status == 503:
            refused = Refused(Problem(status=409, code="page_not_shown"))
        if refused is None:
            raise
        raise refused from error
    if found is None:
        raise Refused(NOT_FOUND)
    return found
