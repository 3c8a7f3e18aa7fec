"""What a caller may open: by the rights of the row just read, the channel, and the sources their key is for."""

from __future__ import annotations

from rag.access import Acl, Confidentiality
from rag.api.caller import Caller
from rag.api.problems import NOT_FOUND, Refused
from rag.app import App
from rag.ask.release import Release, release, within
from rag.documents import Document, DocumentId
from rag.filters import NONE
from rag.store.rows import Entry


def may_open(document: DocumentId, acl: Acl, confidentiality: Confidentiality, caller: Caller) -> bool:
    """Whether the whole document may be shown to them."""
    return (
        acl.admits(caller.principal)
        and release(confidentiality, caller.channel, caller.policy) is Release.FULL
        and caller.reaches(document)
    )


def entry_of(app: App, key: str, caller: Caller) -> Entry:
    """A document that may be opened, by its key.

    Raises:
        Refused: there is none, or it may not; in the same words.
    """
    entry = app.ledger.entry(key)
    if entry is None or entry.key != key or not may_open(entry.id, entry.acl, entry.confidentiality, caller):
        raise Refused(NOT_FOUND)
    return entry


def document_of(app: App, key: str, caller: Caller) -> Document:
    """The current text of a document that may be opened.

    Raises:
        Refused: there is none, or it may not; in the same words.
    """
    found = app.ledger.document(key)
    if found is None or not may_open(found.ref.id, found.ref.acl, found.ref.confidentiality, caller):
        raise Refused(NOT_FOUND)
    return found


def carried(caller: Caller) -> frozenset[Confidentiality]:
    """The classes the caller's channel carries in full."""
    return frozenset(one for one in Confidentiality if release(one, caller.channel, caller.policy) is Release.FULL)


def searched(caller: Caller) -> frozenset[Confidentiality] | None:
    """The classes that are searched for the caller's channel; None: all of them."""
    return within(NONE, caller.channel, caller.policy).classes
