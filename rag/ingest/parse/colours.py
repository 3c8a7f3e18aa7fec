"""Colours as documents write them, and whether one can be told from another. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEX: Final = re.compile(r"#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.I)
_FUNCTION: Final = re.compile(
    r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,6})(%?))?\s*\)", re.I
)
_NAMES: Final = {
    "white": 0xFFFFFF, "black": 0, "snow": 0xFFFAFA, "ivory": 0xFFFFF0, "ghostwhite": 0xF8F8FF, "azure": 0xF0FFFF,
    "mintcream": 0xF5FFFA, "floralwhite": 0xFFFAF0, "whitesmoke": 0xF5F5F5, "red": 0xFF0000, "blue": 0x0000FF,
    "yellow": 0xFFFF00, "green": 0x008000, "gray": 0x808080, "grey": 0x808080, "silver": 0xC0C0C0, "navy": 0x000080,
}  # fmt: skip
_LEAST_CONTRAST: Final = 1.2
"""Of two colours a person can tell apart (WCAG ratio, 1 for equals): white to a grey of 90 % has 1.25."""

_LEAST_APART: Final = 64
"""Of two colours of one lightness: the channel in which they differ most."""


class Colour(NamedTuple):
    """Red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int


WHITE: Final = Colour(255, 255, 255)
BLACK: Final = Colour(0, 0, 0)


def colour(written: str) -> tuple[Colour | None, float]:
    """A colour as HTML, CSS or OOXML writes it, and how opaque it is, 0 to 1; None for one that is not known here."""
    text = written.strip().lower()
    if text == "transparent":
        return None, 0.0
    if text in _NAMES:
        return Colour(*_NAMES[text].to_bytes(3, "big")), 1.0
    if (found := _FUNCTION.fullmatch(text)) is not None:
        red, green, blue = (min(int(part), 255) for part in found.group(1, 2, 3))
        share = _number(found[4]) / (100 if found[5] else 1) if found[4] else 1.0
        return Colour(red, green, blue), share
    if (found := _HEX.fullmatch(text)) is None:
        return None, 1.0
    digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
    red, green, blue, *alpha = bytes.fromhex(digits)
    return Colour(red, green, blue), alpha[0] / 255 if alpha else 1.0


def alike(one: Colour, other: Colour) -> bool:
    """Whether nobody could read one on the other."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    apart = max(abs(a - b) for a, b in zip(one, other, strict=True))
    return (light + 0.05) / (dark + 0.05) < _LEAST_CONTRAST and apart < _LEAST_APART


def _luminance(shade: Colour) -> float:
    """Relative luminance, 0 to 1. Source: WCAG 2.2, "relative luminance"."""
    parts = [part / 255 for part in shade]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
