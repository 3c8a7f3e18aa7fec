"""What the way in asks of whatever reads bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rag.documents import Parsed


class Reader(Protocol):
    """What reads bytes: a parser, or a pool of them."""

    def recipe(self, *, ocr: bool = True) -> str:
        """Its fingerprint, with and without reading scans."""

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        """See `rag.ports.Parser`."""

    def until(self, stopped: Callable[[], bool]) -> Reader:
        """The same, which leaves what takes long with `ReadingStopped` once `stopped` says so; asked from several
        threads."""
