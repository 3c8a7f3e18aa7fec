"""What stands in the sources, but not so: the figures of one sentence in the words of another, one name in two places,
the number of another rule. Pure.

Each is told by what was put out of its place: the sentence that says everything else gives another figure, name or
number there, and the statement has it nowhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rag.ask.claims import Claim, Source, another
from rag.ask.figures import figures_in
from rag.ask.names import identifiers_of, names_of
from rag.ask.quantities import Quantity, agrees

_SAYS_ALL = 0.9
"""Share of a statement's stems from which a sentence says the same, up to its figures."""
_TELLING = 3
"""Stems a statement needs for that to tell anything."""

_WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")


def refigured(claim: Claim, sources: Sequence[Source]) -> bool:
    """Whether every sentence that says what the statement says gives other figures of the same kinds for it."""
    if claim.short or len(claim.topic) < _TELLING or not claim.quantities:
        return False
    saying = [source for source in sources if len(claim.topic & source.held) >= _SAYS_ALL * len(claim.topic)]
    return bool(saying) and all(_gives_another(claim, source) for source in saying)


def _gives_another(claim: Claim, source: Source) -> bool:
    wanted = frozenset(one for counted in claim.quantities.values() for one in counted)
    there = source.quantities | {Quantity(value=value) for value in source.near_figures}
    gone = [one for one in wanted if one.kind and not agrees(one, there, source.kinds)]
    left = [one for one in source.quantities if one.kind and not agrees(one, wanted, frozenset())]
    return any(one.value == other.value or one.kind == other.kind for one in gone for other in left)


def doubled_figure(claim: Claim, sources: Sequence[Source]) -> bool:
    """Whether the claim gives one figure more often than its source does, in the place of another."""
    if len(sources) != 1:
        return False
    first = sources[0]
    for figure, count in Counter(figures_in(claim.text)).items():
        if count > 1 and 0 < figures_in(first.text).count(figure) < count:
            return another(claim, figure, first)
    return False


def doubled_name(statement: str, sources: Sequence[str]) -> bool:
    """Whether a name stands more often in a statement than in its source, once where the source has another one that
    the statement lacks: beside the same word."""
    if len(sources) != 1:
        return False
    said, there = Counter(names_of(statement)), Counter(names_of(sources[0]))
    gone = there.keys() - said.keys()
    return any(
        count > there[name] > 0 and any(_beside(statement, name) & _beside(sources[0], other) for other in gone)
        for name, count in said.items()
    )


def _beside(text: str, name: str) -> frozenset[tuple[str, str]]:
    """The words before and after a name, wherever it stands, each with its side."""
    words = _WORD.findall(text)
    at = [place for place, word in enumerate(words) if word == name]
    before = {("before", words[place - 1].casefold()) for place in at if place}
    return frozenset(before | {("after", words[place + 1].casefold()) for place in at if place + 1 < len(words)})


def renumbered(claim: Claim, sources: Sequence[Source]) -> bool:
    """Whether an identifier comes from a sentence that says less of the statement than another one, which gives another
    of the same form in its place."""
    if not sources:
        return False
    own = identifiers_of(claim.text)
    most = max(sources, key=lambda source: len(claim.topic & source.held))
    around = {name.casefold() for name in identifiers_of(f"{most.text} {most.near}")}
    forms = {_form(name) for name in identifiers_of(most.text) if name not in own}
    return any(_form(name) in forms and name.casefold() not in around for name in own)


def _form(identifier: str) -> str:
    return re.sub(r"\d", "0", identifier)
