"""`GET /api/documents/{key}` and its text. What may not be read is not found, in the words for what is not there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from rag.access import Acl, Confidentiality
from rag.api.caller import AppOf, Caller, CallerOf
from rag.api.forms import document_form, json_response, text_form
from rag.api.problems import NOT_FOUND, Refused
from rag.ask.release import Release, release

router = APIRouter(prefix="/api/documents", tags=["documents"])

Key = Annotated[str, Path(description="a document's key, as passages and citations give it")]


@router.get("/{key}", response_model=None)
def document(key: Key, app: AppOf, caller: CallerOf) -> Response:
    """Title, place, kind and age of a document."""
    entry = app.ledger.entry(key)
    if entry is None or entry.key != key or not _may_open(entry.acl, entry.confidentiality, caller):
        raise Refused(NOT_FOUND)
    return json_response(document_form(entry, app.ledger.document(key)))


@router.get("/{key}/text", response_model=None)
def text(key: Key, app: AppOf, caller: CallerOf) -> Response:
    """The text of a document as it is indexed, with its sections."""
    found = app.ledger.document(key)
    if found is None or not _may_open(found.ref.acl, found.ref.confidentiality, caller):
        raise Refused(NOT_FOUND)
    return json_response(text_form(found))


def _may_open(acl: Acl, confidentiality: Confidentiality, caller: Caller) -> bool:
    """The rights of the row just read, so that no change can come between the check and the text."""
    return acl.admits(caller.principal) and release(confidentiality, caller.channel) is Release.FULL
