"""Where a key stands in a TOML file: the parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([^\"'=#\s]+|\"[^\"]*\"|'[^']*')\s*=")


def line_of(lines: Sequence[str], table: str, key: str, index: int = 0) -> int | None:
    """The 1-based line of a key in the index-th table of that name; where `table` is "", of a key or table at the top.

    The table's own line where the key is not written out; None where neither is found.
    """
    current, seen, own = "", -1, None
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            current = _bare(header[1])
            seen += current == table
            if current == (table or key) and seen in (index, -1):
                own = own or number
        elif (found := _KEY.match(line)) and _is_meant(_bare(found[1]), current, table, key, seen == index):
            return number
        elif found and not current and table and _bare(found[1]) == table:
            own = number
    return own


def _is_meant(name: str, current: str, table: str, key: str, this_one: bool) -> bool:
    if not current:
        return name == (f"{table}.{key}" if table else key)
    return current == table and this_one and name == key


def _bare(name: str) -> str:
    return name.strip("\"' ")
