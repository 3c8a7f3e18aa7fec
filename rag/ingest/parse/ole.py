"""OLE containers whose name is not that of an old Office file: nearly always a modern one that is encrypted."""

from __future__ import annotations

from rag.documents import Parsed
from rag.errors import UnreadableDocument, UnsupportedFormat

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class OleParser:
    """Says why there is no text."""

    fingerprint = "ole"

    def parse(self, body: bytes, *, media_type: str, name: str) -> Parsed:
        if _ENCRYPTED in body:
            raise UnreadableDocument("encrypted: needs a password")
        raise UnsupportedFormat("an old Office file under a name that does not say which kind (.doc, .xls, .ppt, .msg)")
