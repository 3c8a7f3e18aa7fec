"""A statement, and the sentences it is checked against, read for checking: what each is about and counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rag.answers import Passage
from rag.ask.cite import Unit
from rag.ask.figures import figures_of
from rag.ask.names import identifiers_of
from rag.ask.ordinary import LITTLE
from rag.ask.quantities import Quantity, counted_by, kinds_of, quantities_of
from rag.ask.visible import visible
from rag.text.dates import Day, contradicts, days_of
from rag.text.language import language_of, language_of_question

Stems = Callable[[str], frozenset[str]]
"""Content words of a text as stems."""

_SAYS_LITTLE = 2
"""Stems from which a statement names its own subject."""

_CLAUSE = re.compile(
    r";|:(?!\d)|,(?!\d)|[()]|\b(?:und|and|aber|but|sowie|sondern|statt|while|während)\b", re.IGNORECASE
)
_CONTINUES = re.compile(
    r"^\W*(?:er|sie|es|dies\w*|das|dabei|davon|dafür|dazu|darüber|danach|dann|sonst|ausgenommen|ihre?[nmrs]?|"
    r"it|they|this|that|these|those|then|otherwise|he|she|its|their|if you|in that case|alles|beide|both)\b",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\b(?:wie\s+(?:hoch|lange?|groß|teuer|oft|weit|schnell|alt|schwer|breit|viele?)|"
    r"how\s+(?:many|much|long|high|large|big|expensive|often|far|fast|old))\b",
    re.IGNORECASE,
)
"""What a question asks for, which no answer says again."""
_OUTLINE = re.compile(r"\W*(?:§+\s*)?(\d+(?:\.\d+)*)[.)]?\s+(?=\S)")
_MIXED = re.compile(r"\d[^\W\d_]|[^\W\d_]-?\d")
_WORD = re.compile(r"\w+(?:[-./]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A unit read for checking. `near` is the text that counts as said with it: title, headings, a table's header row,
    the sentence it continues."""

    unit: Unit
    text: str
    near: str
    held: frozenset[str]
    said: frozenset[str]
    figures: frozenset[str]
    near_figures: frozenset[str]
    quantities: frozenset[Quantity]
    kinds: frozenset[str]
    days: frozenset[Day]
    row: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement read for checking. `subjects` gives for each figure the stems of the clause it stands in;
    `dated` are the figures that belong to a date."""

    text: str
    language: str
    topic: frozenset[str]
    short: bool
    figures: frozenset[str]
    quantities: Mapping[str, frozenset[Quantity]]
    subjects: Mapping[str, frozenset[str]]
    days: frozenset[Day]
    dated: frozenset[str]


def content_by(stems: Stems) -> Stems:
    """The stems that tell what a text is about: no function words, figures or units; identifiers whole."""

    def content(text: str) -> frozenset[str]:
        words = [word for word in _WORD.findall(text) if word.lower() not in LITTLE]
        plain = [word for word in words if not (figures_of(word) or kinds_of(word)) or _MIXED.search(word)]
        plain += [counted_by(word) for word in words]
        return stems(" ".join(plain)) | {name.casefold() for name in identifiers_of(text)}

    return content


def claim_of(text: str, question: str, content: Stems) -> Claim:
    """A statement read, as an answer to the question: one too short to name its subject has the question's."""
    own = content(text)
    short = len(own) < _SAYS_LITTLE
    figures = figures_of(text)
    topic = own | content(_MEASURED.sub(" ", visible(question))) if short and figures else own
    subjects = dict.fromkeys(figures, topic)
    for clause in _CLAUSE.split(text):
        words = content(clause or "")
        for figure in figures_of(clause or "") & figures:
            subjects[figure] = words if len(words) >= _SAYS_LITTLE else topic
    counted: dict[str, set[Quantity]] = {}
    for quantity in quantities_of(text):
        counted.setdefault(quantity.value, set()).add(quantity)
    quantities = {value: frozenset(known) for value, known in counted.items()}
    language = language_of(text) or language_of_question(f"{text} {question}")
    days = days_of(text)
    return Claim(
        text=text,
        language=language,
        topic=topic,
        short=short,
        figures=figures,
        quantities=quantities,
        subjects=subjects,
        days=days,
        dated=frozenset(part for day in days for part in (f"month {day.month}", str(day.day), str(day.year))),
    )


def source_of(place: int, units: Sequence[Unit], passages: Sequence[Passage], content: Stems) -> Source:
    """A unit read, with what counts as said around it."""
    unit = units[place]
    text, near = visible(unit.text), visible(_near(place, units, passages))
    held = content(text)
    return Source(
        unit=unit,
        text=text,
        near=near,
        held=held,
        said=held | content(near),
        figures=figures_of(text),
        near_figures=figures_of(near),
        quantities=_counted(text),
        kinds=kinds_of(near) if text.startswith("|") else kinds_of(near) | kinds_of(text),  # a cell's unit is its own
        days=days_of(text),
        row=text.startswith("|"),
    )


def _counted(text: str) -> frozenset[Quantity]:
    """What a unit counts. The number of a heading or list item (``3.``, ``§ 2``, ``6 Travel``) counts nothing."""
    counted = quantities_of(text)
    if match := _OUTLINE.match(text):
        rest = quantities_of(text[match.end() :])
        counted -= {Quantity(value=value) for value in figures_of(match[1])} - rest
    return counted


def another(claim: Claim, figure: str, source: Source) -> bool:
    """Whether a unit gives a figure of the same kind that the claim does not give: the one that was changed."""
    if figure in claim.dated:
        return any(contradicts(day, source.days) for day in claim.days)
    counted = {quantity.kind for quantity in claim.quantities.get(figure, ())}
    kinds = counted - {""}
    left = {known.kind for known in source.quantities if known.value not in claim.figures}
    return bool(left & kinds) or ("" in left and (source.row or not kinds or "" in counted))


def _near(place: int, units: Sequence[Unit], passages: Sequence[Passage]) -> str:
    unit = units[place]
    passage = passages[unit.passage]
    before = [other for other in units[:place] if other.passage == unit.passage]
    lines = [passage.title, *passage.chunk.headings, passage.chunk.context, *_lead(unit, before)]
    return "\n".join(line for line in lines if line)


def _lead(unit: Unit, before: Sequence[Unit]) -> list[str]:
    """What a unit continues: a row its table's header, a list item the line that opens the list, a sentence that begins
    with a pronoun the one before it."""
    if not before:
        return []
    if unit.text.startswith("|"):
        rows: list[str] = []
        for other in reversed(before):
            if not other.text.startswith("|"):
                return [*rows[-1:], other.text]
            rows.append(other.text)
        return rows[-1:]
    if re.match(r"[-*•–]|\d+[.)]\s|[a-z]\)\s", unit.text):
        return [next((other.text for other in reversed(before) if other.text.rstrip().endswith(":")), "")]
    return [before[-1].text] if _CONTINUES.match(unit.text) or before[-1].text.rstrip().endswith(":") else []
