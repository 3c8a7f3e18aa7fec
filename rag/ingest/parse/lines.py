"""Lines on a page back to running text: hyphenated words put together, line breaks taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_HYPHENS: Final = "-\u00ad\u2010\ufffe\x02"
_LAST_WORD: Final = re.compile(r"[\w\-\u2010.&/]*$")
_CONJUNCTIONS: Final = frozenset(["und", "oder", "bzw", "beziehungsweise", "sowie", "bis", "noch", "and", "or", "to"])


def join(lines: Sequence[str], *, bullet: re.Pattern[str] | None = None) -> str:
    """One run of text; a line that `bullet` matches keeps its own line."""
    text = ""
    for line in lines:
        if not text:
            text = line
        elif bullet is not None and bullet.match(line):
            text += "\n" + line
        else:
            text = join_two(text, line)
    return text


def join_two(text: str, line: str) -> str:
    """`text` continued by the next `line`.

    "Urlaubs-" + "übertragung" becomes one word. The hyphen stays where it belongs to the word: before a capital
    ("E-Mail-" + "Adresse"), a digit, or a conjunction ("Ein-" + "und Ausgang", where the space stays too).
    """
    if not text or not line or text[-1] not in _HYPHENS:
        return f"{text} {line}" if text and line else text or line
    stem, word = text[:-1], _LAST_WORD.search(text[:-1])
    if not stem or not stem[-1].isalnum():
        return f"{text} {line}"
    following = re.match(r"\w+", line)
    if following is None or following.group().lower() in _CONJUNCTIONS:
        return f"{stem}- {line}"
    if line[0].islower() and not stem[-1].isdigit() and not (word and _keeps_hyphen(word.group())):
        return stem + line
    return f"{stem}-{line}"


def _keeps_hyphen(word: str) -> bool:
    """Whether a word before a line-end hyphen is one that is written with a hyphen anyway: an abbreviation."""
    last = re.split(r"[-\u2010]", word)[-1]
    return len(last) > 1 and last.isupper()
