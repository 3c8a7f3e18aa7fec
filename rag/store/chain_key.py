"""The key that the audit log's records are hashed with: made with the first of them, and never again."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rag.errors import StoreError

_KEY_BYTES = 32


def key_in(path: Path, *, anew: bool) -> bytes:
    """The key in this file; a new one, durably, where there is none and it may be made `anew`.

    Raises:
        StoreError: it is damaged, or gone.
        OSError: it cannot be read or written.
    """
    with suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise StoreError(f"The audit log's key {path} is damaged. Restore it from a backup.")
        return key
    if not anew:
        raise StoreError(
            f"The audit log's key {path} is gone. Restore it from a backup, or move the whole directory away to keep "
            f"it, and start again."
        )
    key, fresh = secrets.token_bytes(_KEY_BYTES), path.with_name("key.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, key)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)
    return key
