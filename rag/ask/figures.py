"""The figures of a text, each written one way, so that a changed one is seen: numbers, times and dates. Pure.

``1.200,50`` and ``1,200.50`` agree, ``vier``, ``four`` and ``4``, ``14.30 Uhr`` and ``14:30``, ``24. Dezember 2024``
and ``24.12.2024``. What cannot be told apart (is ``1.200`` a thousand or a decimal?) is read as thousands.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?:(?<![^\s(\"„])[-−–](?=\d))?\d+(?:[.,:/]\d+)*")
_GROUPING = re.compile(r"(?<=\d)['’\u202f](?=\d{3}(?!\d))")
_SPACED = re.compile(r"(?<![\d.,:/§-])(?<!\d[ \xa0])(?<!§ )[1-9]\d{0,2}(?:[ \xa0]\d{3})+(?![\d.:/-]|,\d{3}|[ \xa0]\d)")
_SHORT_DATE = re.compile(r"(?<![\d.])(\d{1,2})\.(0?[1-9]|1[0-2])\.(\d{2})(?![\d:]|[.,]\d)")
_CLOCK = re.compile(r"\b(\d{1,2})\.(\d{2})(?=\s?Uhr\b)")
_FULL_HOUR = re.compile(r"(\d{1,2}):00")
_DATE = re.compile(r"(?<![\d.])(\d{1,2})\.[ \xa0]?(\d{1,2})\.[ \xa0]?(\d{4})(?!\d)")
_ISO_DATE = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_DAY = re.compile(r"(?<![\d.])(0?[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])\.(?!\d)")
_MAY = re.compile(r"\bMay(?=\s\d)|(?<=\d\s)May\b|(?<=(?:st|nd|rd|th)\s)May\b")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")

# The place in the list is the number; German first, then English.
_UNITS = (
    "null zero||zwei two|drei three|vier four|fünf five|sechs six|sieben seven|acht eight|neun nine|zehn ten|"
    "elf eleven|zwölf twelve|dreizehn thirteen|vierzehn fourteen|fünfzehn fifteen|sechzehn sixteen|"
    "siebzehn seventeen|achtzehn eighteen|neunzehn nineteen"
).split("|")
_TENS = (
    "zwanzig twenty|dreißig thirty|vierzig forty|fünfzig fifty|sechzig sixty|siebzig seventy|achtzig eighty|"
    "neunzig ninety"
).split("|")
_ORDINALS = (
    "zweite second|dritte third drittel|vierte fourth|fünfte fifth|sechste sixth|siebte siebente seventh|eighth|"
    "neunte ninth|zehnte tenth|elfte eleventh|zwölfte twelfth"
).split("|")
_MONTHS = (
    "januar jänner january|februar february|märz march|april|mai|juni june|juli july|august|september|"
    "oktober october|november|dezember december"
).split("|")
_DAYS = (
    "montag monday|dienstag tuesday|mittwoch wednesday|donnerstag thursday|freitag friday|"
    "samstag sonnabend saturday|sonntag sunday"
).split("|")


def figures_of(text: str) -> frozenset[str]:
    """The figures of a text; a month is written ``month 12``, a weekday ``day 1`` (Monday). ``ein`` and ``one`` are
    articles as often as numbers and count as none."""
    return frozenset(figures_in(text))


def figures_in(text: str) -> list[str]:
    """The same, each as often as it stands there."""
    plain = ungrouped(text)
    plain = _SHORT_DATE.sub(r"\1.\2.20\3", plain)
    plain = _CLOCK.sub(r"\1:\2", plain)
    found: list[str] = []
    for pattern, order in ((_DATE, (1, 2, 3)), (_ISO_DATE, (3, 2, 1)), (_DAY, (1, 2))):
        for match in pattern.finditer(plain):
            day, month, *year = (match[place] for place in order)
            found += [_number(day), f"month {int(month)}", *year]
        plain = pattern.sub(" ", plain)
    found += [_number(match) for match in _NUMBER.findall(plain)]
    found += [_WORDS[word] for word in _words(plain) if word in _WORDS]
    if _MAY.search(plain):
        found.append("month 5")
    return found


def ungrouped(text: str) -> str:
    """The text with thousands that an apostrophe or a space groups written together: ``10 000`` as ``10000``."""
    return _SPACED.sub(lambda match: re.sub(r"\s", "", match[0]), _GROUPING.sub("", text))


def _words(text: str) -> list[str]:
    """Whole words, and what a hyphen joins once more by its parts unless the whole is a number."""
    words = []
    for word in _WORD.findall(text.lower()):
        words += [word] if word in _WORDS or "-" not in word else [word, *word.split("-")]
    return words


def _number(figure: str) -> str:
    """Separators gone where they group thousands, a point where they part decimals, the sign an ASCII minus."""
    if figure[0] in "-−–":
        return f"-{_number(figure[1:])}"
    if hour := _FULL_HOUR.fullmatch(figure):
        return _whole(hour[1])
    pieces, separators = re.split(r"[.,]", figure), re.findall(r"[.,]", figure)
    if not separators:
        return _whole(figure)
    grouped = all(len(piece) == 3 for piece in pieces[1:]) and len(pieces[0]) <= 3 and not pieces[0].startswith("0")
    if len(set(separators)) > 1:
        return _decimal("".join(pieces[:-1]), pieces[-1])
    if grouped:
        return _whole("".join(pieces))
    if len(pieces) == 2:
        return _decimal(*pieces)
    return ".".join(_whole(piece) for piece in pieces)


def _whole(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _decimal(whole: str, fraction: str) -> str:
    return f"{_whole(whole)}.{fraction.rstrip('0')}".rstrip(".")


def _number_words() -> dict[str, str]:
    words = {word: str(value) for value, names in enumerate(_UNITS) for word in names.split()}
    for ten, names in enumerate(_TENS, 2):
        german, english = names.split()
        words |= {german: str(ten * 10), english: str(ten * 10)}
        for unit in range(1, 10):
            one_german, one_english = _UNITS[unit].split() or ("ein", "one")
            words[f"{one_german}und{german}"] = words[f"{english}-{one_english}"] = str(ten * 10 + unit)
    words |= {"hundert": "100", "hundred": "100", "tausend": "1000", "thousand": "1000"}
    for value, names in enumerate(_ORDINALS, 2):
        for word in names.split():
            words |= {word + ending: str(value) for ending in (("", "n", "r", "s", "m") if word[-1] == "e" else ("",))}
    words |= {word: f"month {value}" for value, names in enumerate(_MONTHS, 1) for word in names.split()}
    for value, names in enumerate(_DAYS, 1):
        words |= {word + ending: f"day {value}" for word in names.split() for ending in ("", "s")}
    return words


_WORDS = _number_words()
