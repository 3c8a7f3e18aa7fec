"""Text for Teams, in which nothing can become a link, a mention, formatting or a part of a card. Pure.

Two fields, two ways. A message's text goes through a Markdown reader and ends as HTML: there every character that means
something to either is written as a character reference, which both show as the character and neither obeys. Cards and
citations show what they are given, some of it through a Markdown reader of their own: there what could be obeyed is
replaced by what looks like it. In both, addresses are broken by a hair space on both sides of what makes one: programs
that look for them go on over a space without width, and Microsoft's own test client over one behind ``www.`` too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

GAP: Final = "\u200a"
"""A hair space: hardly seen, and a space to every program, so what stands on both sides of it is no address."""

_SCHEME = re.compile(r"(?<=\w)[:：](?=[/\\∕⁄])")
_NAMED = re.compile(
    r"\b(mailto|tel|sms|callto|sips?|skype|javascript|vbscript|data|file|blob|about|cid|intent|msteams|ms-[\w-]+)"
    r"([:：])(?=\S)",
    re.IGNORECASE,
)
_DOUBLE = re.compile(r"([/\\])(?=[/\\])")
_POINT = re.compile(r"(?<=\w)\.(?=\w)")
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{3})+(?![\w.])|(?<![\w.])\d{1,4}\.\d{1,4}(?:\.\d{2,4})?(?![\w.])")
_CARD = re.compile(r"([${])(?=\{)")
_LINES = re.compile(r"[ \t]*\n[ \t]*")
_EMPTY = re.compile(r"\n{3,}")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_LOOKS: Final = str.maketrans(
    {"<": "‹", ">": "›", "[": "(", "]": ")", "*": "∗", "`": "´", "~": "∼", "|": "¦", "\\": "∖"}
)
_EDGE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_BLOCK = re.compile(r"^(\s{0,3})([#>+=-]+|\d+[.)])(?=\s|$)", re.MULTILINE)


def plain(text: str) -> str:
    """The text without characters that cannot be seen, and with every address, mention and card expression broken."""
    seen = "".join(letter for letter in text if letter == "\n" or not _is_unseen(letter))
    return _CARD.sub(rf"\1{GAP}", _broken(seen)).replace("@", f"{GAP}@{GAP}")


def message(text: str) -> str:
    """A message's text as Teams takes it: it reads as `text` does, and is nothing else. ``[1]`` stays as it is, so that
    Teams draws a citation there; without a definition, which nothing can be, a number in brackets is no link."""
    lines = _EMPTY.sub("\n\n", _LINES.sub("\n", plain(text).strip())).replace("\n", "\n\n")
    written: list[str] = []
    at = 0
    for found in _MARKER.finditer(lines):
        written += [_references(lines[at : found.start()]), found[0]]
        at = found.end()
    return re.sub("\n{2,}", "\n\n", "".join([*written, _references(lines[at:])]))


def label(text: str, *, most: int) -> str:
    """One line for a card or a citation, cut to `most` characters; what could be obeyed there is drawn as what looks
    like it. Characters are counted in units of UTF-16, the narrowest way to count them."""
    line = _EDGE.sub(
        lambda found: "＿" * len(found[0]), _BLOCK.sub(rf"\1{GAP}\2", plain(" ".join(text.split())))
    ).translate(_LOOKS)
    line = line.replace("&", "&" + GAP)
    return _cut(line, most)


def _is_unseen(letter: str) -> bool:
    """Controls, and what has no shape: directions, joiners, tags; a letter that is none, or half of one."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or "\ufe00" <= letter <= "\ufe0f"


def _broken(text: str) -> str:
    named = _NAMED.sub(rf"\1{GAP}\2{GAP}", text)
    apart = _DOUBLE.sub(rf"\1{GAP}", _SCHEME.sub(rf"{GAP}\g<0>{GAP}", named))
    kept = {at for number in _NUMBER.finditer(apart) for at in range(number.start(), number.end())}
    return _POINT.sub(lambda point: "." if point.start() in kept else f"{GAP}.{GAP}", apart)


def _references(text: str) -> str:
    """Letters, digits and quiet punctuation as they are, all else as character references."""
    return "".join(one if one.isalnum() or one in _QUIET or ord(one) > _ASCII else f"&#{ord(one)};" for one in text)


_QUIET: Final = frozenset(" \n,;?%/\"'")
_ASCII: Final = 126


def _cut(text: str, most: int) -> str:
    if _units(text) <= most:
        return text
    while _units(text) > most - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
