"""A file's name as it was sent, as one that can stand in a folder: on any system, and without tricks. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from connectors.names import no_document

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)", re.I)
_MAX_BYTES: Final = 200


def file_name(sent: str) -> str | None:
    """The name to keep it under; None where nothing of it is a name, or documents of such names are passed over.

    A path is cut to its last part; controls, marks of direction and what Windows forbids go; letters are composed
    (NFC); what is too long is cut before its ending.
    """
    last = re.split(r"[/\\]", sent[-4000:])[-1]
    kept = "".join(char for char in last if unicodedata.category(char) not in _UNSEEN)
    kept = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", kept)).strip().rstrip(". ")
    if not any(char.isalnum() for char in kept):
        return None
    if _DEVICES.fullmatch(kept.split(".", 1)[0].strip()):
        kept = f"_{kept}"
    kept = _shortened(kept)
    return None if no_document(kept) else kept


def _shortened(name: str) -> str:
    if len(name.encode()) <= _MAX_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, dot, ending = name, "", ""
    room = _MAX_BYTES - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + dot + ending
