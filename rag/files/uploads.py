"""Files that come in over HTTP: into the folder of a source that has uploaders, whole or not at all.

A file is written beside its place under a name that no listing sees, made durable, and then given its name, which the
watcher takes as any other. Nothing is ever overwritten but by whoever sent the file that stands there. Who that is, is
kept as a keyed hash, for each document another one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.folder import Folder
from connectors.names import readable, unreadable
from connectors.original import stamp_of
from rag.access import Acl, Principal, Token
from rag.documents import DocumentId, same_but_for_rights
from rag.errors import RagError, SourceUnavailable, StoreFull
from rag.files.sources import Sources
from rag.files.upload_names import file_name
from rag.settings import Settings
from rag.settings.sources import SourceSettings
from rag.store.database import full
from rag.store.ledger import Ledger
from rag.store.rows import now

_BEGINNING, _ENDING = ".upload-", ".part"
_FORGOTTEN_S = 24 * 3600.0
_AT_ONCE = 4


class NameTaken(RagError):
    """A file of that name is there, and is not the sender's to replace."""


class NameNotPossible(RagError):
    """No document can be called that."""


class NotTaken(RagError):
    """Files of that name are not read in this source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An upload that stands in its place. `receipt` is what its sender asks for its state by."""

    document: DocumentId
    receipt: str
    version: str


