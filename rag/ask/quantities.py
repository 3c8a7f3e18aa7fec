"""Figures with what they count: thirty days are not thirty hours, five euros not five per cent.

`figures_of` sees whether a figure is there at all; this room sees whether it is there as the same quantity. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rag.ask.figures import figures_of, ungrouped
from rag.text.dates import undated

_KINDS = {
    "day": "tag tage tagen tages day days",
    "workday": "arbeitstag arbeitstage arbeitstagen arbeitstages werktag werktage werktagen urlaubstag urlaubstage "
    "urlaubstagen workday workdays",
    "calendar day": "kalendertag kalendertage kalendertagen",
    "hour": "stunde stunden std hour hours h hrs",
    "week": "woche wochen week weeks",
    "month": "monat monate monaten monats month months",
    "quarter": "quartal quartale quartalen quarter quarters",
    "year": "jahr jahre jahren jahres year years",
    "minute": "minute minuten min minutes mins",
    "second": "sekunde sekunden sek second seconds s",
    "euro": "euro euros eur €",
    "dollar": "dollar dollars usd $",
    "pound": "pfund pound pounds gbp £",
    "franc": "franken chf francs sfr",
    "cent": "cent cents ct",
    "per cent": "prozent % percent vh",
    "point": "punkt punkte punkten point points",
    "person": "person personen people",
    "part": "teil teile teilen",
    "piece": "stück pieces piece",
    "time": "mal times",
    "million": "mio million millionen millions mn",
    "billion": "mrd milliarde milliarden billion billions bn",
    "thousand": "tsd tausend thousand",
    "kilometre": "km kilometer kilometern kilometre kilometres",
    "metre": "m meter metern metre metres",
    "centimetre": "cm zentimeter centimetre centimetres",
    "millimetre": "mm millimeter millimetre millimetres",
    "micrometre": "µm mikrometer um micrometre micrometres micron microns",
    "kilogram": "kg kilo kilogramm kilograms",
    "gram": "g gramm grams",
    "tonne": "t tonne tonnen tonnes",
    "litre": "l liter litern litre litres",
    "degree": "grad °c °f ° degree degrees",
    "newton metre": "nm",
    "newton centimetre": "ncm",
    "volt": "v volt",
    "watt": "w watt",
    "kilowatt": "kw kilowatt",
    "kilowatt hour": "kwh kilowattstunde kilowattstunden",
    "bar": "bar",
    "pascal": "pa pascal",
    "kilobyte": "kb",
    "megabyte": "mb megabyte",
    "gigabyte": "gb gigabyte",
    "terabyte": "tb terabyte",
    "character": "zeichen character characters",
    "cycle": "zyklus zyklen cycle cycles",
    "clock": "uhr",
}
_KIND = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_LETTERS = frozenset("lgtmshVW")  # a unit only in this case: an initial is none
_COMPOUND = re.compile(r"(?<=\w{3})(stunden|tage|tagen|wochen|monate|monaten|jahre|jahren|minuten)$")
_TWO_WORDS = re.compile(r"\b(working|business|calendar|per)[\s-](days?|cent)\b", re.IGNORECASE)
_JOINED = {"working": "workdays", "business": "workdays", "calendar": "kalendertage", "per": "percent"}
_SAME_DAY = {"workday": {"day"}, "calendar day": {"day"}, "day": {"workday", "calendar day"}}

_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:-[^\W\d_]+)*|[€$£%°µ]|[–−-]")
_SCALE_POINT = re.compile(r"(?<=\bMio)\.|(?<=\bMrd)\.|(?<=\bTsd)\.", re.IGNORECASE)
_SIGN = frozenset("€$£") | {"eur", "usd", "gbp", "chf"}
_SCALES = frozenset({"million", "billion", "thousand"})
_RANGE = frozenset("bis to und and oder or – − - auf".split())
_GLUED = re.compile(r"(?<=\d)(?=[€$£%°µ]|[^\W\d_])|(?<=[€$£])(?=\d)")
_HYPHENED = re.compile(
    r"(?<=\d)-(?=[^\W\d_])|(?<=\w)-(?=(?:days?|weeks?|months?|years?|hours?|minutes?)\b)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Quantity:
    """A figure as `figures_of` writes it, and the kind of unit it counts; "" where none is named."""

    value: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word, figure or sign. `kind` is the unit it is, `value` the figure it is ("" where it is none), `kinds` the
    units that figure counts."""

    text: str
    kind: str
    value: str
    kinds: frozenset[str]


