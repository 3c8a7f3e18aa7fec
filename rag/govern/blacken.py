"""A sentence about one person without the others: their names, addresses and numbers become bars.

German writes every noun with a capital, so that no rule tells every name: what is not known to be an ordinary word is
blackened. That takes too much more often than too little; a person looks through it before it is handed out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.ask.names import identifiers_of, missing_names
from rag.ask.ordinary import FIRST_NAMES, LITTLE, PLACES
from rag.documents import Span

BAR = "█████"
_ADDRESS = re.compile(r"[^\s@<>()\[\]{},;:\"'„“]+@[^\s@<>()\[\]{},;:\"'„“]+")
_TITLE = re.compile(r"\b(?:Herrn?|Frau|Mr|Mrs|Ms|Miss|Dr|Prof|Hr|Fr)\.?$")
_WORD = re.compile(r"[^\W\d_][^\W_]*(?:[-'’][^\W_]+)*")


def blacken(text: str, own: Sequence[Span], *, language: str) -> str:
    """The text with bars in place of other people's names, e-mail addresses and telephone numbers; what lies in `own`,
    where the person is named, stays."""
    hidden = [Span(start=match.start(), end=match.end()) for match in _ADDRESS.finditer(text)]
    identifiers = set(identifiers_of(text))
    for name in missing_names(text, [], lambda word: frozenset(), language=language):
        if name in identifiers or name.startswith("§") or name.casefold() in PLACES:
            continue
        pattern = re.compile(rf"(?<![^\W_]){re.escape(name)}(?:['’]?s)?(?![^\W_])")
        hidden += [Span(start=match.start(), end=match.end()) for match in pattern.finditer(text)]
    hidden += _beside_names(text, hidden)
    return _barred(text, [span for span in hidden if not any(_meet(span, kept) for kept in own)])


def _beside_names(text: str, hidden: Sequence[Span]) -> list[Span]:
    """Capitalised words next to a name or a title: "Peter Koch" is no cook."""
    known = {(span.start, span.end) for span in hidden}
    found: list[Span] = []
    before: tuple[int, bool] = (-1, False)
    for match in _WORD.finditer(text):
        word, folded = match[0], match[0].casefold()
        close = before[0] >= 0 and text[before[0] : match.start()].strip(" .-") == ""
        titled = bool(_TITLE.search(text[: match.start()].rstrip()))
        is_name = any(start <= match.start() and match.end() <= end for start, end in known) or folded in FIRST_NAMES
        beside = word[:1].isupper() and folded not in LITTLE and (titled or (close and before[1]))
        if is_name or beside:
            found.append(Span(start=match.start(), end=match.end()))
        before = (match.end(), is_name or beside)
    return found


def _meet(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _barred(text: str, hidden: Sequence[Span]) -> str:
    out: list[str] = []
    place = 0
    for span in sorted(hidden):
        if span.end <= place:
            continue
        if span.start > place or not out:
            out.append(text[place : span.start])
        out.append(BAR if not out or out[-1] != BAR else "")
        place = span.end
    return "".join([*out, text[place:]])