@dataclass(slots=True, kw_only=True)
class Incoming:
    """A file that is being received; whoever began it ends it with `Uploads.finish` or `drop`."""

    folder: Folder
    name: str
    here: int
    beside: str
    file: int
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def document(self) -> DocumentId:
        """What it will be called."""
        return DocumentId(f"{self.folder.name}:{readable(os.fsencode(self.name))}")

    @property
    def version(self) -> str:
        """The sha256 of what came so far."""
        return self.digest.hexdigest()

    def write(self, block: bytes) -> None:
        """The next bytes.

        Raises:
            StoreFull: there is no room left.
        """
        with _writing():
            view = memoryview(block)
            while view:
                view = view[os.write(self.file, view) :]
        self.digest.update(block)
        self.size_bytes += len(block)

    def drop(self) -> None:
        """Nothing of it is kept. Safe to repeat."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        if self.here >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self.beside, dir_fd=self.here)
            os.close(self.here)
            self.here = -1


class Uploads:
    """Thread-safe."""

    def __init__(self, settings: Settings, sources: Sources, ledger: Ledger) -> None:
        self._settings, self._sources, self._ledger = settings, sources, ledger
        self._placing = threading.Lock()
        self.turns = threading.BoundedSemaphore(_AT_ONCE)
        """How many are received at the same time; whoever receives one takes a turn."""

    @property
    def max_bytes(self) -> int:
        """The largest file that is taken."""
        limits = self._settings.ingest
        return min(limits.max_upload_mb, limits.max_body_mb) << 20

    def open_to(self, principal: Principal) -> list[SourceSettings]:
        """The sources this person may put documents into."""
        return [source for source in self._settings.sources if _may_upload(source, principal)]

    def begin(self, source: str, name: str, principal: Principal) -> Incoming | None:
        """Make room for a file; None where this person may put nothing into that source, or there is none.

        Raises:
            NameNotPossible, NotTaken: see there.
            SourceUnavailable: the folder cannot be written to.
            StoreFull: there is no room left.
        """
        folder = self._sources.folder(source) if source in {one.name for one in self.open_to(principal)} else None
        if folder is None:
            return None
        clean = file_name(name)
        if clean is None:
            raise NameNotPossible(f"No document can be called {name!r}.")
        if not folder.wants(clean):
            raise NotTaken(f"{clean} is not read in the source {source}.")
        here = _folder(folder.root)
        try:
            _sweep(here)
            beside = f"{_BEGINNING}{secrets.token_hex(12)}{_ENDING}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with _writing():
                file = os.open(beside, flags, 0o600, dir_fd=here)
        except BaseException:
            os.close(here)
            raise
        return Incoming(folder=folder, name=clean, here=here, beside=beside, file=file)

    def finish(self, incoming: Incoming, principal: Principal, *, replace: bool) -> Received:
        """Give it its name.

        Raises:
            NameTaken: another file has it, and is not to be replaced, or not by this person.
            SourceUnavailable, StoreFull: it could not be written. Nothing of it is left then.
        """
        with _writing():
            os.fchmod(incoming.file, os.fstat(incoming.here).st_mode & 0o644)  # as open as the folder, not writable
            os.fsync(incoming.file)
        document, receipt = incoming.document, secrets.token_urlsafe(18)
        with self._placing, _writing():
            if not _placed(incoming):
                if not replace or not self._is_own(document, incoming, principal):
                    raise NameTaken(f"There is a document called {incoming.name} already.")
                os.replace(incoming.beside, incoming.name, src_dir_fd=incoming.here, dst_dir_fd=incoming.here)
            os.fsync(incoming.here)
            stamp = stamp_of(os.fstat(incoming.file))
            self._ledger.change(
                "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?)",
                (document, receipt, self._owner(principal, document), stamp, incoming.version, now()),
            )
        incoming.drop()
        self._forget()
        return Received(document=document, receipt=receipt, version=incoming.version)

    def received(self, receipt: str, principal: Principal) -> Received | None:
        """What was sent under a receipt, if it was this person who sent it."""
        rows = self._ledger.rows("SELECT document, owner, version FROM uploads WHERE receipt = ?", receipt)
        if not rows or not secrets.compare_digest(rows[0]["owner"], self._owner(principal, rows[0]["document"])):
            return None
        return Received(document=DocumentId(rows[0]["document"]), receipt=receipt, version=rows[0]["version"])

    def remove(self, document: DocumentId, principal: Principal) -> bool:
        """Take a file away that this person sent, if it is still the one they sent; whether it was.

        Raises:
            SourceUnavailable: the folder cannot be written to.
        """
        source, _, path = document.partition(":")
        folder = self._sources.folder(source) if source in {one.name for one in self.open_to(principal)} else None
        if folder is None or "/" in path:
            return False
        here = _folder(folder.root)
        try:
            with self._placing, _writing():
                incoming = Incoming(folder=folder, name=os.fsdecode(unreadable(path)), here=here, beside="", file=-1)
                if not self._is_own(document, incoming, principal):
                    return False
                os.unlink(incoming.name, dir_fd=here)
                os.fsync(here)
        finally:
            os.close(here)
        return True

    def _is_own(self, document: DocumentId, incoming: Incoming, principal: Principal) -> bool:
        """Whether the file that stands there is the one this person sent."""
        rows = self._ledger.rows("SELECT owner, stamp FROM uploads WHERE document = ?", document)
        if not rows or not secrets.compare_digest(rows[0]["owner"], self._owner(principal, document)):
            return False
        try:
            status = os.stat(incoming.name, dir_fd=incoming.here, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return same_but_for_rights(stamp_of(status), rows[0]["stamp"])

    def _owner(self, principal: Principal, document: str) -> str:
        return self._ledger.home_key.hashed(f"upload\0{principal.user}\0{document}")

    def _forget(self) -> None:
        """Uploads that never became documents, a day later."""
        before = (datetime.now(UTC) - timedelta(seconds=_FORGOTTEN_S)).isoformat()
        self._ledger.change(
            "DELETE FROM uploads WHERE at < ? AND document NOT IN (SELECT id FROM documents)", (before,)
        )


def _may_upload(source: SourceSettings, principal: Principal) -> bool:
    """Whoever may upload may also read what there is, so that a name that is taken tells them nothing new."""
    denied = frozenset(map(Token, source.deny))
    uploaders = Acl(readers=frozenset(map(Token, source.uploaders)), denied=denied)
    readers = Acl(readers=frozenset(map(Token, source.readers)), denied=denied)
    return uploaders.admits(principal) and readers.admits(principal)


def _placed(incoming: Incoming) -> bool:
    """Give the file its name, if none has it: by a link, which never overwrites; where the file system has none, by a
    name that is taken first."""
    try:
        os.link(
            incoming.beside,
            incoming.name,
            src_dir_fd=incoming.here,
            dst_dir_fd=incoming.here,
            follow_symlinks=False,
        )
    except FileExistsError:
        return False
    except (OSError, NotImplementedError) as error:  # no hard links there, or none that follow no link
        if isinstance(error, OSError) and full(error):
            raise
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(incoming.name, flags, 0o600, dir_fd=incoming.here))
        except FileExistsError:
            return False
        os.replace(incoming.beside, incoming.name, src_dir_fd=incoming.here, dst_dir_fd=incoming.here)
        return True
    os.unlink(incoming.beside, dir_fd=incoming.here)
    return True


def _folder(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnavailable(f"The folder {root} cannot be reached: {error.strerror}.") from error


def _sweep(here: int) -> None:
    """What an interrupted process left."""
    for name in os.listdir(here):
        if name.startswith(_BEGINNING) and name.endswith(_ENDING):
            with suppress(OSError):
                if time.time() - os.stat(name, dir_fd=here, follow_symlinks=False).st_mtime > _FORGOTTEN_S:
                    os.unlink(name, dir_fd=here)


@contextmanager
def _writing() -> Iterator[None]:
    """What the operating system says of writing into a source, as ours."""
    try:
        yield
    except OSError as error:
        if full(error):
            raise StoreFull("There is no room left where uploads go. Nothing was kept.") from error
        raise SourceUnavailable(
            f"The folder of this source cannot be written to: {error.strerror}. Let the account that runs Archivar "
            f"write there, or take uploaders out of the source in rag.toml."
        ) from error
