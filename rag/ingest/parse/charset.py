"""Bytes to text for formats that do not say their encoding.

Guessers by statistics confuse cp1252, cp850 and Mac Roman on German text, where a handful of umlauts decides. So the
sure signs come first (byte order marks, NULs in step, valid UTF-8), then the few encodings German offices have used are
weighed by where their letters fall, and only then charset-normalizer is asked.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN: Final = ("cp1252", "latin-1", "cp850", "mac_roman")
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_LETTERS: Final = frozenset("éèêëàâáäåæçíìîïñóòôõøúùûÉÈÀÂÁÇÍÑÓØÅÆŒœ")
_MARKS: Final = frozenset("§€„“”‚‘’–—…»«›‹°²³½¼·•©®™¨´×µ\u00a0")
_SAMPLE: Final = 4000


def decode(body: bytes, *, declared: str | None = None) -> str:
    """The text in `body`, without its byte order mark. `declared` is the file's own claim, believed if it fits."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if (wide := _wide(body)) is not None:
        return body.decode(wide, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_narrow(body, declared)


def _decode_narrow(body: bytes, declared: str | None) -> str:
    if declared and (text := _try(body, declared)) is not None and "\x00" not in text:
        return text
    if _nearly_utf8(body):
        return body.decode("utf-8", "replace")
    scored = [(_score(text), -i, text) for i, name in enumerate(_WESTERN) if (text := _try(body, name)) is not None]
    best, _, text = max(scored)
    if best > 0.3:
        return text
    from charset_normalizer import from_bytes

    guess = from_bytes(body[:200_000]).best()
    if guess is not None and (guessed := _try(body, guess.encoding)) is not None:
        return guessed
    return text if best > 0 else body.decode("cp1252", "replace")


def _try(body: bytes, encoding: str) -> str | None:
    try:
        name = codecs.lookup(encoding).name
        return body.decode("cp1252" if name == "iso8859-1" and re.search(rb"[\x80-\x9f]", body) else name)
    except (LookupError, UnicodeDecodeError, ValueError):
        return None


def _nearly_utf8(body: bytes) -> bool:
    """UTF-8 with a few broken places (cut off in the middle of a letter), not something else."""
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken * 20 < sum(ord(char) > 127 for char in text[:1_000_000])


def _wide(body: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, told by NULs at every second place, or three of four."""
    sample = body[: 4096 - 4096 % 4]
    if len(sample) < 4 or 0 not in sample:
        return None
    share = [sample[i::4].count(0) / max(1, len(sample[i::4])) for i in range(4)]
    if share[0] < 0.2 and min(share[1:]) > 0.7:
        return "utf-32-le"
    if share[3] < 0.2 and min(share[:3]) > 0.7:
        return "utf-32-be"
    if max(share[0], share[2]) < 0.2 and min(share[1], share[3]) > 0.5:
        return "utf-16-le"
    if max(share[1], share[3]) < 0.2 and min(share[0], share[2]) > 0.5:
        return "utf-16-be"
    return None


def _score(text: str) -> float:
    """How well the letters beyond ASCII sit in words, -1 to 1: ä within one, Ä at its start, § and „ outside."""
    total, count = 0.0, 0
    for index, char in enumerate(text):
        if char < "\x80":
            continue
        before = text[index - 1 : index]
        after = text[index + 1 : index + 2]
        total += _weigh(char, before.isalpha(), after.isalpha(), before)
        count += 1
        if count >= _SAMPLE:
            break
    return total / count if count else 0.0


def _weigh(char: str, follows_letter: bool, precedes_letter: bool, before: str) -> float:
    if char in "äöü":
        return 1.0 if follows_letter or precedes_letter else -0.5
    if char == "ß":
        return 1.0 if follows_letter else -1.0
    if char in "ÄÖÜ":
        return 1.0 if precedes_letter and not (follows_letter and before.islower()) else -0.5
    if char in _MARKS:
        return 0.4 if not (follows_letter and precedes_letter) or char in "’–" else -1.0
    if char in _LETTERS:
        return 0.5 if follows_letter or precedes_letter else -0.5
    return -1.0
