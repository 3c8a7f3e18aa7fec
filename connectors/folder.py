"""A tree of files: list and fetch. Links never lead out, devices never block, names are bytes-safe.

Nothing is ever written into a source.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from connectors.names import matcher, no_document, readable, unreadable, whole_folders
from connectors.roots import identities
from rag.access import Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument, Shut
from rag.errors import ChangingDocument, DocumentVanished, SourceDenied, SourceUnavailable, UnreadableDocument
from rag.ports import Closing

_PLAIN = re.compile(r"[\w .,;()+&@='#~$^{}\[\]-]+/?", re.ASCII)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
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
    ocr: bool = True

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        """Every regular file in the ranges, in order of id, without opening any.

        A folder that may not be looked into is `Shut`; so is one that was gone when its turn came, without a reason.

        Raises:
            SourceUnavailable: the root is missing, or it or a folder below it cannot be listed.
            SourceDenied: the root may not be listed.
        """
        for entry in ranges:
            if entry and not entry.endswith("/"):
                yield from self._one(entry)
            elif self._inside(entry):
                yield from self._below(entry)

    def roots(self) -> Mapping[str, str]:
        """Identity of the root, under "", and of each mount below it.

        Raises:
            SourceUnavailable, SourceDenied: the root cannot be reached.
        """
        try:
            return {readable(os.fsencode(path)): which for path, which in identities(self.root).items()}
        except OSError as error:
            raise _listing_error(str(self.root), error) from error

    def uri(self, document: DocumentId) -> str:
        """Where a person opens the file."""
        path = os.path.join(os.fsencode(self.root.absolute()), unreadable(document.split(":", 1)[1]))
        return "file://" + quote(path)

    def version(self, listing: Listing) -> str:
        """The sha256 of the file, in hex."""
        digest = hashlib.sha256()
        with self._open(listing) as file:
            for block in self._blocks(file):
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The file's bytes: those `version` saw, or, for a reference without a version, those there are now."""
        with self._open(listing) as file:
            before = os.fstat(file.fileno())
            body = b"".join(self._blocks(file))
            after = os.fstat(file.fileno())
        found = hashlib.sha256(body).hexdigest()
        if _stamp(before) != _stamp(after) or ref.version not in ("", found):
            raise ChangingDocument("the file changed while it was read; it is taken at the next run")
        name = self._relative(listing).rsplit(b"/", 1)[-1]
        return RawDocument(
            ref=replace(ref, version=found),
            title=name.decode("utf-8", "replace"),
            uri=self.uri(listing.id),
            media_type="",
            modified_at=_moment(before.st_mtime),
            body=body,
        )

    def watch(self, changed: Callable[[str], None]) -> Closing | None:
        """Hints from the operating system."""
        from connectors.folder_events import FolderEvents

        return FolderEvents(self.root, changed)

    def _one(self, entry: str) -> Iterator[Listing]:
        folder, slash, _ = entry.rpartition("/")
        path = unreadable(entry)
        name = os.fsdecode(path.rsplit(b"/", 1)[-1])
        if no_document(name) or not self._inside(folder + slash) or not self._wanted(os.fsdecode(path)):
            return
        try:
            here = self._open_folder(path.split(b"/")[:-1])
        except OSError as error:
            self._vanished_or_raise(folder, error)
            return
        try:
            status = os.stat(path.rsplit(b"/", 1)[-1], dir_fd=here, follow_symlinks=False)
        except OSError as error:
            self._vanished_or_raise(entry, error)
            return
        finally:
            os.close(here)
        if stat.S_ISREG(status.st_mode):
            yield Listing(
                DocumentId(f"{self.name}:{entry}"), _stamp(status), self.acl, self.confidentiality, status.st_size
            )

    def _below(self, folder: str) -> Iterator[Listing | Shut]:
        """Everything in and below a folder, "" or ending in ``/``, in order of id: files and folders sort together, a
        folder as its name with the ``/``."""
        waiting = [(folder, "", 0)]
        while waiting:
            path, stamp, size = waiting.pop()
            if stamp:
                yield Listing(DocumentId(f"{self.name}:{path}"), stamp, self.acl, self.confidentiality, size)
                continue
            try:
                waiting += reversed(self._look(unreadable(path)))
            except PermissionError as error:
                if not path:
                    raise _listing_error(str(self.root), error) from error
                yield Shut(f"{self.name}:{path}", f"no permission to look into the folder {path[:-1]}")
            except OSError as error:
                if not path or error.errno not in _GONE:
                    raise _listing_error(os.path.join(self.root, path), error) from error
                if path != folder:  # it was there a moment ago; the folder asked for may simply be gone
                    yield Shut(f"{self.name}:{path}", "")

    def _look(self, below: bytes) -> list[tuple[str, str, int]]:
        """(readable path, stamp, size) of the wanted files of one folder and of the folders in it, which have neither
        stamp nor size, in order of path."""
        found: list[tuple[str, str, int]] = []
        prefix, above = readable(below), os.fsdecode(below)
        here = self._open_folder(below.split(b"/")[:-1])
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    name = entry.name
                    if no_document(name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if not self._shut(above + name):
                            found.append((prefix + _text(name + "/"), "", 0))
                    elif entry.is_file(follow_symlinks=False) and self._wanted(above + name):
                        with suppress(FileNotFoundError):  # gone between the listing and the look
                            status = entry.stat(follow_symlinks=False)
                            found.append((prefix + _text(name), _stamp(status), status.st_size))
        finally:
            os.close(here)
        found.sort()
        return found

    def _inside(self, folder: str) -> bool:
        """Whether a folder, "" or ending in ``/``, would have been reached from the root."""
        parts = os.fsdecode(unreadable(folder)).split("/")[:-1]
        paths = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return not any(map(no_document, parts)) and not any(map(self._shut, paths))

    def _vanished_or_raise(self, path: str, error: OSError) -> None:
        if error.errno not in _GONE:
            raise _listing_error(os.path.join(self.root, path), error) from error

    def _wanted(self, path: str) -> bool:
        return (not self.include or matcher(self.include)(path)) and not (self.exclude and matcher(self.exclude)(path))

    def _shut(self, folder: str) -> bool:
        return bool(self.exclude) and matcher(whole_folders(self.exclude))(folder)

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


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _text(name: str) -> str:
    """`readable` of a name as `os.scandir` gives it; most are plain."""
    return name if _PLAIN.fullmatch(name) else readable(os.fsencode(name))
