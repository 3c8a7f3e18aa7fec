"""A tree of files: list and fetch. Links never lead out, devices never block, names are bytes-safe.

Nothing is ever written into a source.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from connectors.names import matcher, no_document, plain, readable, unreadable, whole_folders
from connectors.roots import identities
from rag.access import Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument, Shut
from rag.errors import ChangingDocument, DocumentVanished, SourceDenied, SourceUnavailable, UnreadableDocument
from rag.ports import Watching

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
        with _reading(), self._open(listing) as file:
            for block in self._blocks(file):
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The file's bytes: those `version` saw, or, for a reference without a version, those there are now."""
        with _reading(), self._open(listing) as file:
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

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> Watching:
        """Hints from the operating system; by looking every `poll_s` where it gives none."""
        from connectors.folder_events import watch_folder

        return watch_folder(self.root, changed, poll_s=poll_s)

    def _one(self, entry: str) -> Iterator[Listing | Shut]:
        folder, slash, _ = entry.rpartition("/")
        path = unreadable(entry)
        name = os.fsdecode(path.rsplit(b"/", 1)[-1])
        if no_document(name) or not self._inside(folder + slash) or not self._wanted(os.fsdecode(path)):
            return
        try:
            here = self._open_folder(path.split(b"/")[:-1])
            try:
                status = os.stat(path.rsplit(b"/", 1)[-1], dir_fd=here, follow_symlinks=False)
            finally:
                os.close(here)
        except PermissionError as error:
            yield self._no_permission(folder + slash, error)
            return
        except OSError as error:
            if error.errno not in _GONE:
                raise _listing_error(os.path.join(self.root, entry), error) from error
            return
        if stat.S_ISREG(status.st_mode):
            yield Listing(
                DocumentId(f"{self.name}:{entry}"), _stamp(status), self.acl, self.confidentiality, status.st_size
            )

    def _below(self, folder: str) -> Iterator[Listing | Shut]:
        """Everything in and below a folder, "" or ending in ``/``, in order of id: files and folders sort together, a
        folder as its name with the ``/``."""
        waiting = [iter(self._looked(folder, top=True))]
        while waiting:
            for entry in waiting[-1]:
                if isinstance(entry, str):
                    waiting.append(iter(self._looked(entry)))
                    break
                yield entry
            else:
                waiting.pop()

    def _looked(self, folder: str, *, top: bool = False) -> Sequence[Listing | Shut | str]:
        """What one folder holds, in order: its files, and the paths of the folders in it."""
        try:
            return self._look(folder)
        except PermissionError as error:
            return [self._no_permission(folder, error)]
        except OSError as error:
            if not folder or error.errno not in _GONE:
                raise _listing_error(os.path.join(self.root, folder), error) from error
            # it was there a moment ago; but the one that was asked for may simply be gone
            return [] if top and self._is_gone(folder) else [Shut(f"{self.name}:{folder}", "")]

    def _look(self, folder: str) -> list[Listing | Shut | str]:
        below = unreadable(folder)
        above, prefix, acl, secret = os.fsdecode(below), f"{self.name}:{folder}", self.acl, self.confidentiality
        found: dict[str, Listing | Shut | str] = {}
        narrow = bool(self.include or self.exclude)
        here = self._open_folder(below.split(b"/")[:-1])
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    name = entry.name
                    if no_document(name):
                        continue
                    shown = name if plain(name) else readable(os.fsencode(name))
                    if entry.is_file(follow_symlinks=False):
                        if not narrow or self._wanted(above + name):
                            own = DocumentId(prefix + shown)
                            found[shown] = Shut(own, "")  # gone between the listing and the look
                            with suppress(FileNotFoundError):
                                status = entry.stat(follow_symlinks=False)
                                found[shown] = Listing(own, _stamp(status), acl, secret, status.st_size)
                    elif entry.is_dir(follow_symlinks=False) and not self._shut(above + name):
                        shown = readable(os.fsencode(f"{name}/"))
                        found[shown] = folder + shown
        finally:
            os.close(here)
        return [found[shown] for shown in sorted(found)]

    def _inside(self, folder: str) -> bool:
        """Whether a folder, "" or ending in ``/``, would have been reached from the root."""
        parts = os.fsdecode(unreadable(folder)).split("/")[:-1]
        paths = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return not any(map(no_document, parts)) and not any(map(self._shut, paths))

    def _is_gone(self, folder: str) -> bool:
        try:
            os.close(self._open_folder(unreadable(folder).split(b"/")[:-1]))
        except OSError as error:
            return error.errno in _GONE
        return False

    def _no_permission(self, folder: str, error: OSError) -> Shut:
        if not folder:
            raise _listing_error(str(self.root), error) from error
        return Shut(f"{self.name}:{folder}", f"no permission to look into the folder {folder[:-1]}")

    def _wanted(self, path: str) -> bool:
        return (not self.include or matcher(self.include)(path)) and not (self.exclude and matcher(self.exclude)(path))

    def _shut(self, folder: str) -> bool:
        return bool(self.exclude) and matcher(whole_folders(self.exclude))(folder)

    def _open(self, listing: Listing) -> BinaryIO:
        """Opened step by step below the root, following no link at any step and waiting for no device."""
        if listing.size_bytes > self.max_body_bytes:
            raise self._over_the_limit()
        *folders, name = self._relative(listing).split(b"/")
        here = self._open_folder(folders)
        try:
            file = os.open(name, _READ, dir_fd=here)
        finally:
            os.close(here)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise UnreadableDocument("not a regular file")
        except BaseException:
            os.close(file)
            raise
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
        while block := file.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise self._over_the_limit()
            yield block

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


@contextmanager
def _reading() -> Iterator[None]:
    """What the operating system says of one file, whatever the step, as ours."""
    try:
        yield
    except OSError as error:
        raise _reading_error(error) from error


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
