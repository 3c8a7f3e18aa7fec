"""Words of which only one can be true of a thing: gross and net, tenant and landlord, voluntary and compulsory. Pure.

Most of a sentence's words stay the same when one of these is put in the place of another, so that a count of common
words does not see it. Told is the exchange alone: a statement says one of a group, its sources say another and not
that one. Who says both, or what the sources say both of, is left to the other checks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.ask.figures import figures_of
from rag.ask.ordinary import DETERMINERS
from rag.ask.quantities import kinds_of

_ONE = r"(?:eine?[nmrs]?|one|an?)\s"
_GROUPS = (
    (r"brutto\w*|gross", r"netto\w*|net"),
    (r"zuzüglich|zzgl|exklusive|exkl|excluding", r"inklusive|inkl|einschließlich|including|inclusive"),
    (r"freiwillig\w*|optional\w*|voluntar\w*", r"verpflichtend\w*|obligatorisch\w*|mandatory|compulsory|obligatory"),
    (r"vormittag\w*|mornings?", r"nachmittag\w*|afternoons?"),
    (r"intern(?:e[nmrs]?)?|internal(?:ly)?", r"extern(?:e[nmrs]?)?|external(?:ly)?"),
    (r"gestiegen\w*|steig(?:t|en|end\w*)|stieg(?:en)?|erhöht\w*|risen|rose|increas\w*",
     r"gesunken\w*|sink(?:t|en|end\w*)|sank(?:en)?|verringert\w*|vermindert\w*|reduziert\w*|decreas\w*|reduced"),
    (r"geöffnet\w*|opened|open", r"geschlossen\w*|closed"),
    (r"vollzeit\w*|full-time", r"teilzeit\w*|part-time"),
    (r"schriftlich\w*|in writing|written", r"mündlich\w*|oral(?:ly)?|verbal(?:ly)?"),
    (r"innerhalb|inside|within", r"außerhalb|outside"),
    (r"eingang\w*", r"ausgang\w*"),
    (r"einfuhr\w*|imports?", r"ausfuhr\w*|exports?"),
    (r"(?-i:links)|left", r"(?-i:rechts)|right"),
    (r"sommer\w*|summer", r"winter\w*"),
    (r"hälfte|halb\w*|half", r"drittel\w*|one third|a third", r"viertel\w*|quarter", r"fünftel\w*|one fifth|a fifth"),
    (r"doppelt\w*|double[ds]?|twice|zweifach\w*", r"dreifach\w*|triple[ds]?|dreimal", r"vierfach\w*|viermal"),
    (r"täglich\w*|daily|je tag|pro tag", r"wöchentlich\w*|weekly|(?:je|pro) woche|(?:a|per) week",
     r"monatlich\w*|monthly|(?:je|pro|im) (?:kalender)?monat|(?:a|per) month",
     r"vierteljährlich\w*|quarterly|(?:je|pro|im) quartal", r"halbjährlich\w*",
     r"jährlich\w*|annual\w*|yearly|(?:je|pro|im) (?:kalender)?jahr|(?:a|per) year"),
    (rf"{_ONE}(?:tag\w*|day)", rf"{_ONE}(?:woche|week)", rf"{_ONE}(?:monat\w*|month)", rf"{_ONE}(?:jahr\w*|year)",
     rf"{_ONE}(?:stunde|hour)", rf"{_ONE}(?:minute)"),
    (r"nur|ausschließlich|only|solely|exclusively", r"alle[nrs]?|jede[nmrs]?|all|every|everyone|everybody"),
)  # fmt: skip
_PARTIES = (
    (r"arbeitgeber\w*|employers?", r"arbeitnehmer\w*|beschäftigt\w*|mitarbeit\w*|angestellt\w*|employees?|staff"),
    (r"vermieter\w*|landlords?", r"mieter\w*|tenants?"),
    (r"verkäufer\w*|sellers?", r"käufer\w*|buyers?"),
    (r"auftraggeber\w*", r"auftragnehmer\w*"),
    (r"gläubiger\w*|creditors?", r"schuldner\w*|debtors?"),
)  # fmt: skip
"""Two who deal with each other: what one gives, the other gets. They are exchanged where the same is said of them."""


def _compiled(groups: Sequence[Sequence[str]]) -> tuple[tuple[re.Pattern[str], ...], ...]:
    return tuple(
        tuple(re.compile(rf"\b(?:{words})(?!\w)", re.IGNORECASE) for words in alternatives) for alternatives in groups
    )


_OPPOSITES, _BOTH_SIDES = _compiled(_GROUPS), _compiled(_PARTIES)
_DENIED = re.compile(
    r"\b(?:nicht|kein\w*|not|no|non)[\s-]+(?:mehr\s|länger\s|as\s|only\s|nur\s)?[^\W\d_]+", re.IGNORECASE
)
"""What is denied is the other of two, as often as not: `rag.ask.polarity` looks after that."""

_TOKEN = re.compile(r"[^\W\d_]+")
_BENT = re.compile(r"(?:e[nmrs]?|s|t|st|te[nmrst]?)$")
_NEGATED = ("un", "nicht", "non")
_SHORTEST = 5
_BEGINS = 4
_ARTICLES = DETERMINERS | {"the", "a", "an"}

_NUR = re.compile(r"\b(?:nur|ausschließlich|only|solely)\s+((?:[^\W\d_]+[\s-]+){0,2}[^\W\d_]+)", re.IGNORECASE)
_NO = re.compile(r"\b(?:nicht|kein\w*|niemals|nie|not|never|cannot|\w+n['’]t)\b", re.IGNORECASE)
_BESIDE = re.compile(
    r"\b(?:nur|only|solely|ausschließlich|außer\w*|ausgenommen|ohne|sonst\w*|ander\w*|without|except\w*|unless|other\w*|"
    r"outside|else\w*|verboten\w*|untersagt\w*|weder|niemand\w*|nobody)\b",
    re.IGNORECASE,
)


def exchanged(statement: str, sources: Sequence[str], context: str) -> bool:
    """Whether a statement says one of two or more words of which only one can be true, and its sources another.
    `context` is what counts as said with the sources: what stands there is exchanged for nothing."""
    said, there = _DENIED.sub(" ", statement), " ".join(sources)
    around = f"{there} {context}"
    for alternatives in (*_OPPOSITES, *_BOTH_SIDES):
        mine = [pattern for pattern in alternatives if pattern.search(said)]
        if mine and not any(pattern.search(around) for pattern in mine):
            others = [pattern for pattern in alternatives if pattern not in mine and pattern.search(there)]
            absent = [pattern for pattern in others if not pattern.search(statement)]
            told = {word for pattern in mine for word in _beside(pattern, said)}
            if absent and (alternatives in _OPPOSITES or any(told & _beside(pattern, there) for pattern in absent)):
                return True
    return _negated_by_prefix(said, there, context) or _shut_out(statement, sources)


def _beside(pattern: re.Pattern[str], text: str) -> set[str]:
    """The beginnings of the words directly before and after, articles, figures and units left out."""
    near = set[str]()
    for match in pattern.finditer(text):
        near |= {*_TOKEN.findall(text[: match.start()])[-2:], *_TOKEN.findall(text[match.end() :])[:2]}
    telling = {word.casefold() for word in near if not (figures_of(word) or kinds_of(word))}
    return {word[:_BEGINS] for word in telling - _ARTICLES}


def _negated_by_prefix(said: str, there: str, context: str) -> bool:
    """``bezahlt`` for ``unbezahlt``, or the other way round."""
    mine, known = _bent_off(said), _bent_off(there)
    around = known | _bent_off(context)
    for word in mine - around:
        bare = next((word.removeprefix(no) for no in _NEGATED if word.startswith(no)), "")
        if bare in known - mine and len(bare) >= _SHORTEST:
            return not _NO.search(there)
        if len(word) >= _SHORTEST and any(f"{no}{word}" in known - mine for no in _NEGATED):
            return not _NO.search(said)
    return False


def _bent_off(text: str) -> set[str]:
    """The words without their endings."""
    return {_BENT.sub("", word) for word in _TOKEN.findall(text.casefold())}


def _shut_out(statement: str, sources: Sequence[str]) -> bool:
    """Whether those who alone may are said not to: "only managers may" is not "managers may not"."""
    if not _NO.search(statement) or _BESIDE.search(statement):
        return False
    said = _bent_off(statement)
    for source in sources:
        for match in _NUR.finditer(source):
            chosen = {word for word in _bent_off(match[1]) if len(word) >= _SHORTEST}
            if chosen & said and not _NO.search(source):
                return True
    return False
