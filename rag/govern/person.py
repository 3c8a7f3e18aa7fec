"""A person's name as documents write it: in any case and inflection, with ä or ae, composed or decomposed letters, over
line breaks and hyphens, "Nachname, Vorname", and as files and addresses join it.

A name of several words is found with all of them, in either order; a first name that is only an initial, or a surname
alone, is another name, to be given as an alias.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rag.ask.ordinary import CALENDAR, LITTLE
from rag.documents import Span
from rag.errors import SettingsError

_SPELLED = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "œ": "oe", "å": "a", "ł": "l", "đ": "d"}
_DASHES = dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("’‘ʼ", "'")
_UNSEEN = dict.fromkeys("\xad\u200b\u200c\u200d\u2060\ufeff")
_LETTERS = str.maketrans({**_SPELLED, **_DASHES, **_UNSEEN})
_SQUEEZED = str.maketrans(dict.fromkeys(" \t\n\r\x0b\x0c\xa0-_.,"))
_LETTER = r"[^\W_]"
_BREAK = r"(?:- ?)?"  # a hyphen within a word, at the end of a line
_BETWEEN = r"(?:[ .,_;/-]{0,3}|, )(?:[^\W\d_]\. )?"
_INFLECTED = r"(?:'?s|n|en|'|sche[nmrs]?)?"
_LEAST = 3
_MOST_BYTES = 254  # of a name that can be sealed


@dataclass(frozen=True)
class Person:
    """A name and its aliases, each in the words of it.

    Raises:
        SettingsError: a name has fewer than three letters: everything would be found.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if sum(letter.isalpha() for letter in name) < _LEAST:
                raise SettingsError(f"A name needs at least {_LEAST} letters.")

    def places(self, text: str) -> list[Span]:
        """Where the text names the person, in order, as spans of it; no two overlap."""
        if not self._may_name(text):
            return []
        folded, origin = _folded(text)
        return [
            Span(start=origin[match.start()], end=origin[match.end() - 1] + 1)
            for match in self._pattern.finditer(folded)
        ]

    def _may_name(self, text: str) -> bool:
        """A quick look: whether the longest word of a name stands there at all, breaks and hyphens aside."""
        squeezed = _plain(text).translate(_SQUEEZED)
        return any(word in squeezed for word in self._longest)

    @cached_property
    def _longest(self) -> tuple[str, ...]:
        found: list[str] = []
        for name in self.names:
            word = max(_words(name), key=len)
            found += [_plain(word).translate(_SQUEEZED), _bare(word).translate(_SQUEEZED)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = [form for name in self.names for form in _orders(_words(name))]
        return re.compile(f"(?<!{_LETTER})(?:{'|'.join(forms)}){_INFLECTED}(?!{_LETTER})")


def surname_of(name: str) -> str | None:
    """The last word of a name of several; None of one word."""
    words = _words(name)
    return words[-1] if len(words) > 1 else None


def person_of(name: str, aliases: Iterable[str] = ()) -> Person:
    """The person of this name, as somebody typed it.

    Raises:
        SettingsError: a name has fewer than three letters, only words that every text is full of, or is no name at all.
    """
    names = tuple(dict.fromkeys(" ".join(one.split()) for one in (name, *aliases)))
    for one in names:
        if len(one.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
            raise SettingsError(f"A name has at most {_MOST_BYTES} bytes.")
        if all("".join(filter(str.isalnum, _plain(word))) in _LITTLE for word in _words(one)):
            raise SettingsError(f'"{one}" stands in every text. Give the name by which the person is known.')
    return Person(names)


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", name) if any(letter.isalnum() for letter in word)]


def _orders(words: Sequence[str]) -> list[str]:
    """The words of a name as it is said and with each ending of it first: "Leyen, Ursula von der"."""
    rotated = [[*words[start:], *words[:start]] for start in range(len(words))]
    return [_BETWEEN.join(_word(word) for word in order) for order in rotated]


def _word(word: str) -> str:
    """A word's pattern: a hyphen of its own may be left out, one of a line break may come in, ae may be a."""
    letters: list[str] = []
    for letter in unicodedata.normalize("NFC", word).casefold():
        plain = _plain(letter)
        if plain == "-":
            letters.append("-? ?")
        elif letter in _SPELLED and len(plain) == 2:
            letters.append(f"{re.escape(plain[0])}{plain[1]}?")
        else:
            letters.append(_BREAK.join(map(re.escape, plain)))
    return _BREAK.join(part for part in letters if part)


def _plain(text: str) -> str:
    """Folded, without anything that tells where a letter came from: quick, for looking whether it pays to be exact."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    if composed.isascii():
        return composed
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFC", composed).translate(_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _bare(word: str) -> str:
    """With ä as a."""
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", word).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


_LITTLE = frozenset(map(_plain, LITTLE - CALENDAR))


def _folded(text: str) -> tuple[str, list[int]]:
    """The text folded, and for each of its letters the place in the text it came from."""
    out: list[str] = []
    origin: list[int] = []
    place = 0
    while place < len(text):
        end = place + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        plain = " " if text[place].isspace() else _plain(text[place:end])
        if plain == " " and out and out[-1] == " ":
            plain = ""
        for letter in plain:
            out.append(letter)
            origin.append(end - 1 if letter != plain[0] else place)
        place = end
    return "".join(out), origin
