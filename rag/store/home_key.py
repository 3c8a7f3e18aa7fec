"""The secret of a home, as far as erasures need it: what turns paths and contents into hashes that nobody can guess,
and signs certificates. It is the audit log's key, which every backup holds: what was hashed here is known again there.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from rag.errors import StoreError

_HASHED_BYTES = 16


class HomeKey:
    """The key of one home.

    Raises:
        StoreError: the home has no audit key.
    """

    def __init__(self, home: Path) -> None:
        path = home / "audit" / "key"
        try:
            secret = path.read_bytes()
        except OSError as error:
            raise StoreError(f"The audit log's key {path} cannot be read: {error.strerror}.") from error
        self._hashing = hmac.digest(secret, b"archivar erasure", "sha256")
        self._signing = hmac.digest(secret, b"archivar certificate", "sha256")

    @property
    def name(self) -> str:
        """Tells this home's hashes from another's; says nothing of the key."""
        return self.hashed("which home is this")

    def hashed(self, text: str) -> str:
        """A text's keyed hash, 32 hex digits: the same for the same text in this home and all made of its backups."""
        content = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, key=self._hashing, digest_size=_HASHED_BYTES).hexdigest()

    def signature(self, content: bytes) -> str:
        """HMAC-SHA256, 64 hex digits."""
        return hmac.new(self._signing, content, hashlib.sha256).hexdigest()

    def signed(self, content: bytes, signature: str) -> bool:
        """Whether this home signed the content."""
        return hmac.compare_digest(self.signature(content), signature)
