"""What a parser's child answers, while it comes in: signs of life, then one message, and nothing after it."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from rag.ingest.parse.wire import PREFIX, Garbled, frame

_PROGRESS: Final = b"".join(frame({"progress": True}))

Answer: TypeAlias = tuple[dict[str, Any], bytes]  # header and raw bytes


class Reply:
    """A message while it comes in: at most so many bytes of header, and of what follows it."""

    def __init__(self, *, header_bytes: int, body_bytes: int) -> None:
        self._header_bytes, self._body_bytes = header_bytes, body_bytes
        self._data = bytearray()
        self._sizes: tuple[int, int] | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; refuse a message that announces more than any honest one."""
        self._data += data
        self._measure()

    def progressed(self) -> bool:
        """Whether the next message is a sign of life; it is taken off."""
        if not self._data.startswith(_PROGRESS):
            return False
        del self._data[: len(_PROGRESS)]
        self._sizes = None
        self._measure()
        return True

    def _measure(self) -> None:
        if self._sizes is None and len(self._data) >= PREFIX.size:
            self._sizes = PREFIX.unpack_from(self._data)
            if self._sizes[0] > self._header_bytes or self._sizes[1] > self._body_bytes:
                raise Garbled("too long an answer")

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        if self._data.startswith(_PROGRESS):
            return False
        return self._sizes is not None and len(self._data) >= PREFIX.size + sum(self._sizes)

    def message(self) -> Answer:
        """Header and raw bytes."""
        header_bytes, raw_bytes = self._sizes or (0, 0)
        if len(self._data) != PREFIX.size + header_bytes + raw_bytes:
            raise Garbled("more than one answer")
        header = json.loads(bytes(self._data[PREFIX.size : PREFIX.size + header_bytes]))
        if not isinstance(header, dict):
            raise Garbled("no header")
        return header, bytes(self._data[PREFIX.size + header_bytes :])
