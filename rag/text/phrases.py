"""Exact phrases: what stands in quotation marks in a question, and whether a text holds it.

Text and phrase are compared folded: NFKC, case, white space, dashes and invisible characters make no difference, ß is
ss and ä is ae. A phrase begins and ends where a word does: "Urlaub" is not held by "Urlaubsantrag".
"""

from __future__ import annotations

import re
import unicodedata

_QUOTED = re.compile(
    r"""(?<!\w)(?:"([^"]*)"|„([^„“”"]*)[“”"]|“([^“”]*)”|»([^«»]*)«|«([^«»]*)»)""",
)
_ARTICLE = re.compile(r"^(?:der|die|das|den|dem|des|the)\s+(?=\w)", re.IGNORECASE)
_LETTERS: dict[str, str | None] = {"ä": "ae", "ö": "oe", "ü": "ue"}
_FOLDED = str.maketrans(
    _LETTERS
    | dict.fromkeys("‐‑‒–—―−", "-")
    | dict.fromkeys("’‘ʼ", "'")
    | dict.fromkeys("\xad\u200b\u200c\u200d\u2060\ufeff")
)


def phrases_of(question: str) -> tuple[str, ...]:
    """What stands in quotation marks, German, English, French or typewriter's; a mark without its other half is text,
    and so is what holds neither letter nor digit. Within a sentence the article before a phrase is left out: it
    bends with the sentence ("die Methodisten", "den Methodisten")."""
    found = ["".join(parts).strip() for parts in _QUOTED.findall(question)]
    if asks_besides(question):
        found = [_ARTICLE.sub("", phrase) for phrase in found]
    return tuple(dict.fromkeys(phrase for phrase in found if any(letter.isalnum() for letter in fold(phrase))))


def asks_besides(question: str) -> bool:
    """Whether more is asked than what stands in quotation marks."""
    return any(letter.isalnum() for letter in _QUOTED.sub("", question))


def fold(text: str) -> str:
    """The form in which texts and phrases are compared."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFD", unicodedata.normalize("NFC", plain).translate(_FOLDED))
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(plain.split())


def holds(text: str, phrase: str) -> bool:
    """Whether the text holds the phrase, word for word."""
    wanted, whole = fold(phrase), fold(text)
    start = whole.find(wanted)
    while start >= 0:
        if _ends(whole, start, wanted[:1]) and _ends(whole, start + len(wanted), wanted[-1:]):
            return True
        start = whole.find(wanted, start + 1)
    return False


def _ends(text: str, place: int, letter: str) -> bool:
    """Whether no word goes on across this place of the text, on whose inner side the letter stands."""
    across = text[place - 1 : place + 1] if place else ""
    return not letter.isalnum() or len(across) < 2 or not all(other.isalnum() for other in across)
