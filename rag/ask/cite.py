"""Which sentences of the passages carry a statement, and whether they do. Pure.

A statement is supported when every figure in it stands in the sentences cited, and those sentences hold enough of its
words, or mean the same closely enough (another language has other words). A quote is verbatim by construction: it is a
sentence of the passage, named by its span; `verify` checks it once more against the document itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answers import Citation, Passage
from rag.ask.sentences import sentences
from rag.documents import Document, Span

Stems = Callable[[str], frozenset[str]]
"""Content words of a text as stems."""

WORDS_ENOUGH = 0.6
"""Share of a statement's stems that the cited sentences and their headings must hold."""

MEANING_ENOUGH = 0.88
"""Cosine between statement and sentence from which the meaning alone carries it (e5-small)."""

_MOST_CITATIONS = 3
_FIGURE = re.compile(r"\d+(?:[.,:/]\d+)*")
_NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate(
        (
            "null zero", "eins ein one", "zwei two", "drei three", "vier four", "fünf five", "sechs six",
            "sieben seven",            "acht eight", "neun nine", "zehn ten", "elf eleven", "zwölf twelve",
        )
    )
    for word in words.split()
    if word not in ("ein", "one", "eins")
}  # fmt: skip


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
) -> Support:
    """Find the units that carry a statement.

    `contexts` holds, by passage number, the words around its sentences (title, headings, table header) that count as
    said. `meaning` is the cosine of the statement with each unit; empty where it was not measured. `preferred` is the
    passage the model named: between equals it wins.
    """
    if not units or not statement.strip():
        return Support(units=(), supported=False)
    wanted, figures = stems(statement), figures_of(statement)
    held = [stems(unit.text) for unit in units]
    around = [stems(context) for context in contexts]
    chosen: list[int] = []
    covered: frozenset[str] = frozenset()
    missing = set(figures)
    while len(chosen) < _MOST_CITATIONS:
        best, gain = _best(units, chosen, wanted - covered, missing, held, meaning, preferred)
        if best is None or (chosen and gain < 0.25):
            break
        chosen.append(best)
        covered |= wanted & held[best]
        missing -= figures_of(units[best].text)
        if not missing and len(covered) >= WORDS_ENOUGH * len(wanted):
            break
    passages = {units[place].passage for place in chosen}
    said = covered.union(*(wanted & around[number] for number in passages)) if passages else covered
    missing = {figure for figure in missing if not any(figure in figures_of(contexts[n]) for n in passages)}
    words = len(said) / len(wanted) if wanted else 0.0
    close = max((meaning[place] for place in chosen), default=0.0) if meaning else 0.0
    return Support(
        units=tuple(units[place] for place in chosen),
        supported=not missing and (words >= WORDS_ENOUGH or close >= MEANING_ENOUGH),
    )


def _best(
    units: Sequence[Unit],
    chosen: Sequence[int],
    wanted: frozenset[str],
    missing: set[str],
    held: Sequence[frozenset[str]],
    meaning: Sequence[float],
    preferred: int | None,
) -> tuple[int | None, float]:
    best, best_score, best_gain = None, 0.0, 0.0
    for place, unit in enumerate(units):
        if place in chosen:
            continue
        words = len(wanted & held[place]) / max(1, len(wanted))
        figures = len(missing & figures_of(unit.text)) / len(missing) if missing else 0.0
        near = max(0.0, meaning[place] - 0.7) * 2 if meaning else 0.0
        score = words + figures + near + (0.15 if unit.passage == preferred else 0.0)
        if score > best_score:
            best, best_score, best_gain = place, score, max(words, figures)
    return best, best_gain


def figures_of(text: str) -> frozenset[str]:
    """The numbers of a text, written one way: ``1.200,50`` and ``1,200.50`` agree, ``vier`` and ``four`` are ``4``."""
    figures = {_plain(match) for match in _FIGURE.findall(text)}
    figures |= {_NUMBER_WORDS[word] for word in re.findall(r"\w+", text.lower()) if word in _NUMBER_WORDS}
    return frozenset(figures)


def _plain(figure: str) -> str:
    """Separators gone where they group thousands, and a point where they part decimals."""
    pieces = re.split(r"[.,]", figure)
    if len(pieces) == 1:
        return figure.lstrip("0") or "0"
    if all(len(piece) == 3 for piece in pieces[1:]) and len(pieces[0]) <= 3:
        return "".join(pieces).lstrip("0") or "0"
    if len(pieces) == 2:
        return f"{pieces[0].lstrip('0') or '0'}.{pieces[1].rstrip('0')}".rstrip(".")
    separators = re.findall(r"[.,]", figure)
    if separators[-1] != separators[0]:
        return f"{''.join(pieces[:-1])}.{pieces[-1].rstrip('0')}".rstrip(".")
    return ".".join(piece.lstrip("0") or "0" for piece in pieces)


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
    )


def verify(citation: Citation, document: Document | None) -> bool:
    """Whether the quote stands, letter by letter, at its span in the document as it is now."""
    return document is not None and bool(citation.quote) and citation.span.of(document.text) == citation.quote
