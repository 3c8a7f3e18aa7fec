"""The whole error tree.

    RagError
    ├ SettingsError                          start-up only: names the key and the line
    ├ SourceError      SourceUnavailable · SourceDenied · DocumentVanished
    ├ DocumentError    UnsupportedFormat · UnreadableDocument (ChangingDocument) · EmptyDocument ·
    │                DocumentWaits           recorded, the others go on
    ├ StoreError       StoreOwned · StoreFull · IndexDamaged · EmbedderChanged · MassRemoval
    ├ ModelError       ModelUnavailable (LicenceRefused) · ModelTimeout · ModelChanged · ContextOverflow
    ├ AccessError      UnknownPrincipal · AccountClosed · SignInUnavailable
    ├ ReadingStopped                         of a document, because the run ends; the next run reads it
    └ EgressDenied     a connection to an address that is not on the allow-list

There is no "forbidden document": what may not be read is not found. A message says what happened, to which thing, and
what to do next. HTTP statuses are chosen in `rag.api`, exit codes in `rag.cli`.
"""

from __future__ import annotations

from pathlib import Path


class RagError(Exception):
    """Something the user can be told in one sentence."""


class SettingsError(RagError):
    """A key or value in rag.toml or the environment that cannot be used."""

    def __init__(self, message: str, *, key: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.line = line


class SourceError(RagError):
    """A source could not be listed or read."""


class SourceUnavailable(SourceError):
    """The source is not there now; it is tried again later."""


class SourceDenied(SourceError):
    """The source refuses our credentials or rights."""


class DocumentVanished(SourceError):
    """A listed document was gone when it was to be read; the next plan removes it."""


class DocumentError(RagError):
    """One document cannot be used. It is recorded with this reason and the others go on."""


class UnsupportedFormat(DocumentError):
    """No parser for this kind of file."""


class UnreadableDocument(DocumentError):
    """Damaged, encrypted, or over a limit."""


class ChangingDocument(UnreadableDocument):
    """Written while it was read; what was searchable of it stays so, and the next run reads it again."""


class EmptyDocument(DocumentError):
    """No text in it."""


class DocumentWaits(DocumentError):
    """What reads it, a model, is not there now or fails; the next run tries again."""


class ReadingStopped(RagError):
    """A document was being read when the run had to end. Nothing is recorded of it; the next run reads it."""


class StoreError(RagError):
    """The ledger or an index cannot do what was asked."""


class StoreOwned(StoreError):
    """Another process owns the store."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StoreFull(StoreError):
    """The disk under the home directory is full."""


class IndexDamaged(StoreError):
    """An index's files are not what was written; it is set aside and made anew from the ledger.

    directory: the index it is, where that is known.
    """

    def __init__(self, message: str, *, directory: Path | None = None) -> None:
        super().__init__(message)
        self.directory = directory


class EmbedderChanged(StoreError):
    """The index was made with another embedder."""


class MassRemoval(StoreError):
    """A plan would remove suspiciously much; it is held for a person."""


class ModelError(RagError):
    """A model could not do its work."""


class ModelUnavailable(ModelError):
    """The model or its server is not there."""


class LicenceRefused(ModelUnavailable):
    """The model is there, and its licence is none that the settings allow (`licences`)."""


class ModelTimeout(ModelError):
    """The model did not answer in time."""


class ModelChanged(ModelError):
    """The model behind the name is not the pinned one."""


class ContextOverflow(ModelError):
    """The prompt does not fit the model's context, or the model read less than was sent."""


class AccessError(RagError):
    """Who is asking could not be settled."""


class UnknownPrincipal(AccessError):
    """No such credential or person."""


class AccountClosed(AccessError):
    """The directory knows this person, and has shut or locked the account."""


class SignInUnavailable(AccessError):
    """The sign-in provider, or its keys, cannot be had now."""


class EgressDenied(RagError):
    """A connection to an address that is not on the allow-list was stopped."""
