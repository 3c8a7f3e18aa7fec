"""What is told of documents: one, a list, a text, a page's marks; and of those that are uploaded or taken away."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rag.api.schemas.form import Form


class DocumentKnown(Form):
    """What is known of a document; `pages` is null where pages mean nothing in it."""

    key: str
    document_id: str
    title: str
    uri: str
    media_type: str | None
    modified: str
    language: str | None
    state: str
    pages: int | None


class Section(Form):
    """A stretch of the text under its headings."""

    span: list[int] = Field(min_length=2, max_length=2)
    headings: list[str]
    page: int | None
    table: bool


class DocumentText(Form):
    """A document's text as it is indexed."""

    key: str
    document_id: str
    title: str
    uri: str
    modified: str
    version: str
    text: str
    sections: list[Section]


class Failure(Form):
    """Why a document could not be read: `kind` for programs, the rest for people."""

    kind: str
    said: str
    advice: str
    reason: str


class DocumentListed(Form):
    """A document in a list."""

    key: str
    document_id: str
    title: str
    uri: str
    source: str
    type: str | None
    media_type: str | None
    language: str | None
    state: str
    modified: str
    indexed: str
    part_of: str | None
    failure: Failure | None
    notes: list[str]


class DocumentList(Form):
    """A page of a list; `next` is the cursor of the page after, null at the end."""

    documents: list[DocumentListed]
    next: str | None
    counts: dict[str, int]
    sources: dict[str, dict[str, int]]


class Marks(Form):
    """Where a span stands on a page: boxes in fractions of the picture."""

    key: str
    version: str
    page: int
    pages: int
    size: list[float]
    boxes: list[list[float]]
    found: bool
    share: float
    by_ocr: bool


class Uploaded(Form):
    """An upload that was taken; `status` is where to ask what becomes of it."""

    document_id: str
    receipt: str
    status: str
    watched: bool


class UploadPlaces(Form):
    """Where the caller may upload to."""

    sources: list[str]
    max_bytes: int


class UploadState(Form):
    """What became of an upload."""

    document_id: str
    key: str | None
    state: str
    failure: Failure | None


class Removing(Form):
    """An upload that is being taken away. `messages`: how many messages of bots in chats show it, or a part of it."""

    document_id: str
    state: Literal["removing"]
    messages: int
