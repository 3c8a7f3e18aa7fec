"""What the operating system says of a folder and its files, as our errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import DocumentVanished, SourceDenied, SourceUnavailable, UnreadableDocument


def listing_error(folder: str, error: OSError) -> SourceUnavailable | SourceDenied:
    """A folder that cannot be listed."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceDenied(
            f"The folder {folder} may not be listed: {error.strerror}. Let the account that runs Archivar read it, or "
            f"name it under `exclude`."
        )
    return SourceUnavailable(
        f"The folder {folder} cannot be listed: {error.strerror}. Nothing was changed in its part of the index."
    )


@contextmanager
def reading() -> Iterator[None]:
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
