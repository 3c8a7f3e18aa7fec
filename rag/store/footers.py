"""Whether the files of a closed word index are what tantivy wrote, found out without opening them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

_UNSUMMED = (".", "meta.json")


def intact(directory: Path) -> bool:
    """Whether every file of a closed index has the sum that tantivy wrote at its end; reads all of it."""
    return all(_whole(path) for path in directory.iterdir() if path.is_file() and not path.name.startswith(_UNSUMMED))


def _whole(path: Path) -> bool:
    """A file ends in ``{"version": …, "crc": …}``, the length of that and a magic number, four bytes each.
    Source: tantivy 0.26, ``src/directory/footer.rs``."""
    content = path.read_bytes()
    try:
        end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        return end >= 0 and int(json.loads(content[end:-8])["crc"]) == zlib.crc32(content[:end])
    except (ValueError, KeyError, TypeError):
        return False
