"""Text into sentences with their spans, German and English. Pure.

A sentence ends at ``.``, ``!``, ``?`` or ``…`` before white space and a capital, a digit or a quotation mark,
unless the point belongs to an abbreviation, an ordinal ("24. Dezember") or a single letter. A blank line, a
list item and a table row always end one.
"""

from __future__ import annotations

import re

from rag.documents import Span

_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*•–|#]|\d+[.)]\s|[a-z]\)\s))|(?<=\|)\n")
_END = re.compile(r"[.!?…][\"”“’'»)\]]*\s+(?=[\"„“‚'»(\[]?[A-ZÄÖÜ0-9§])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(„\"])(?:[A-Za-zÄÖÜäöü]|\d{1,2}|\d{1,2}\.\d{1,2}|z\.\s?B|d\.\s?h|u\.\s?a|i\.\s?d\.\s?R|o\.\s?ä|e\.\s?g|i\.\s?e|bzw|ca|vgl|ggf|"
    r"inkl|exkl|evtl|max|min|mind|Abs|Art|Nr|Ziff|Buchst|Tab|Abb|Kap|St|Str|Dr|Prof|Hr|Fr|Mr|Mrs|Ms|Dipl|Ing|Tel|Fa|"
    r"Mio|Mrd|Tsd|Std|Sek|zzgl|einschl|lt|gem|sog|insb|bspw|Pos|Rn|Rz|usw|etc|no|No|vs|approx|incl|Jan|Feb|Mrz|Apr|Jun|Jul|Aug|Sep|Sept|Okt|Oct|Nov|Dez|Dec)\.$"
)
_MONTH = re.compile(
    r"(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Quartal|Tag|Monat|Kalender)"
)
_YEAR_END = re.compile(r"\d\.$")


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order, without the white space around them; they hold every other character."""
    spans: list[Span] = []
    for block in _split(text, Span(start=0, end=len(text)), _BLOCK, keep_end=False):
        start = block.start
        for match in _END.finditer(text, block.start, block.end):
            head = text[start : match.start() + 1]
            if _ABBREVIATION.search(head) or (_YEAR_END.search(head) and _MONTH.match(text, match.end())):
                continue
            spans.append(_trimmed(text, start, match.end()))
            start = match.end()
        spans.append(_trimmed(text, start, block.end))
    return [span for span in spans if len(span)]


def _split(text: str, span: Span, pattern: re.Pattern[str], *, keep_end: bool) -> list[Span]:
    parts, start = [], span.start
    for match in pattern.finditer(text, span.start, span.end):
        parts.append(Span(start=start, end=match.end() if keep_end else match.start()))
        start = match.end()
    parts.append(Span(start=start, end=span.end))
    return parts


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end].rstrip()
    return Span(start=start + len(piece) - len(piece.lstrip()), end=start + len(piece))
