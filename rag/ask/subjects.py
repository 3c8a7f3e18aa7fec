"""Who may, must, pays: a sentence that takes another part of its source for who does it says something else. Pure.

Whose part is exchanged stands in the source all the same, so that no count of words sees it: "the plant manager may
order if production stops" is not "production may order". Told is this exchange alone, where both sentences have the
same verb, and beside it in the source stands somebody whom the statement leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from rag.ask.claims import Stems
from rag.ask.kin import share
from rag.ask.ordinary import DETERMINERS

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|[.,;:()|–]")
_FIRST = frozenset("der die das ein eine jede jeder jedes alle ihr ihre unser unsere".split())
_FIRST_ENGLISH = frozenset("the a an every each all your our".split())
_MODAL = frozenset("darf dürfen muss müssen kann können soll sollen".split())
_MODAL_ENGLISH = frozenset("may must can shall should cannot will".split())
_NO_VERB = DETERMINERS | frozenset(
    "an ab auf aus bei bis durch für gegen in mit nach ohne seit sowie um und oder unter von vor während wegen zu "
    "zwischen über als wie nicht nur auch".split()
)
_AT = frozenset(
    "an am ab auf aus bei beim bis durch für gegen in im mit nach ohne seit unter vom von vor zu zum zur über".split()
)
_AGENT = r"\b(?:vom|von|durch|by)\s+(?:\w+\s+){0,2}"
_AWAY, _BEHIND = 6, 4
"""Words between a subject and its modal verb, and between a verb and the subject behind it, at most."""


def other_subject(statement: str, sources: Sequence[str], content: Stems) -> bool:
    """Whether a statement makes its subject of what is none in the sources, who have another for the same verb."""
    noun, verb = _subject(_WORD.findall(statement))
    subject, told, exchanged = content(noun), content(statement), False
    if not subject:
        return False
    for source in sources:
        words = _WORD.findall(source)
        places = [at for at, word in enumerate(words) if word.casefold() == verb]
        clauses = " ".join(word for at in places for word in _before(words, at))
        nouns = [one for at in places for one in _beside(words, at)]
        beside = [stems for stems in map(content, nouns) if stems]
        if share(subject, content(" ".join((clauses, *nouns)))):
            return False
        there = share(subject, content(source)) and not re.search(rf"{_AGENT}{re.escape(noun[:5])}", source, re.I)
        exchanged |= bool(there and beside) and not any(share(one, told) for one in beside)
    return exchanged


def _subject(words: Sequence[str]) -> tuple[str, str]:
    """The noun a sentence begins with, and its verb; "" where it does not begin so."""
    first = words[0].casefold() if words else ""
    if first in _FIRST_ENGLISH:
        at = next((at for at, word in enumerate(words[: _AWAY + 2]) if word in _MODAL_ENGLISH), 0)
        return (words[at - 1], words[at]) if at > 1 else ("", "")
    if first not in _FIRST:
        return "", ""
    at = next((at for at, word in enumerate(words[1:_BEHIND], 1) if word[:1].isupper()), 0)
    behind = words[at + 1 : at + 2 + _AWAY] if at else ()
    if behind and behind[0].islower() and behind[0] not in _NO_VERB:
        return words[at], behind[0]
    verb = next((word for word in takewhile(str.isalpha, behind) if word in _MODAL), "")
    return (words[at], verb) if verb else ("", "")


def _before(words: Sequence[str], at: int) -> list[str]:
    """The clause as far as the verb."""
    return list(takewhile(lambda word: word[:1].isalnum(), reversed(words[:at])))


def _beside(words: Sequence[str], at: int) -> list[str]:
    """What may be the subject of the verb at this place: the noun before it or the one behind it. Where one of them
    alone has "der", it is that one: "die" is said of what is done, too."""
    noun, *leading = _before(words, at)[:3] or [""]
    leading = [word.casefold() for word in leading]
    english = words[at].casefold() in _MODAL_ENGLISH
    found = [(noun, leading[:1])] if (noun[:1].isupper() or english) and not _AT & set(leading) else []
    behind = words[at + 1 : at + 1 + _BEHIND]
    place = next((place for place, word in enumerate(behind) if word in _FIRST), None)
    if place is not None and all(word.islower() for word in behind[:place]):
        nouns = [word for word in words[at + 2 + place : at + 5 + place] if word[:1].isupper()][:1]
        found += [(one, [behind[place]]) for one in nouns]
    told = [one for one, article in found if article == ["der"]]
    return told if len(told) == 1 else [one for one, _ in found]
