"""Dates as documents write them (ISO, PDF, mail, German and English prose) to aware UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Final

_ISO: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,12})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?", re.I
)
_PDF: Final = re.compile(r"(?:D:)?(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?\s*(Z|[+-]\d{2}'?\d{2})?[\d']{0,6}")
_GERMAN: Final = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?(?:\s+Uhr)?")
_NAMED: Final = re.compile(r"(\d{1,2})(?:\.|st|nd|rd|th)?\s+([A-Za-zä]{3,9})\.?,?\s+(\d{4})")
_NAMED_FIRST: Final = re.compile(r"([A-Za-zä]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_MONTHS: Final = {
    month: number
    for number, names in enumerate(
        ("jan", "feb", "mar mär mae", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"),
        start=1,
    )
    for month in names.split()
}
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def when(text: str | None) -> datetime | None:
    """The moment that `text` names, in UTC; one without a zone is taken as UTC. None unless it names a whole day."""
    text = (text or "").strip()[:100]
    try:
        return _read(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def credible(moment: datetime | None) -> datetime | None:
    """`moment`, unless it is before 1970 or more than a day ahead of this machine's clock."""
    if moment is None or not _EARLIEST <= moment <= datetime.now(UTC) + timedelta(days=1):
        return None
    return moment


def _read(text: str) -> datetime | None:
    if (found := _ISO.fullmatch(text)) or (found := _PDF.fullmatch(text)):
        year, month, day, hour, minute, second, zone = found.groups()
        return _utc(year, month, day, hour, minute, second, zone)
    if found := _GERMAN.fullmatch(text):
        day, month, year, hour, minute, second = found.groups()
        return _utc(year, month, day, hour, minute, second, None)
    if found := _NAMED.fullmatch(text):
        day, name, year = found.groups()
        return _utc(year, _month(name), day, None, None, None, None)
    if found := _NAMED_FIRST.fullmatch(text):
        name, day, year = found.groups()
        return _utc(year, _month(name), day, None, None, None, None)
    sent = parsedate_to_datetime(text)
    return sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)


def _month(name: str) -> str:
    return str(_MONTHS.get(name.lower()[:3], 0))


def _utc(
    year: str, month: str, day: str, hour: str | None, minute: str | None, second: str | None, zone: str | None
) -> datetime:
    local = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), min(int(second or 0), 59), tzinfo=_zone(zone)
    )
    return local.astimezone(UTC)


def _zone(zone: str | None) -> timezone:
    if not zone or zone in "Zz":
        return UTC
    digits = re.sub(r"\D", "", zone)
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4] or 0))
    return timezone(-offset if zone[0] == "-" else offset)