def tokens_of(text: str) -> list[Token]:
    """The words, figures and signs of a text in order, dates left out. In a range ("3 to 5 years") the unit counts for
    both ends."""
    words = _words(undated(text))
    kinds = [_kind(word) for word in words]
    values = [_value(word) for word in words]
    counted = [
        frozenset(_kinds_at(place, words, kinds, values)) if values[place] else frozenset[str]()
        for place in range(len(words))
    ]
    return [
        Token(text=word, kind=kind, value=value, kinds=own)
        for word, kind, value, own in zip(words, kinds, values, counted, strict=True)
    ]


def quantities_of(text: str) -> frozenset[Quantity]:
    """Every figure of a text with its unit, dates left out."""
    return frozenset(
        Quantity(value=token.value, kind=kind)
        for token in tokens_of(text)
        if token.value
        for kind in token.kinds or {""}
    )


def kinds_of(text: str) -> frozenset[str]:
    """Every kind of unit a text names, with a figure or without: a table's header names those of its cells."""
    return frozenset(kind for word in _words(text) if (kind := _kind(word)))


def counted_by(word: str) -> str:
    """What a unit is of, where a compound says it: ``Urlaubs`` of ``Urlaubstage``; "" where it says nothing."""
    folded = word.lower()
    joined = _COMPOUND.search(folded)
    return folded[: joined.start()] if joined and (folded not in _KIND or folded.startswith("urlaub")) else ""


def agrees(wanted: Quantity, there: Iterable[Quantity], around: frozenset[str]) -> bool:
    """Whether a quantity is among those that are there. A figure that stands there bare takes its unit from `around`,
    and where nothing around names one, it may be anything."""
    same = [known for known in there if known.value == wanted.value]
    if not wanted.kind or any(alike(wanted.kind, known.kind) for known in same):
        return True
    bare = any(not known.kind for known in same)
    return bare and (not around or any(alike(wanted.kind, kind) for kind in around))


def scaled(value: str, there: Iterable[Quantity]) -> frozenset[str]:
    """The scales (million, thousand) of a figure that is there: without them it is another."""
    return frozenset(known.kind for known in there if known.value == value and known.kind in _SCALES)


def alike(one: str, other: str) -> bool:
    """Whether two kinds of units may stand for each other: a working day is a day."""
    return one == other or other in _SAME_DAY.get(one, ())


def _words(text: str) -> list[str]:
    text = ungrouped(_SCALE_POINT.sub(" ", text))
    plain = _TWO_WORDS.sub(lambda match: _JOINED[match[1].lower()], text)
    return _TOKEN.findall(_GLUED.sub(" ", _HYPHENED.sub(" ", plain)))


def _kind(word: str) -> str:
    if len(word) == 1 and word.isalpha() and word not in _LETTERS:
        return ""
    folded = word.lower()
    if kind := _KIND.get(folded):
        return kind
    joined = _COMPOUND.search(folded)  # Betriebsstunden, Kalenderwochen
    return _KIND[joined[1]] if joined else ""


def _value(word: str) -> str:
    """The figure a token is; "" where it is none (a month and a weekday are dates)."""
    if word[0].isdigit() or word.lower() not in _KIND:
        found = [figure for figure in figures_of(word) if figure[0].isdigit()]
        return found[0] if len(found) == 1 else ""
    return ""


def _kinds_at(place: int, words: list[str], kinds: list[str], values: list[str]) -> set[str]:
    """Units of the figure at a place: directly after it (a scale and a currency are two), one adjective later, before
    it (a currency), or those of the other end of its range."""
    before = place - 1
    if before >= 0 and words[before].lower() in _SIGN and not (before and values[before - 1]):
        return {kinds[before], *_scale(place + 1, kinds)}
    after = place + 1
    if after < len(words) and kinds[after]:
        more = after + 1
        both = kinds[after] in _SCALES and more < len(words) and kinds[more]
        return {kinds[after], kinds[more]} if both else {kinds[after]}
    if after + 1 < len(words) and words[after].lower() in _RANGE and values[after + 1]:
        return _kinds_at(after + 1, words, kinds, values)
    adjective = after + 1 < len(words) and words[after].islower() and len(words[after]) > 3 and not values[after]
    return {kinds[after + 1]} if adjective and kinds[after + 1] else set()


def _scale(place: int, kinds: list[str]) -> set[str]:
    return {kinds[place]} if place < len(kinds) and kinds[place] in _SCALES else set()
