"""A file opened to be handed out: one descriptor, from the check of its rights to its last byte."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from rag.access import Acl


def stamp_of(status: os.stat_result) -> str:
    """What changes cheaply when the content may have changed."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def moment_of(status: os.stat_result) -> datetime:
    """When the content was last written, in UTC; 1970 where that is no date we can name."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # some file systems hold years beyond 9999
        return datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file as it was when it was opened; `acl`: who may read it then, `stamp` as in a listing. Whoever opened it
    closes it."""

    file: BinaryIO
    acl: Acl
    stamp: str
    size_bytes: int
    modified_at: datetime

    @property
    def unchanged(self) -> bool:
        """Whether nobody has written to it since. One that was replaced stays what it was."""
        return stamp_of(os.fstat(self.file.fileno())) == self.stamp

    def close(self) -> None:
        """Let go of it."""
        self.file.close()
