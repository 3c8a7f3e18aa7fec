"""Source numbers a model writes into its text: its own guess, taken out and replaced by checked ones. Pure."""

from __future__ import annotations

import re

_NUMBERS = r"\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*"
_WORDS = (
    r"(?:Quellen?|Passagen?|Abschnitte?|Dokumente?|Fundstellen?|sources?|passages?|documents?|refs?|citations?|"
    r"Nr\.?|no\.?)"
)
_MARKER = re.compile(
    rf"\s*(?:\[\^?\s?{_NUMBERS}\s?\](?![:(]|\[(?!\^?\d))|[【〔]\s?{_NUMBERS}[^】〕]*[】〕]|"
    rf"[(\[]\s?(?:siehe |see |vgl\. |cf\. )?{_WORDS}\s?:?\s?[\[#]?{_NUMBERS}\]?\s?[)\]])",
    re.IGNORECASE,
)


def without_markers(text: str) -> str:
    """The text without ``[7]``, ``[1, 2]``, ``【3】``, ``(Quelle 2)`` and their like; a figure in brackets that is no
    source, as in ``(2024)``, stays."""
    return _MARKER.sub("", text).strip()
