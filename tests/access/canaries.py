"""Canaries: words that stand in one document only, in one place of it, and can be told from each other in whatever form
they come out again.

A canary is ``zqü`` and six letters. It is planted composed or decomposed, in capitals, as base64, split over lines; in
names of versions, which hold figures only, as ``v9`` and six figures. All of them share their beginning, so that a
stand-in embedder takes each for the others: a question for one finds all.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_LETTERS = "abcdefghij"
_FOLDED = re.compile("zqu([a-j]{6})")
_VERSION = re.compile(r"v9(\d{6})(?!\d)")
_NOT_READ = re.compile("[\\W_\u0300-\u036f]+")
_BASE64 = re.compile("[A-Za-z0-9+/_-]{12,}={0,2}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def canary(number: int) -> str:
    """The word of a number below a million."""
    return "zqü" + "".join(_LETTERS[int(figure)] for figure in f"{number:06d}")


def version(number: int) -> str:
    """The same as the version in a file's name; a larger number is newer."""
    return f"v9{number:06d}"


def forms(number: int) -> dict[str, str]:
    """Every way in which it is planted in a text."""
    word = canary(number)
    return {
        "composed": word,
        "decomposed": unicodedata.normalize("NFD", word),
        "capitals": word.upper(),
        "base64": base64.b64encode(word.encode()).decode(),
        "split": f"{word[:5]}-\n{word[5:]}",
        "spaced": " ".join(word),
    }


def canaries_in(text: str) -> set[int]:
    """The numbers of all canaries in a text, whatever form they are in; escapes of JSON and of addresses are undone."""
    found: set[int] = set()
    for plain in _unescaped(text):
        found |= _in_plain(plain)
        for run in _BASE64.findall(plain):
            for start in range(4):
                found |= _in_plain(_decoded(run[start:]))
    return found


def _in_plain(text: str) -> set[int]:
    folded = _NOT_READ.sub("", unicodedata.normalize("NFKD", text)).casefold()
    numbers = {int("".join(str(_LETTERS.index(letter)) for letter in word)) for word in _FOLDED.findall(folded)}
    return numbers | {int(figures) for figures in _VERSION.findall(text)}


def _unescaped(text: str) -> Iterator[str]:
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\u" in text else text
    plain = plain.replace("\\n", " ").replace("\\t", " ").replace("\\/", "/")
    yield plain
    if "%" in plain:
        yield unquote(plain)


def _decoded(run: str) -> str:
    whole = run.rstrip("=")
    whole = whole[: len(whole) - (len(whole) % 4 == 1)]
    try:
        raw = base64.b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_" if set("-_") & set(whole) else None)
    except ValueError:
        return ""
    return raw.decode("utf-8", "ignore")
