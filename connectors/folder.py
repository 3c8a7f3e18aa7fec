"""A tree of files: list and fetch. Links never lead out, devices never block, names are bytes-safe.

Nothing is ever written into a source.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from rag.access import Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument
from rag.errors import ChangingDocument, DocumentVanished, SourceDenied, SourceUnavailable, UnreadableDocument
from rag.ports import Closing

_NO_DOCUMENTS = (
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
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
_HIDDEN = re.compile(r"[%\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder as a source. Hidden files, editors' temporaries and everything that is no regular file are passed
    over; `include` and `exclude` are patterns on the path below the root, with ``/`` between its parts. A folder that
    `exclude` names is not looked into at all."""

    name: str
    root: Path
    acl: Acl
    confidentiality: Confidentiality
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_body_bytes: int = 200 * 1024 * 1024

    def listings(self) -> Iterator[Listing]:
        """Every regular file, folder by folder in order of name, without opening any.

        Raises:
            SourceUnavailable: the root, or a folder below it, is missing or cannot be listed.
            SourceDenied: it may not be listed.
        """
        folders = [b""]
        while folders:
            below = folders.pop()
            try:
                found, inner = self._look(below)
            except OSError as error:
                raise _listing_error(os.path.join(self.root, readable(below)), error) from error
            yield from found
            folders += reversed(inner)

    def version(self, listing: Listing) -> str:
        """The sha256 of the file, in hex."""
        digest = hashlib.sha256()
        with self._open(listing) as file:
            for block in self._blocks(file):
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The file's bytes, as `version` saw them."""
        with self._open(listing) as file:
            modified = os.fstat(file.fileno()).st_mtime
            body = b"".join(self._blocks(file))
        if hashlib.sha256(body).hexdigest() != ref.version:
            raise ChangingDocument("the file changed while it was read; it is taken at the next run")
        name = self._relative(listing).rsplit(b"/", 1)[-1]
        return RawDocument(
            ref=ref,
            title=name.decode("utf-8", "replace"),
            uri=listing.uri,
            media_type="",
            modified_at=_moment(modified),
            body=body,
        )

    def watch(self, changed: Callable[[], None]) -> Closing | None:
        """Hints from the operating system."""
        from connectors.folder_events import FolderEvents

        return FolderEvents(self.root, changed)

    def _look(self, below: bytes) -> tuple[list[Listing], list[bytes]]:
        """The wanted files of one folder, and the folders in it."""
        files: list[Listing] = []
        folders: list[bytes] = []
        here = self._open_folder(below.split(b"/") if below else [])
        try:
            with os.scandir(here) as entries:
                found = sorted((entry.name, entry) for entry in entries)
            for plain, entry in found:
                name = os.fsencode(plain)
                if name.startswith(b".") or any(fnmatch.fnmatchcase(plain, pattern) for pattern in _NO_DOCUMENTS):
                    continue
                path = os.path.join(below, name)
                if entry.is_dir(follow_symlinks=False):
                    if not self._shut(os.fsdecode(path)):
                        folders.append(path)
                elif entry.is_file(follow_symlinks=False) and self._wanted(os.fsdecode(path)):
                    with suppress(FileNotFoundError):  # gone between the listing and the look
                        files.append(self._listing(path, entry.stat(follow_symlinks=False)))
        finally:
            os.close(here)
        return files, folders

    def _listing(self, path: bytes, status: os.stat_result) -> Listing:
        full = os.path.join(os.fsencode(self.root.absolute()), path)
        return Listing(
            id=DocumentId(f"{self.name}:{readable(path)}"),
            stamp=f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}",
            acl=self.acl,
            confidentiality=self.confidentiality,
            uri="file://" + quote(full),
            size_bytes=status.st_size,
        )

    def _wanted(self, path: str) -> bool:
        if self.include and not any(_matches(path, pattern) for pattern in self.include):
            return False
        return not self._excluded(path)

    def _excluded(self, path: str) -> bool:
        return any(_matches(path, pattern) for pattern in self.exclude)

    def _shut(self, folder: str) -> bool:
        """Whether nothing in a folder is wanted: ``private``, ``private/*`` and ``private/**`` all mean the whole."""
        whole = (pattern.removesuffix("*").removesuffix("*").removesuffix("/") for pattern in self.exclude)
        return self._excluded(folder) or any(_matches(folder, pattern) for pattern in whole)

    def _open(self, listing: Listing) -> BinaryIO:
        """Opened step by step below the root, following no link at any step and waiting for no device."""
        if listing.size_bytes > self.max_body_bytes:
            raise self._over_the_limit()
        *folders, name = self._relative(listing).split(b"/")
        try:
            here = self._open_folder(folders)
            try:
                file = os.open(name, _READ, dir_fd=here)
            finally:
                os.close(here)
        except OSError as error:
            raise _reading_error(error) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise UnreadableDocument("not a regular file")
        return os.fdopen(file, "rb")

    def _open_folder(self, folders: Sequence[bytes]) -> int:
        """A descriptor of a folder, reached step by step below the root: the root alone may be a link."""
        try:
            here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _listing_error(str(self.root), error) from error
        for folder in folders:
            try:
                below = os.open(folder, _READ | os.O_DIRECTORY, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def _blocks(self, file: BinaryIO) -> Iterator[bytes]:
        """The content piece by piece, no more than the limit however the file grows meanwhile."""
        left = self.max_body_bytes
        try:
            while block := file.read(1 << 20):
                left -= len(block)
                if left < 0:
                    raise self._over_the_limit()
                yield block
        except OSError as error:
            raise _reading_error(error) from error

    def _over_the_limit(self) -> UnreadableDocument:
        return UnreadableDocument(f"over the limit of {self.max_body_bytes // 1024**2} MiB (ingest.max_body_mb)")

    def _relative(self, listing: Listing) -> bytes:
        return unreadable(listing.id.split(":", 1)[1])


def _listing_error(folder: str, error: OSError) -> SourceUnavailable | SourceDenied:
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceDenied(
            f"The folder {folder} may not be listed: {error.strerror}. Let the account that runs Archivar read it, or "
            f"name it under `exclude`."
        )
    return SourceUnavailable(
        f"The folder {folder} cannot be listed: {error.strerror}. Nothing was changed in its part of the index."
    )


def _reading_error(error: OSError) -> DocumentVanished | UnreadableDocument:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return DocumentVanished("the file was gone when it was to be read")
    if error.errno == errno.ELOOP:
        return UnreadableDocument("a link; links are not followed")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UnreadableDocument("no permission to read the file")
    return UnreadableDocument(f"the file cannot be read: {error.strerror}")


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # some file systems hold years beyond 9999
        return datetime.fromtimestamp(0, UTC)


def readable(path: bytes) -> str:
    """A path as text, each path another: percent-encoded is what is not UTF-8, ``%``, what breaks or turns a line, and
    the ``!`` that ends a folder's name, because ``!/`` stands between a document and its parts."""
    text = _HIDDEN.sub(_encoded, path.decode("utf-8", "surrogateescape"))
    return text.replace("!/", "%21/")


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def unreadable(text: str) -> bytes:
    """The bytes `readable` was given."""
    pieces = text.split("%")
    encoded = pieces[0].encode("utf-8")
    for piece in pieces[1:]:
        encoded += bytes([int(piece[:2], 16)]) + piece[2:].encode("utf-8")
    return encoded


def _matches(path: str, pattern: str) -> bool:
    """``*`` spans folders too; ``**/`` may stand for no folder. Composed and decomposed letters are the same."""
    path, pattern = unicodedata.normalize("NFC", path), unicodedata.normalize("NFC", pattern)
    without = pattern.removeprefix("**/").replace("/**/", "/")
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, without)
