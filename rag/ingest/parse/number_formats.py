"""Excel's number formats, as far as people's spreadsheets use them: decimals, thousands, per cent, currency, dates."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

BUILT_IN: Final = {
    "1": "0", "2": "0.00", "3": "#,##0", "4": "#,##0.00", "9": "0%", "10": "0.00%", "14": "yyyy-mm-dd",
    "15": "d-mmm-yy", "16": "d-mmm", "17": "mmm-yy", "18": "h:mm", "19": "h:mm:ss", "20": "h:mm", "21": "h:mm:ss",
    "22": "yyyy-mm-dd h:mm", "37": "#,##0", "38": "#,##0", "39": "#,##0.00", "40": "#,##0.00", "45": "mm:ss",
    "46": "[h]:mm:ss", "47": "mm:ss",
}  # fmt: skip
_QUOTED: Final = re.compile(r'"([^"]*)"|\\(.)|_.|\*.')
_BRACKETED: Final = re.compile(r"\[(?!\$|h+\]|m+\]|s+\])[^\]]*\]", re.I)
_CURRENCY: Final = re.compile(r"\[\$([^\]-]*)(?:-([0-9A-Fa-f]+))?\]")
_NUMBER: Final = re.compile(r"[#0?][#0?,]*(?:\.[0#?]+)?")
_GERMAN_LOCALES: Final = frozenset({"407", "807", "c07", "1007", "1407", "10407"})
_EPOCH: Final = datetime.datetime(1899, 12, 30)
_EPOCH_1904: Final = datetime.datetime(1904, 1, 1)


def show(value: str, pattern: str, *, since_1904: bool = False) -> str:
    """A stored number as its format shows it; as it is stored, tidied, where the format says nothing.

    Dates are written in ISO. Numbers in euros, or in a format of a German locale, get a decimal comma.
    """
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    section = _section(pattern, number)
    bare = _QUOTED.sub("", _BRACKETED.sub("", _CURRENCY.sub("", section)))
    if re.search(r"[ymdhs]", bare, re.I) and "general" not in bare.lower():
        return _date(number, bare.lower(), since_1904=since_1904)
    found = _NUMBER.search(bare)
    if found is None or "E+" in bare:
        return _plain(number)
    return _number(number, section, found.group())


def _section(pattern: str, number: Decimal) -> str:
    """A format has up to four sections: positive; negative; zero; text."""
    sections = pattern.split(";")
    if number < 0 and len(sections) > 1 and sections[1]:
        return sections[0]  # the sign is written by us, not by brackets or colour
    return sections[2] if number == 0 and len(sections) > 2 and _NUMBER.search(sections[2]) else sections[0]


def _number(number: Decimal, section: str, digits: str) -> str:
    per_cent = "%" in section
    decimals = len(digits.partition(".")[2])
    exact = (number * 100 if per_cent else number).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    grouped = f"{exact:,.{decimals}f}" if "," in digits.strip(",") else f"{exact:.{decimals}f}"
    if "#" in digits.partition(".")[2] and "." in grouped:
        grouped = grouped.rstrip("0").rstrip(".")
    currency = _CURRENCY.search(section)
    locale = (currency.group(2) or "").lower() if currency else ""
    if "€" in section or locale in _GERMAN_LOCALES:
        grouped = grouped.translate(str.maketrans(",.", ".,"))
    before, after = _affixes(section, digits)
    return f"{before}{grouped}{after}".strip()


def _affixes(section: str, digits: str) -> tuple[str, str]:
    """What a format writes around the digits: units, currency, the per cent sign."""
    named = _CURRENCY.sub(lambda found: f'"{found.group(1)}"', _BRACKETED.sub("", section))
    literal = re.sub(r"_.|\*.", "", re.sub(r"\\(.)", r'"\1"', named))
    before, _, after = literal.partition(digits)
    return tuple(re.sub(r"[#0?,.()]", "", part) if '"' not in part else _unquoted(part) for part in (before, after))  # type: ignore[return-value]  # two in, two out


def _unquoted(part: str) -> str:
    pieces = re.split(r'"([^"]*)"', part)
    return "".join(piece if i % 2 else re.sub(r"[#0?,.()]", "", piece) for i, piece in enumerate(pieces))


def _date(number: Decimal, pattern: str, *, since_1904: bool) -> str:
    if "[h" in pattern or "[m" in pattern:
        minutes = int((number * 1440).to_integral_value(ROUND_HALF_UP))
        return f"{minutes // 60}:{minutes % 60:02}"
    try:
        moment = (_EPOCH_1904 if since_1904 else _EPOCH) + datetime.timedelta(seconds=round(float(number) * 86400))
    except (OverflowError, ValueError):
        return _plain(number)
    has_day, has_time = re.search(r"[yd]", pattern), re.search(r"[hs]", pattern)
    if has_day and has_time and moment.time() != datetime.time():
        return moment.isoformat(sep=" ", timespec="minutes")
    if has_time and not has_day:
        return moment.strftime("%H:%M:%S" if "s" in pattern else "%H:%M")
    if "d" not in pattern and has_day:
        return moment.strftime("%Y-%m" if "m" in pattern else "%Y")
    return moment.date().isoformat()


def _plain(number: Decimal) -> str:
    """15 significant digits, as Excel keeps; no exponent, no ".0"."""
    text = f"{number:.15g}" if number == number.to_integral_value() else f"{float(number):.15g}"
    if "e" in text.lower():
        exact = Decimal(text)
        text = f"{exact:f}" if -20 < exact.adjusted() < 20 else text
    return text.rstrip("0").rstrip(".") if "." in text else text
