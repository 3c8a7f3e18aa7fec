"""Files and folders below a root, opened step by step: no link is followed at any step, no device is waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from connectors.folder_errors import listing_error
from rag.errors import UnreadableDocument

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK_BYTES = 1 << 20


def open_folder(root: Path, folders: Sequence[bytes]) -> int:
    """A descriptor of a folder, reached by these names from the root, which alone may be a link.

    Raises:
        SourceUnavailable, SourceDenied: the root cannot be opened.
        OSError: a folder below it cannot.
    """
    try:
        here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise listing_error(str(root), error) from error
    for folder in folders:
        try:
            below = os.open(folder, _READ | os.O_DIRECTORY, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def open_file(root: Path, path: bytes, *, size_bytes: int, most_bytes: int) -> BinaryIO:
    """A regular file, by its path below the root; not opened at all where it was listed with more than the limit.

    Raises:
        SourceUnavailable, SourceDenied: the root cannot be opened.
        UnreadableDocument: it is no regular file, or over the limit.
        OSError: it or a folder on the way cannot be opened.
    """
    if size_bytes > most_bytes:
        raise _over_the_limit(most_bytes)
    *folders, name = path.split(b"/")
    here = open_folder(root, folders)
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


def blocks_of(file: BinaryIO, *, most_bytes: int) -> Iterator[bytes]:
    """The content piece by piece, no more than the limit however the file grows meanwhile.

    Raises:
        UnreadableDocument: it is over the limit.
    """
    left = most_bytes
    while block := file.read(_BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            raise _over_the_limit(most_bytes)
        yield block


def _over_the_limit(most_bytes: int) -> UnreadableDocument:
    return UnreadableDocument(f"over the limit of {most_bytes // 1024**2} MiB (ingest.max_body_mb)")
