"""Text as a person sees it: what is invisible taken away, what only looks different made the same. Pure.

Zero-width characters, Unicode tags and direction marks can carry an order past every reader, or split a word so that no
check finds it. They are taken away before anything is compared, and whoever reads a passage that held some is told.
"""

from __future__ import annotations

import re
import unicodedata

_HIDING = (
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"
    "\u061c\u180e\u115f\u1160\u3164\uffa0"
)
_INVISIBLE = re.compile(f"[\u00ad\u034f\ufe00-\ufe0f{_HIDING}]|[\U0001d173-\U0001d17a]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_FOLDED = re.compile("[^\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2150-\u215f\u2026\u2122]+")
_JOINERS = re.compile("(?<=[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f])\u200d")
_MARKS = re.compile("[\u200c-\u200f]")
_JOINING = re.compile("[\u0590-\u08ff\u0900-\u0dff]")  # scripts that need joiners and direction marks to be written
_HIDDEN = re.compile(f"[{_HIDING}]")


def visible(text: str) -> str:
    """NFKC without what cannot be seen; raised figures and fractions stay, for 10² is not 102."""
    if text.isascii() and text.isprintable():
        return text
    return _FOLDED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), _INVISIBLE.sub("", text))


def hides(text: str) -> bool:
    """Whether a text holds characters that nobody sees and no language it is in needs; soft hyphens and the joiners of
    pictographs are no secret."""
    if text.isascii():
        return False
    plain = _JOINERS.sub("", text)
    if _JOINING.search(plain):
        plain = _MARKS.sub("", plain)
    return bool(_HIDDEN.search(plain))
