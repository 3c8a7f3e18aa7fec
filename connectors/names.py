"""Paths as text and back, and which names are wanted. Bytes-safe: every name there can be has its own text."""

from __future__ import annotations

import re
from functools import lru_cache

_NO_DOCUMENTS = frozenset({"lost+found", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"})
_STARTS = (".", "~$")
_ENDINGS = (".tmp", ".part", ".crdownload", ".swp", "~")
_HIDDEN = re.compile(r"[%\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")


def readable(path: bytes) -> str:
    """A path as text, each path another: percent-encoded is what is not UTF-8, ``%``, what breaks or turns a line, and
    the ``!`` that ends a folder's name, because ``!/`` stands between a document and its parts."""
    text = path.decode("utf-8", "surrogateescape")
    if _HIDDEN.search(text):
        text = _HIDDEN.sub(_encoded, text)
    return text.replace("!/", "%21/")


def plain(name: str) -> bool:
    """Whether a name, as `os.scandir` gives it, is its own readable form for sure."""
    return name.isascii() and name.isprintable() and "%" not in name and "!" not in name


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def unreadable(text: str) -> bytes:
    """The bytes `readable` was given."""
    pieces = text.split("%")
    encoded = pieces[0].encode("utf-8")
    for piece in pieces[1:]:
        encoded += bytes([int(piece[:2], 16)]) + piece[2:].encode("utf-8")
    return encoded


def no_document(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, an editor's temporary, a lock, a system's own."""
    return name.startswith(_STARTS) or name.endswith(_ENDINGS) or name in _NO_DOCUMENTS


@lru_cache(maxsize=256)
def whole_folders(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns that name a folder as a whole: ``private``, ``private/*`` and ``private/**`` all do."""
    return (*patterns, *(pattern.removesuffix("*").removesuffix("*").removesuffix("/") for pattern in patterns))
