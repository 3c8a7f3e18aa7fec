"""Which lines are headings where nothing but their wording says so: "§ 3 Dauer des Urlaubs", "2.1 Geltungsbereich"."""

from __future__ import annotations

import re
from typing import Final

_NUMBERED: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+(?=[A-ZÄÖÜ„\"])")
_PARAGRAPH: Final = re.compile(r"§§?\s?\d{1,4}[a-z]?\b")
_NAMED: Final = re.compile(
    r"(?:Teil|Kapitel|Abschnitt|Artikel|Art\.|Anlage|Anhang|Titel|Part|Chapter|Section|Article|Annex|Appendix)"
    r"\s+(?:\d{1,3}|[IVXLC]{1,6}|[A-Z])\b"
)
_LETTERED: Final = re.compile(r"(?:[IVX]{1,5}|[A-H])\.\s+[A-ZÄÖÜ]")
MAX_CHARS: Final = 110


def numbered_level(line: str) -> int | None:
    """The level a heading's numbering gives it, counted from 1, or None if the line does not read as a heading.

    "2.1.3 Fristen" is level 3, "§ 3 Dauer" level 2 (beneath a part or chapter), "Kapitel 4" level 1.
    """
    if not line or len(line) > MAX_CHARS or line[-1] in ".;,:" or "\n" in line:
        return None
    if _PARAGRAPH.match(line):
        return 2 if len(line) < 90 and not re.search(r"\bgilt\b|\bist\b|\bsind\b", line) else None
    if _NAMED.match(line) or _LETTERED.match(line):
        return 1
    if (found := _NUMBERED.match(line)) is not None and len(line.split()) <= 14:
        return found.group(1).count(".") + 1
    return None
