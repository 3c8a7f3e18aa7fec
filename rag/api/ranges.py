"""Which part of a file a request asks for (RFC 9110, section 14), and a file's name in a header (RFC 6266)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

_ONE: Final = re.compile(r"bytes=[ \t]*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))[ \t]*")
_LIST: Final = re.compile(r"bytes=.*,", re.DOTALL)
_NEVER: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LONGEST: Final = 150


class Unsatisfiable(ValueError):
    """A range outside the file, or more than one."""


def part_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Half-open (start, end) of the one range asked for; None for the whole file: without a range, or where it is not
    understood, as the RFC wants it.

    Raises:
        Unsatisfiable: nothing of it lies in the file; or it is a list, which no client of documents needs.
    """
    if header is None:
        return None
    if _LIST.match(header[:1000]):
        raise Unsatisfiable("one range at a time")
    found = _ONE.fullmatch(header[:100])
    if found is None or len(header) > 100:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise Unsatisfiable("nothing of it")
        return max(0, size - int(suffix)), size
    start, end = int(first), (int(last) + 1 if last else size)
    if last and end <= start:
        return None
    if start >= size:
        raise Unsatisfiable("beyond the end")
    return start, min(end, size)


def disposition(name: str) -> str:
    """The `Content-Disposition` that saves a file under its name: never shown in place, and whatever the name holds."""
    clean = shown_name(name)
    plain = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w .()\[\]+=,@-]", "_", plain).strip(" .") or "document"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}"


def shown_name(name: str) -> str:
    """A name without what breaks, turns or hides it: no controls, no direction marks, no separators of paths; its
    ending stays."""
    kept = "".join(char for char in name if unicodedata.category(char) not in _NEVER and char not in '/\\:*?"<>|')
    kept = unicodedata.normalize("NFC", kept).strip(" .")
    if len(kept) > _LONGEST:
        stem, dot, ending = kept.rpartition(".")
        kept = f"{stem[: _LONGEST - len(ending) - 1]}.{ending}" if dot and len(ending) <= 10 else kept[:_LONGEST]
    return kept or "document"
