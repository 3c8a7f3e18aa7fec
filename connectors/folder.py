"""A tree of files: list and fetch. Links never lead out, devices never block, names are bytes-safe.

Nothing is ever written into a source.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from rag.access import Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument
from rag.errors import DocumentVanished, SourceDenied, SourceUnavailable, UnreadableDocument
from rag.ports import Closing

_TEMPORARY = (
    "~$*",
    ".~lock.*",
    "*.tmp",
    "*.part",
    "*.crdownload",
    "*.swp",
    "*~",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder as a source. Hidden files, editors' temporaries and everything that is no regular file are passed
    over; `include` and `exclude` are patterns on the path below the root, with ``/`` between its parts."""

    name: str
    root: Path
    acl: Acl
    confidentiality: Confidentiality
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_body_bytes: int = 200 * 1024 * 1024

    def listings(self) -> Iterator[Listing]:
        """Every regular file, in order of path, without opening any.

        Raises:
            SourceUnavailable: the root, or a folder below it, is missing or cannot be listed.
            SourceDenied: it may not be listed.
        """
        yield from self._walk(os.fsencode(self.root), b"")

    def version(self, listing: Listing) -> str:
        """The sha256 of the file, in hex."""
        digest = hashlib.sha256()
        with self._open(listing) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The file's bytes, as `version` saw them."""
        with self._open(listing) as file:
            modified = os.fstat(file.fileno()).st_mtime
            body = file.read()
        if hashlib.sha256(body).hexdigest() != ref.version:
            raise UnreadableDocument("the file changed while it was read; it is taken at the next run")
        name = self._relative(listing).rsplit(b"/", 1)[-1]
        return RawDocument(
            ref=ref,
            title=os.fsdecode(name),
            uri=listing.uri,
            media_type="",
            modified_at=datetime.fromtimestamp(modified, UTC),
            body=body,
        )

    def watch(self, changed: Callable[[], None]) -> Closing | None:
        """Hints from the operating system."""
        from connectors.folder_events import FolderEvents

        return FolderEvents(self.root, changed)

    def _walk(self, root: bytes, below: bytes) -> Iterator[Listing]:
        here = os.path.join(root, below) if below else root
        try:
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except PermissionError as error:
            raise SourceDenied(f"The folder {os.fsdecode(here)} may not be listed: {error.strerror}.") from error
        except OSError as error:
            raise SourceUnavailable(f"The folder {os.fsdecode(here)} cannot be listed: {error.strerror}.") from error
        for entry in found:
            if entry.name.startswith(b".") or any(
                fnmatch.fnmatchcase(os.fsdecode(entry.name), pattern) for pattern in _TEMPORARY
            ):
                continue
            path = os.path.join(below, entry.name) if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(root, path)
            elif entry.is_file(follow_symlinks=False) and self._wanted(os.fsdecode(path)):
                try:
                    yield self._listing(path, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # gone between the listing and the look

    def _listing(self, path: bytes, status: os.stat_result) -> Listing:
        full = os.path.join(os.fsencode(self.root.absolute()), path)
        return Listing(
            id=DocumentId(f"{self.name}:{readable(path)}"),
            stamp=f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}",
            acl=self.acl,
            confidentiality=self.confidentiality,
            uri="file://" + quote(full),
            size_bytes=status.st_size,
        )

    def _wanted(self, path: str) -> bool:
        if self.include and not any(_matches(path, pattern) for pattern in self.include):
            return False
        return not any(_matches(path, pattern) for pattern in self.exclude)

    def _open(self, listing: Listing) -> BinaryIO:
        """Opened step by step below the root, following no link at any step and waiting for no device."""
        if listing.size_bytes > self.max_body_bytes:
            raise UnreadableDocument(f"over the limit of {self.max_body_bytes // 1024**2} MiB (ingest.max_body_mb)")
        *folders, name = self._relative(listing).split(b"/")
        try:
            here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnavailable(f"The folder {self.root} cannot be opened: {error.strerror}.") from error
        try:
            for folder in folders:
                below = os.open(folder, _READ | os.O_DIRECTORY, dir_fd=here)
                os.close(here)
                here = below
            file = os.open(name, _READ, dir_fd=here)
        except OSError as error:
            raise _reading_error(error) from error
        finally:
            os.close(here)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise UnreadableDocument("not a regular file")
        return os.fdopen(file, "rb")

    def _relative(self, listing: Listing) -> bytes:
        return unreadable(listing.id.split(":", 1)[1])


def _reading_error(error: OSError) -> DocumentVanished | UnreadableDocument:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return DocumentVanished("the file was gone when it was to be read")
    if error.errno == errno.ELOOP:
        return UnreadableDocument("a link; links are not followed")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UnreadableDocument("no permission to read the file")
    return UnreadableDocument(f"the file cannot be read: {error.strerror}")


def readable(path: bytes) -> str:
    """A path as text: what is not UTF-8, and ``%``, control characters and line breaks, are percent-encoded."""
    parts = []
    for character in path.decode("utf-8", "surrogateescape"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            parts.append(f"%{code - 0xDC00:02X}")
        elif character == "%" or code < 32 or code == 127:
            parts.append(f"%{code:02X}")
        else:
            parts.append(character)
    return "".join(parts)


def unreadable(text: str) -> bytes:
    """The bytes `readable` was given."""
    pieces = text.split("%")
    encoded = pieces[0].encode("utf-8")
    for piece in pieces[1:]:
        encoded += bytes([int(piece[:2], 16)]) + piece[2:].encode("utf-8")
    return encoded


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern) or (
        pattern.startswith("**/") and fnmatch.fnmatchcase(path, pattern.removeprefix("**/"))
    )
