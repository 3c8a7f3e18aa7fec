"""Take packages out of a lock file: ``python drop_from_lock.py LOCK PATTERN…``, a pattern matches the whole name."""

import re
import sys
from pathlib import Path


def without(lock: str, patterns: list[str]) -> str:
    """The lock without the entries whose name matches; an entry is a line and the lines indented below it."""
    entries = re.split(r"(?m)^(?=\S)", lock)
    named = re.compile(rf"(?:{'|'.join(patterns)})(?:==|\s)")
    return "".join(entry for entry in entries if not named.match(entry))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(without(path.read_text(encoding="utf-8"), sys.argv[2:]), encoding="utf-8")
