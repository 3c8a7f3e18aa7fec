"""Ways in which a share drops, or is only half there, while it is compared or read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from connectors.mounts import Mount
from rag.documents import DocumentRef, Listing, RawDocument, Shut
from rag.errors import SourceUnavailable
from tests.faults.faulty import Fault, file_system, os_error
from tests.ingest.room import Counted, folder

SUB = "unter"
MOUNTED = "eingehaengt"


class Share(Counted):
    """A folder that something may happen to at a named moment."""

    def __init__(self, root: Path) -> None:
        super().__init__(folder(root))
        self.before_listing: Callable[[], None] = lambda: None
        self.after_listing: Callable[[], None] = lambda: None
        self.before_reading: Callable[[], None] = lambda: None
        self.listed_at_most: int | None = None
        self.keeps = 1.0

    def listings(self, ranges: Sequence[str] = ("",)) -> Iterator[Listing | Shut]:
        self.before_listing()
        found = list(super().listings(ranges))
        for number, entry in enumerate(found[: max(1, int(len(found) * self.keeps))]):
            if number == self.listed_at_most:
                raise SourceUnavailable("The folder cannot be listed: Stale file handle.")
            yield entry
        self.after_listing()

    def version(self, listing: Listing) -> str:
        self.before_reading()
        return super().version(listing)

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        self.before_reading()
        return super().fetch(listing, ref)


def away(root: Path) -> Path:
    """Where the root is while it is away."""
    return root.with_name(f"{root.name}-away")


def leave(root: Path) -> None:
    """The root is no longer there."""
    if not away(root).exists():
        root.rename(away(root))


def unmount(root: Path) -> None:
    """In the root's place there is the empty folder it was mounted on."""
    if not away(root).exists():
        leave(root)
        root.mkdir()


def back(root: Path) -> None:
    """As it was."""
    if away(root).exists():
        shutil.rmtree(root, ignore_errors=True)
        away(root).rename(root)


@contextmanager
def missing(share: Share) -> Iterator[None]:
    leave(share.folder.root)
    yield


@contextmanager
def empty_folder_in_its_place(share: Share) -> Iterator[None]:
    unmount(share.folder.root)
    yield


@contextmanager
def another_folder_with_some_of_its_files(share: Share) -> Iterator[None]:
    root = share.folder.root
    unmount(root)
    for number, path in enumerate(sorted(away(root).glob("*.txt"))):
        if number % 3 == 0:
            shutil.copy(path, root / path.name)
        if number % 3 == 1:
            shutil.copy(path, root / f"anders-{path.name}")
    (root / "fremd.txt").write_text("eine fremde Datei")
    yield


@contextmanager
def gone_before_it_is_listed(share: Share) -> Iterator[None]:
    share.before_listing = lambda: leave(share.folder.root)
    yield


@contextmanager
def unmounted_before_it_is_listed(share: Share) -> Iterator[None]:
    share.before_listing = lambda: unmount(share.folder.root)
    yield


@contextmanager
def unmounted_after_it_is_listed(share: Share) -> Iterator[None]:
    share.after_listing = lambda: unmount(share.folder.root)
    yield


@contextmanager
def gone_when_files_are_read(share: Share) -> Iterator[None]:
    share.before_reading = lambda: leave(share.folder.root)
    yield


@contextmanager
def unmounted_when_files_are_read(share: Share) -> Iterator[None]:
    share.before_reading = lambda: unmount(share.folder.root)
    yield


@contextmanager
def silently_listed_by_half(share: Share) -> Iterator[None]:
    share.keeps = 0.5
    yield


@contextmanager
def a_listing_that_raises_in_the_middle(share: Share) -> Iterator[None]:
    share.listed_at_most = 1
    yield


@contextmanager
def a_root_that_may_not_be_listed(share: Share) -> Iterator[None]:
    with file_system(Fault(1, os_error(errno.EACCES), only="scandir")):
        yield


@contextmanager
def a_folder_that_may_not_be_listed(share: Share) -> Iterator[None]:
    with file_system(Fault(2, os_error(errno.EACCES), only="scandir")):
        yield


def a_step_that_fails(number: int, nth: int) -> Callable[[Share], AbstractContextManager[None]]:
    """The listing of a folder breaks off after some entries."""

    @contextmanager
    def drop(share: Share) -> Iterator[None]:
        with file_system(Fault(nth, os_error(number), only="scandir step")):
            yield

    drop.__name__ = f"{errno.errorcode[number]} after {nth - 1} entries"
    return drop


@contextmanager
def a_mount_below_that_drops(share: Share) -> Iterator[None]:
    place = share.folder.root / MOUNTED
    place.rename(away(place))
    place.mkdir()
    share_mounts(patch := pytest.MonkeyPatch(), [])
    yield
    patch.undo()
    back(place)


def share_mounts(patch: pytest.MonkeyPatch, points: Sequence[Path]) -> None:
    """What the kernel would list as mounted."""
    mounts = tuple(Mount(number, 1, os.fsencode(point), "ext4") for number, point in enumerate(points, 2))
    patch.setattr("connectors.roots.mounts_below", lambda root: mounts)


DROPS: list[Callable[[Share], AbstractContextManager[None]]] = [
    missing,
    empty_folder_in_its_place,
    another_folder_with_some_of_its_files,
    gone_before_it_is_listed,
    unmounted_before_it_is_listed,
    unmounted_after_it_is_listed,
    gone_when_files_are_read,
    unmounted_when_files_are_read,
    silently_listed_by_half,
    a_listing_that_raises_in_the_middle,
    a_root_that_may_not_be_listed,
    a_folder_that_may_not_be_listed,
    a_step_that_fails(errno.EIO, 1),
    a_step_that_fails(errno.ESTALE, 2),
    a_step_that_fails(errno.ENOENT, 2),
    a_mount_below_that_drops,
]
