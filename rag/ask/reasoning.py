"""JSON out of what a model wrote around it: fences, prose, reasoning. Pure."""

from __future__ import annotations

import re

_FENCE = re.compile(r"```(?:json)?\s*|```", re.IGNORECASE)


def without_fences(text: str) -> str:
    """From the first brace to the last, Markdown fences gone; "" where there is no brace."""
    plain = _FENCE.sub("", text)
    start, end = plain.find("{"), plain.rfind("}")
    return plain[start : end + 1] if 0 <= start < end else ""
