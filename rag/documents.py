"""What flows in: Listing → DocumentRef → RawDocument → Parsed → Document → Chunk, and the Plan that moves them.

All of it is frozen. A span is half-open and counts code points of `Document.text`; for every chunk
``document.text[chunk.span.start:chunk.span.end] == chunk.text``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from rag.access import NOBODY, Acl, Confidentiality

DocumentId = NewType("DocumentId", str)
"""Readable, unique: ``personal:urlaub.pdf``; a part of a container is ``post:mail.eml!/angebot.pdf``."""

ChunkId = NewType("ChunkId", str)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Half-open ``[start, end)`` in code points."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def meets(self, other: Span) -> bool:
        """Whether they have a code point in common."""
        return self.start < other.end and other.start < self.end

    def of(self, text: str) -> str:
        """The stretch of text this span names."""
        return text[self.start : self.end]


class Listing(NamedTuple):
    """One file as a connector lists it, without having read it: a plain tuple, for there may be a million.

    `stamp` is whatever changes cheaply when the content may have changed (size, mtime, inode). An equal stamp means
    unchanged; a different one means "read and compare".
    """

    id: DocumentId
    stamp: str
    acl: Acl
    confidentiality: Confidentiality
    size_bytes: int


def same_but_for_rights(one: str, other: str) -> bool:
    """Whether two stamps differ at most in the moment of the last change of any kind, which is all that a change of
    rights leaves. Only of stamps of the form ``size:modified:changed:inode``."""
    before, after = one.split(":"), other.split(":")
    return len(before) == len(after) == 4 and (before[:2], before[3]) == (after[:2], after[3])


class Shut(NamedTuple):
    """A folder that could not be looked into. Every document whose id begins with `prefix` may be there or not; with a
    `reason` it may no longer be shown either."""

    prefix: str
    reason: str


def ranges(scopes: Iterable[str]) -> tuple[str, ...]:
    """Scopes as ranges of ids that do not overlap, in order.

    A scope is a path below a source's root: ``hr/`` is a folder with all below, "" everything, ``hr/leave.pdf`` the
    file, or the folder of that name, that stands or stood there. A range is "" or ends in ``/`` for everything below,
    else it is one file.
    """
    found: list[str] = []
    for part in sorted({part for scope in scopes for part in _parts(scope)}):
        if not any(part.startswith(whole) for whole in found[-1:] if whole.endswith("/") or not whole):
            found.append(part)
    return tuple(found)


def _parts(scope: str) -> tuple[str, ...]:
    return (scope,) if not scope or scope.endswith("/") else (scope, f"{scope}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRef:
    """A document's identity: `key` is opaque and stable across edits and moves ("" until the ledger has given one);
    `version` changes if and only if the content does. Who may read it, and how secret it is, come from the source."""

    id: DocumentId
    key: str = ""
    version: str
    acl: Acl = NOBODY
    confidentiality: Confidentiality = Confidentiality.STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDocument:
    """Bytes, and what is known of them from outside."""

    ref: DocumentRef
    title: str
    uri: str
    media_type: str
    modified_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A stretch of the text under one heading path and on one page (1-based; None where pages mean nothing)."""

    span: Span
    headings: tuple[str, ...] = ()
    page: int | None = None
    table: bool = False


class Hiding(StrEnum):
    """Why nobody sees a stretch of text who opens the document."""

    NOT_SHOWN = "not_shown"  # Word's hidden type, a rule of the page
    SAME_COLOUR = "same_colour"  # as what it stands on: white on white
    TINY = "tiny"  # two points or less
    OFF_PAGE = "off_page"
    INVISIBLE = "invisible"  # drawn without ink, and no picture under it that it could be the text of
    CHARACTERS = "characters"  # among it characters that nobody sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A stretch of the text that nobody sees who opens the document, and why."""

    span: Span
    why: Hiding


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A document inside a document: a mail's attachment, an archive's member."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a parser makes of bytes. `sections` are in order, do not overlap and cover all text but white space."""

    text: str
    sections: tuple[Section, ...]
    title: str | None = None
    language: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    """The document's own dates, aware, in UTC; None where its format has none or it names an absurd one."""
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know of the parse: "2 pages read by OCR", "3 pictures left out"."""
    hidden: tuple[Hidden, ...] = ()
    """In order of their beginnings."""
    unfinished: bool = False
    """Something failed that another time may do: the next run reads it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One version of a document as text. `modified_at` is its own date where it names one, else its file's."""

    ref: DocumentRef
    title: str
    uri: str
    modified_at: datetime
    language: str | None
    text: str
    sections: tuple[Section, ...]
    created_at: datetime | None = None
    author: str | None = None
    hidden: tuple[Hidden, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The unit that is embedded, indexed and found. It holds no rights: they change alone.

    `context` (title, headings, a table's header row) is embedded and indexed with the text but is not part of the span.
    """

    id: ChunkId
    document_id: DocumentId
    version: str
    span: Span
    ordinal: int
    text: str
    context: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: the context, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the ledger remembers of a document, as far as planning needs it. `ref.version` is "" where the file could
    not be read."""

    ref: DocumentRef
    recipe: str
    stamp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would make the index equal the folder.

    `move` pairs the old identity with the new reference; only `add` and `replace` cost an embedding.
    """

    add: tuple[DocumentRef, ...] = ()
    replace: tuple[DocumentRef, ...] = ()
    move: tuple[tuple[DocumentId, DocumentRef], ...] = ()
    reprotect: tuple[DocumentRef, ...] = ()
    remove: tuple[DocumentId, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.add or self.replace or self.move or self.reprotect or self.remove)
