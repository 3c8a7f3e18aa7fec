"""Dates as people write them, in German and English, and the one a document states of itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

_MONTHS = {
    name: place
    for place, names in enumerate(
        (
            "januar jänner january jan|februar february feb|märz march mar mrz|april apr|mai may|juni june jun|"
            "juli july jul|august aug|september sept sep|oktober october okt oct|november nov|dezember december dez dec"
        ).split("|"),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4}|\d{2}(?![\d:]|[.,]\d))?(?!\d)"),
    re.compile(r"(?<![\d-])(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?![\d-])"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:\.|st|nd|rd|th)?\s+(?:of\s+)?(?P<n>{_MONTH})\b\.?,?(?:\s+(?P<y>\d{{4}}))?", re.I
    ),
    re.compile(rf"\b(?P<n>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(?P<y>\d{{4}}))?", re.I),
    re.compile(rf"\b(?P<n>{_MONTH})\s+(?P<y>\d{{4}})\b", re.I),
)
BEGINNING_CHARS = 2000
"""How far into a text it is looked for."""
_STATED = re.compile(
    r"\b(?:Stand|Fassung vom|Version vom|Ausgabe(?:datum)?|gültig ab|gilt ab|in Kraft (?:seit|ab)|tritt am|"
    r"as of|valid from|effective(?: from| date)?|in force (?:since|from)|last (?:updated|changed|revised)|issued)\b"
    r"[\s:]{1,3}(?:dem |on |from )?(?P<date>.{4,30})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Day:
    """A date; 0 stands for what it does not say."""

    day: int = 0
    month: int = 0
    year: int = 0


def days_of(text: str) -> frozenset[Day]:
    """Every date of a text that names at least a month beside a day or a year."""
    found = set()
    plain = text
    for pattern in _DATES:
        for match in pattern.finditer(plain):
            parts = match.groupdict()
            month = _MONTHS[parts["n"].lower()] if parts.get("n") else int(parts["m"])
            day = int(parts.get("d") or 0)
            if 1 <= month <= 12 and day <= 31:
                found.add(Day(day=day, month=month, year=_year(parts.get("y") or "")))
        plain = pattern.sub(lambda match: " " * len(match[0]), plain)
    return frozenset(found)


def _year(digits: str) -> int:
    """Two digits are of this century, as offices write them; 0 where none are there."""
    return int(digits or 0) + (2000 if len(digits) == 2 else 0)


def undated(text: str) -> str:
    """A text without its dates."""
    for pattern in _DATES:
        text = pattern.sub(" ; ", text)
    return text


def contradicts(wanted: Day, there: Iterable[Day]) -> bool:
    """Whether dates are there, but none that could be this one."""
    known = list(there)
    return bool(known) and not any(_could_be(wanted, day) for day in known)


def _could_be(one: Day, other: Day) -> bool:
    pairs = ((one.day, other.day), (one.month, other.month), (one.year, other.year))
    return all(not left or not right or left == right for left, right in pairs)


def stated_date(text: str) -> datetime | None:
    """The date a text states of itself ("Stand: 01.03.2024"), if its beginning says so; a month alone is its first
    day."""
    for match in _STATED.finditer(text[:BEGINNING_CHARS]):
        days = sorted(day for day in days_of(match["date"]) if day.year)
        if days and match["date"].lstrip("( ").startswith(_start(match["date"])):
            return _moment(days[0])
    return None


def _start(text: str) -> str:
    found = re.search(r"\d|[^\W\d_]", text)
    return text[found.start() :].lstrip("( ")[:1] if found else "\0"


def _moment(day: Day) -> datetime | None:
    try:
        return datetime(day.year, day.month, day.day or 1, tzinfo=UTC)
    except ValueError:
        return None
