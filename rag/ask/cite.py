"""Which sentences of the passages carry a statement, and whether they do. Pure.

A statement is supported when every figure in it stands in the sentences cited, each of them on its topic, and those
sentences hold enough of its words, or mean the same closely enough (another language has other words). A quote is
verbatim by construction: it is a sentence of the passage, named by its span; `verify` checks it once more against the
document itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from rag.answers import Citation, Passage
from rag.ask.figures import figures_of
from rag.ask.sentences import sentences
from rag.documents import Document, Span

Stems = Callable[[str], frozenset[str]]
"""Content words of a text as stems."""

WORDS_ENOUGH = 0.6
"""Share of a statement's stems that the cited sentences, their headings and table header must hold."""

PARAPHRASE_WORDS, PARAPHRASE_MEANING = 0.4, 0.93
"""Fewer words are enough where the meaning is this near (cosine, e5-small): any two sentences on one topic have 0.9."""

TRANSLATED_MEANING, TRANSLATED_MEANING_WITH_FIGURES = 0.88, 0.86
"""Across languages the words differ, so meaning decides; a little less of it where the statement has figures and
they all stand there. Medians over the golden questions: a reference answer and its sentence 0.87, the best wrong one
0.87 too."""

_MOST_CITATIONS = 3
_GAIN_ENOUGH = 0.25
"""Share of the words or of the figures still missing that a further citation must bring."""

_TOPIC_WORDS = 1 / 3
"""Share of a statement's stems that a sentence must hold, headings included, to lend it a figure."""

_ON_TOPIC = 0.82
"""Cosine from which a sentence in another language may lend a figure without sharing a word."""

_NEGATION = re.compile(
    r"\b(?:nicht|nichts|kein\w*|nie|niemals|niemand|weder|ohne|not|no|never|nobody|none|nor|neither|cannot|without|"
    r"\w+n['’]t|verboten\w*|untersagt\w*|unzulässig\w*|ausgeschlossen\w*|entf[aä]ll\w*|"
    r"prohibit\w*|forbid\w*|exclu\w*|unless)\b",
    re.IGNORECASE,
)

_NAME = re.compile(r"\b(?:Herrn?|Frau|Mr\.?|Mrs\.?|Ms\.?|Dr\.|Prof\.)\s+(?:(?:Dr|Prof)\.\s+)*([A-ZÄÖÜ][\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One sentence of a passage: the smallest thing that is cited. `span` counts in the document."""

    passage: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What was found for a statement: the units that carry it best, and whether they carry it."""

    units: tuple[Unit, ...]
    supported: bool


def units_of(passages: Sequence[Passage]) -> list[Unit]:
    """The sentences of the passages, in order of passage and place."""
    found = []
    for number, passage in enumerate(passages):
        for span in sentences(passage.chunk.text):
            start = passage.chunk.span.start
            found.append(
                Unit(
                    passage=number,
                    span=Span(start=start + span.start, end=start + span.end),
                    text=span.of(passage.chunk.text),
                )
            )
    return found


def support(
    statement: str,
    units: Sequence[Unit],
    *,
    contexts: Sequence[str],
    stems: Stems,
    meaning: Sequence[float],
    preferred: int | None = None,
    foreign: Set[int] = frozenset(),
) -> Support:
    """Find the units that carry a statement.

    `contexts` holds, by passage number, the words around its sentences (title, headings, table header) that count as
    said. `meaning` is the cosine of the statement with each unit; empty where it was not measured. `preferred` is the
    passage the model named: between equals it wins. `foreign` are the passages in another language than the statement:
    they share few words with what they support, so where its figures agree, a little less meaning is enough.
    """
    if not units or not statement.strip():
        return Support(units=(), supported=False)
    wanted, figures = stems(statement), figures_of(statement)
    missing = set(figures)
    held = [stems(unit.text) for unit in units]
    around = [stems(context) for context in contexts]
    on_topic = [
        len(wanted & (own | around[unit.passage])) >= _TOPIC_WORDS * len(wanted)
        or (unit.passage in foreign and bool(meaning) and meaning[place] >= _ON_TOPIC)
        for place, (unit, own) in enumerate(zip(units, held, strict=True))
    ]
    offered = [figures_of(unit.text) if near else frozenset() for unit, near in zip(units, on_topic, strict=True)]
    chosen: list[int] = []
    said: frozenset[str] = frozenset()
    supported = False
    while len(chosen) < _MOST_CITATIONS and not supported:
        lent = [missing & offer for offer in offered]
        best, gain = _best(units, chosen, wanted - said, missing, held, lent, meaning, preferred)
        if best is None or (chosen and gain < _GAIN_ENOUGH):
            break
        chosen.append(best)
        context = units[best].passage
        said |= wanted & (held[best] | around[context])
        missing -= lent[best] | figures_of(contexts[context])
        words = len(said) / len(wanted) if wanted else 0.0
        close = max(meaning[place] for place in chosen) if meaning else 0.0
        supported = not missing and _carried(words, close, foreign=context in foreign, figures=bool(figures))
    texts = [text for place in chosen for text in (units[place].text, contexts[units[place].passage])]
    return Support(units=tuple(units[place] for place in chosen), supported=supported and _agrees(statement, texts))


def _carried(words: float, close: float, *, foreign: bool, figures: bool) -> bool:
    if words >= WORDS_ENOUGH:
        return True
    if foreign:
        return close >= (TRANSLATED_MEANING_WITH_FIGURES if figures else TRANSLATED_MEANING)
    return words >= PARAPHRASE_WORDS and close >= PARAPHRASE_MEANING


def _agrees(statement: str, texts: Sequence[str]) -> bool:
    """Whether everybody the statement calls by title and name is named there too, and it denies nothing by itself."""
    if _NEGATION.search(statement) and not any(_NEGATION.search(text) for text in texts):
        return False
    there = {word for text in texts for word in re.findall(r"[\w-]+", text)}
    return all(there & {name, name.removesuffix("s"), f"{name}s"} for name in _NAME.findall(statement))


def _best(
    units: Sequence[Unit],
    chosen: Sequence[int],
    wanted: frozenset[str],
    missing: set[str],
    held: Sequence[frozenset[str]],
    lent: Sequence[Set[str]],
    meaning: Sequence[float],
    preferred: int | None,
) -> tuple[int | None, float]:
    best, best_score, best_gain = None, 0.0, 0.0
    for place, unit in enumerate(units):
        if place in chosen:
            continue
        words = len(wanted & held[place]) / max(1, len(wanted))
        figures = len(lent[place]) / len(missing) if missing else 0.0
        near = max(0.0, meaning[place] - 0.7) * 2 if meaning else 0.0
        score = words + figures + near + (0.15 if unit.passage == preferred else 0.0)
        if score > best_score:
            best, best_score, best_gain = place, score, max(words, figures)
    return best, best_gain


def citation(unit: Unit, passage: Passage, marker: int) -> Citation:
    """The unit as a numbered citation."""
    return Citation(
        marker=marker,
        document_id=passage.chunk.document_id,
        title=passage.title,
        uri=passage.uri,
        page=passage.chunk.page,
        headings=passage.chunk.headings,
        span=unit.span,
        quote=unit.text,
        key=passage.key,
        as_of=passage.as_of,
    )


def verify(citation: Citation, document: Document | None) -> bool:
    """Whether the quote stands, letter by letter, at its span in the document as it is now."""
    return document is not None and bool(citation.quote) and citation.span.of(document.text) == citation.quote
