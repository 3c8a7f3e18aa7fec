"""Half surrogate pairs: parsers may give them, and no UTF-8 can hold one."""

from __future__ import annotations

import re
from dataclasses import replace

from rag.documents import Parsed

_HALF = re.compile(r"[\ud800-\udfff]")


def without_surrogates(parsed: Parsed) -> Parsed:
    """The same with U+FFFD in place of half surrogate pairs, which cannot be stored; no span changes."""
    if not _HALF.search("".join((parsed.text, parsed.title or "", *(s for e in parsed.sections for s in e.headings)))):
        return parsed
    return replace(
        parsed,
        text=_HALF.sub("\ufffd", parsed.text),
        title=_HALF.sub("\ufffd", parsed.title or "") or None,
        sections=tuple(
            replace(section, headings=tuple(_HALF.sub("\ufffd", heading) for heading in section.headings))
            for section in parsed.sections
        ),
    )
