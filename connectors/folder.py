"""A tree of files: list and fetch. Links never lead out, devices never block, names are bytes-safe.

Nothing is ever written into a source from here (`rag.files.uploads` does, into one that takes uploads).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from connectors.accounts import Accounts
from connectors.folder_above import LOOK_S, WatchingAbove
from connectors.folder_errors import listing_error, reading
from connectors.folder_opening import blocks_of, open_file, open_folder
from connectors.folder_rights import FolderRights
from connectors.folder_why import Explained, explained
from connectors.names import no_document, plain, readable, unreadable, whole_folders
from connectors.original import OpenFile, moment_of, stamp_of
from connectors.roots import identities
from connectors.rules import Rule, Rules
from rag.access import NOBODY, Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, Listing, RawDocument, Shut
from rag.errors import ChangingDocument, DocumentVanished, SourceUnavailable
from rag.ports import Watching
from rag.text.patterns import matcher

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder as a source. Hidden files, editors' temporaries and everything that is no regular file are passed
    over; `include` and `exclude` are patterns on the path below the root, with ``/`` between its parts. A folder that
    `exclude` names is not looked into at all.

    Who may read is `acl`, or with `from_filesystem` whom the file system lets read; `rules` say otherwise for parts of
    the folder (see `connectors.rules`)."""

    name: str
    root: Path
    acl: Acl
    confidentiality: Confidentiality
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_body_bytes: int = 200 * 1024 * 1024
    ocr: bool = True
    from_filesystem: bool = False
    rules: tuple[Rule, ...] = ()
    accounts: Accounts = field(default_factory=Accounts, repr=False, compare=False)

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        """Every regular file in the ranges, in order of id, without opening any.

        A folder that may not be looked into is `Shut`; so is one that was gone when its turn came, without a reason.

        Raises:
            SourceUnavailable: the root is missing, or it or a folder below it cannot be listed.
            SourceDenied: the root may not be listed.
        """
        return self.listed(self.rights(), ranges)

    def listed(self, rights: FolderRights, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        """The same, with rights told by these."""
        for entry in ranges:
            if entry and not entry.endswith("/"):
                yield from self._one(entry, rights)
            elif self._inside(entry):
                yield from self._below(entry, rights)

    def rights(self) -> FolderRights:
        """Who may read what, as it is from now on."""
        return FolderRights(self.root, self.ruling, accounts=self.accounts, opened=self._open_folder)

    @property
    def ruling(self) -> Rules:
        """The rules by path, the one for the whole folder among them."""
        whole = Rule(readers=self.acl.readers, from_filesystem=self.from_filesystem, denied=self.acl.denied)
        return Rules(whole, self.rules)

    def roots(self) -> Mapping[str, str]:
        """Identity of the root, under "", and of each mount below it.

        Raises:
            SourceUnavailable, SourceDenied: the root cannot be reached.
        """
        try:
            return {readable(os.fsencode(path)): which for path, which in identities(self.root).items()}
        except OSError as error:
            raise listing_error(str(self.root), error) from error

    def why(self, document: DocumentId) -> Explained:
        """Who may read a document now, and by which rule, folder and line of rights."""
        return explained(self, document)

    def uri(self, document: DocumentId) -> str:
        """Where a person opens the file."""
        path = os.path.join(os.fsencode(self.root.absolute()), unreadable(document.split(":", 1)[1]))
        return "file://" + quote(path)

    def version(self, listing: Listing) -> str:
        """The sha256 of the file, in hex."""
        digest = hashlib.sha256()
        with reading(), self._open(listing) as file:
            for block in blocks_of(file, most_bytes=self.max_body_bytes):
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        """The file's bytes: those `version` saw, or, for a reference without a version, those there are now; with who
        may read them now, for the listing may be hours old."""
        acl = self._acl_now(listing)
        with reading(), self._open(listing) as file:
            before = os.fstat(file.fileno())
            body = b"".join(blocks_of(file, most_bytes=self.max_body_bytes))
            after = os.fstat(file.fileno())
        found = hashlib.sha256(body).hexdigest()
        if stamp_of(before) != stamp_of(after) or ref.version not in ("", found):
            raise ChangingDocument("the file changed while it was read; it is taken at the next run")
        name = self._relative(listing).rsplit(b"/", 1)[-1]
        return RawDocument(
            ref=replace(ref, version=found, acl=acl),
            title=name.decode("utf-8", "replace"),
            uri=self.uri(listing.id),
            media_type="",
            modified_at=moment_of(before),
            body=body,
        )

    def original(self, document: DocumentId) -> OpenFile:
        """The file as it is now, open, with who may read it now.

        Raises:
            DocumentVanished: there is no such file any more.
            SourceUnavailable, SourceDenied: the folder cannot be reached or looked into.
            UnreadableDocument: the file cannot be opened, or is over the limit.
        """
        listing = next(self.listings((document.split(":", 1)[1],)), None)
        if isinstance(listing, Shut):
            raise SourceUnavailable(f"The folder of {document} may not be looked into.")
        if listing is None:
            raise DocumentVanished("the file was gone when it was to be read")
        with reading():
            file = self._open(listing)
            try:
                status = os.fstat(file.fileno())
            except BaseException:
                file.close()
                raise
        if stamp_of(status) != listing.stamp:  # its rights may be another file's
            file.close()
            raise ChangingDocument("the file changed while it was read; it is taken at the next run")
        return OpenFile(
            file=file,
            acl=listing.acl,
            stamp=listing.stamp,
            size_bytes=status.st_size,
            modified_at=moment_of(status),
        )

    def wants(self, name: str) -> bool:
        """Whether a file of this name, in the folder itself, is read."""
        return not no_document(name) and self._wanted(name)

    def watch(self, changed: Callable[[str], None], *, poll_s: float) -> Watching:
        """Hints from the operating system; by looking every `poll_s` where it gives none."""
        from connectors.folder_watch import watch_folder

        watching = watch_folder(self.root, changed, poll_s=poll_s)
        if not self.ruling.from_filesystem:
            return watching
        return WatchingAbove(watching, self.rights, changed, look_s=LOOK_S)

    def _one(self, entry: str, rights: FolderRights) -> Iterator[Listing | Shut]:
        folder, slash, _ = entry.rpartition("/")
        path = unreadable(entry)
        name = os.fsdecode(path.rsplit(b"/", 1)[-1])
        if no_document(name) or not self._inside(folder + slash) or not self._wanted(os.fsdecode(path)):
            return
        try:
            here = self._open_folder(path.split(b"/")[:-1])
            try:
                status = os.stat(path.rsplit(b"/", 1)[-1], dir_fd=here, follow_symlinks=False)
                acl = rights.of(folder + slash, name, status, here)
            finally:
                os.close(here)
        except PermissionError as error:
            yield self._no_permission(folder + slash, error)
            return
        except OSError as error:
            if error.errno not in _GONE:
                raise listing_error(os.path.join(self.root, entry), error) from error
            return
        if stat.S_ISREG(status.st_mode):
            own = DocumentId(f"{self.name}:{entry}")
            yield Listing(own, stamp_of(status), acl, self.confidentiality, status.st_size)

    def _below(self, folder: str, rights: FolderRights) -> Iterator[Listing | Shut]:
        """Everything in and below a folder, "" or ending in ``/``, in order of id: files and folders sort together, a
        folder as its name with the ``/``."""
        waiting = [iter(self._looked(folder, rights, top=True))]
        while waiting:
            for entry in waiting[-1]:
                if isinstance(entry, str):
                    waiting.append(iter(self._looked(entry, rights)))
                    break
                yield entry
            else:
                waiting.pop()

    def _looked(self, folder: str, rights: FolderRights, *, top: bool = False) -> Sequence[Listing | Shut | str]:
        """What one folder holds, in order: its files, and the paths of the folders in it."""
        try:
            return self._look(folder, rights)
        except PermissionError as error:
            return [self._no_permission(folder, error)]
        except OSError as error:
            if not folder or error.errno not in _GONE:
                raise listing_error(os.path.join(self.root, folder), error) from error
            # it was there a moment ago; but the one that was asked for may simply be gone
            return [] if top and self._is_gone(folder) else [Shut(f"{self.name}:{folder}", "")]

    def _look(self, folder: str, rights: FolderRights) -> list[Listing | Shut | str]:
        below = unreadable(folder)
        above, prefix, secret = os.fsdecode(below), f"{self.name}:{folder}", self.confidentiality
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
                                acl = rights.of(folder, name, status, here)
                                found[shown] = Listing(own, stamp_of(status), acl, secret, status.st_size)
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
            raise listing_error(str(self.root), error) from error
        return Shut(f"{self.name}:{folder}", f"no permission to look into the folder {folder[:-1]}")

    def _wanted(self, path: str) -> bool:
        return (not self.include or matcher(self.include)(path)) and not (self.exclude and matcher(self.exclude)(path))

    def _shut(self, folder: str) -> bool:
        return bool(self.exclude) and matcher(whole_folders(self.exclude))(folder)

    def _open(self, listing: Listing) -> BinaryIO:
        return open_file(
            self.root, self._relative(listing), size_bytes=listing.size_bytes, most_bytes=self.max_body_bytes
        )

    def _open_folder(self, folders: Sequence[bytes]) -> int:
        return open_folder(self.root, folders)

    def _acl_now(self, listing: Listing) -> Acl:
        rights = self.rights()
        if not rights.asks:
            return listing.acl
        found = next(self._one(listing.id.split(":", 1)[1], rights), None)
        return found.acl if isinstance(found, Listing) else NOBODY

    def _relative(self, listing: Listing) -> bytes:
        return unreadable(listing.id.split(":", 1)[1])
