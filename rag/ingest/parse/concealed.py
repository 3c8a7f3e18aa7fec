"""Text that nobody sees, marked on its way through a parser: it stays in its place, and what it is known to be is kept.

A parser wraps what it finds hidden (`concealed`); the marks are code points that no text may hold (Unicode
noncharacters), so they pass through cleaning, joining and tables; `revealed` takes them out and gives the spans. What
a document itself writes in such code points can mark too much of it, never too little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from rag.documents import Hidden, Hiding, Span

_BEGIN: Final = "\ufdd0"
_END: Final = "\ufdef"
_OF: Final = {chr(0xFDD1 + place): why for place, why in enumerate(Hiding)}
_SIGN: Final = {why: sign for sign, why in _OF.items()}
_MARKS: Final = re.compile("[\ufdd0-\ufdef]")
_STEPS: Final = re.compile("\ufdd0([\ufdd1-\ufdee])|\ufdef|[\ufdd0-\ufdee]")
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")  # England, Scotland, Wales
_SMUGGLED: Final = re.compile(
    "[\U000e0000-\U000e007f]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4}|[\u200b-\u200d\u2060-\u2064\ufeff]{8}"
)

WORDS: Final = {
    Hiding.NOT_SHOWN: "set not to be shown",
    Hiding.SAME_COLOUR: "in the colour of what it stands on",
    Hiding.TINY: "in type of two points or less",
    Hiding.OFF_PAGE: "outside the page",
    Hiding.INVISIBLE: "drawn invisibly",
    Hiding.CHARACTERS: "with characters that nobody sees",
}


def concealed(text: str, why: Hiding | None) -> str:
    """The text, marked as hidden for this reason; white space around it stays outside. As it is without a reason."""
    if why is None or not text.strip():
        return text
    core = _MARKS.sub("", text.strip())
    before = text[: len(text) - len(text.lstrip())]
    return f"{before}{_BEGIN}{_SIGN[why]}{core}{_END}{text[len(text.rstrip()) :]}"


def with_smuggled(text: str) -> str:
    """The text, marked as hidden where characters nobody sees spell something in it: Unicode tags but for flags, long
    runs of variation selectors or of characters without width. Single ones are ordinary."""
    if text.isascii() or not _SMUGGLED.search(_FLAG.sub("", text)):
        return text
    return concealed(text, Hiding.CHARACTERS)


def plain(text: str) -> str:
    """The text without marks."""
    return text if text.isascii() else _MARKS.sub("", text)


def revealed(text: str, *, start: int = 0) -> tuple[str, list[Hidden]]:
    """The text without marks, and its hidden stretches; their spans count from `start`. A stretch inside another one is
    part of it; neighbours hidden for one reason are one."""
    if text.isascii() or not _MARKS.search(text):
        return text, []
    pieces, found, length = list[str](), list[Hidden](), start
    for piece, why in _stretches(text):
        pieces.append(piece)
        if why is not None and piece.strip():
            found.append(Hidden(span=Span(start=length, end=length + len(piece)), why=why))
        length += len(piece)
    whole = "".join(pieces)
    return whole, _joined(found, whole, start)


def _stretches(text: str) -> Iterator[tuple[str, Hiding | None]]:
    at, inside = 0, list[Hiding]()
    for step in _STEPS.finditer(text):
        yield text[at : step.start()], inside[0] if inside else None
        at = step.end()
        if step[0] == _END:
            del inside[-1:]
        elif step[1] in _OF:
            inside.append(_OF[step[1]])
    yield text[at:], inside[0] if inside else None


def _joined(found: Iterable[Hidden], text: str, start: int) -> list[Hidden]:
    joined: list[Hidden] = []
    for one in found:
        last = joined[-1] if joined else None
        if last and last.why is one.why and not text[last.span.end - start : one.span.start - start].strip():
            joined[-1] = Hidden(span=Span(start=last.span.start, end=one.span.end), why=one.why)
        else:
            joined.append(one)
    return joined


def told(hidden: Iterable[Hidden]) -> list[str]:
    """A note for each reason: how many characters are hidden for it."""
    counts: Counter[Hiding] = Counter()
    for one in hidden:
        counts[one.why] += len(one.span)
    return [f"hidden text: {count:,} characters {WORDS[why]}" for why, count in counts.items()]
