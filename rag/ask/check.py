"""Whether the passages carry a statement, and by which of their sentences. Pure but for stems and vectors it asks for.

A statement is supported when

1. every figure in it stands in a sentence cited, as the same quantity, and that sentence (or table row, with its
   headings and header) is about the same thing: where another sentence fits the statement's words better and gives
   another figure of the same kind, the figure belongs to something else;
2. the sentences cited hold enough of its words, or mean the same closely enough (another language has other words);
3. every name, identifier and address in it stands there;
4. it denies nothing that they do not deny, leaves no denial out, and turns no limit or date round;
5. it gives no end of a range for the whole, no word for its opposite (gross for net), no plan for a fact, and to nobody
   what they say of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from rag.answers import Passage
from rag.ask.addresses import addresses_of, is_active
from rag.ask.cite import Unit, units_of
from rag.ask.claims import Claim, Source, Stems, another, claim_of, content_by, source_of
from rag.ask.figures import figures_of
from rag.ask.flaws import Flaw, flaw_of
from rag.ask.kin import share
from rag.ask.mixture import doubled_figure, refigured
from rag.ask.names import is_of_another, is_of_nothing
from rag.ask.quantities import agrees, quantities_of, scaled
from rag.ask.ranges import within
from rag.ask.visible import visible

Meaning = Callable[[str], Sequence[float]]
"""The cosine of a text with each unit; empty where it was not measured."""

WORDS_ENOUGH = 0.6
"""Share of a statement's stems that the cited sentences, their headings and table header must hold."""

PARAPHRASE_WORDS, PARAPHRASE_MEANING = 0.4, 0.93
"""Fewer words are enough where the meaning is this near (cosine, e5-small): any two sentences on one topic have 0.9."""

TRANSLATED_MEANING, TRANSLATED_MEANING_WITH_FIGURES = 0.88, 0.86
"""Across languages the words differ, so meaning decides; a little less of it where the statement has figures and
they all stand there. Medians over the golden questions: a reference answer and its sentence 0.87, the best wrong one
0.87 too."""

_MOST_CITATIONS = 4
_GAIN_ENOUGH = 0.25
"""Share of the words or of the figures still missing that a further citation must bring."""

_TOPIC_WORDS = 1 / 3
"""Share of a statement's stems that a sentence must hold, headings included, to lend it a figure."""

_ON_TOPIC = 0.82
"""Cosine from which a sentence in another language may lend a figure without sharing a word."""

_NEAR, _EQUAL = 0.04, 0.01
"""Cosines: how far behind the nearest sentence one may be and still answer the question, and what is no difference."""

_YES = re.compile(r"^\s*(?:ja|nein|doch|yes|no)\s*[,:;.!–-]+\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What was found for a statement: the units that carry it best, whether they carry it, and why not."""

    units: tuple[Unit, ...] = ()
    supported: bool = False
    flaw: Flaw = Flaw.NONE


class Checker:
    """Checks statements against the sentences of some passages, which are read once.

    `meaning` is asked once a statement. `foreign` tells which passages, by number, are in another language than the
    one named: they share few words with what they support, so where its figures agree, less meaning is enough.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        stems: Stems,
        meaning: Meaning = lambda text: (),
        foreign: Callable[[str], Set[int]] = lambda language: frozenset(),
        question: str = "",
    ) -> None:
        self._passages, self._stems, self._meaning, self._foreign = passages, stems, meaning, foreign
        self._content = content_by(stems)
        self.units = [unit for unit in units_of(passages) if any(letter.isalnum() for letter in unit.text)]
        self._sources = [source_of(place, self.units, passages, self._content) for place in range(len(self.units))]
        self._question, self._asked = question, self._content(visible(question))
        self._asked_figures = figures_of(visible(question))

    def check(self, statement: str, *, preferred: int | None = None) -> Support:
        """Find the units that carry a statement. Between equals those of the passage number `preferred` win."""
        claim = claim_of(_YES.sub("", visible(statement)), self._question, self._content)
        if not self.units or not claim.topic:
            return self._quoted(statement)
        told = f"{self._question} {claim.text}" if claim.short else claim.text
        meaning, foreign = self._meaning(told), self._foreign(claim.language)
        chosen, missing, carried = self._carry(claim, meaning, foreign, preferred)
        found = Support(units=tuple(self.units[place] for place in chosen))
        if self._leads_elsewhere(claim, chosen):
            return replace(found, flaw=Flaw.ADDRESS)
        chosen_sources = [self._sources[place] for place in chosen]
        if missing or doubled_figure(claim, chosen_sources) or refigured(claim, self._sources):
            return replace(found, flaw=Flaw.FIGURE)
        flaw = flaw_of(claim, chosen_sources, read=self._read(chosen_sources), content=self._content, stems=self._stems)
        if flaw is Flaw.NONE and not (carried and self._spoken_of(claim, chosen, foreign)):
            flaw = Flaw.WORDS
        return replace(found, supported=flaw is Flaw.NONE, flaw=flaw)

    def _quoted(self, statement: str) -> Support:
        """A statement without a telling word ("What is it?") is supported where it stands letter by letter."""
        said = _flat(statement)
        if addresses_of(said):
            return Support(flaw=Flaw.ADDRESS)
        same = tuple(unit for unit in self.units if _flat(unit.text) == said)[:1]
        return Support(units=same, supported=bool(same), flaw=Flaw.NONE if same else Flaw.NOTHING)

    def _carry(
        self, claim: Claim, meaning: Sequence[float], foreign: Set[int], preferred: int | None
    ) -> tuple[list[int], set[str], bool]:
        """The places chosen, the figures none of them lends, and whether they hold enough words or meaning."""
        lent = [self._lent(claim, place, meaning, foreign) for place in range(len(self.units))]
        missing, told, chosen, carried = set(claim.figures), frozenset[str](), list[int](), False
        while len(chosen) < _MOST_CITATIONS and not (carried and not missing):
            best, gain = self._best(claim, chosen, claim.topic & told, missing, lent, meaning, preferred)
            if best is None or (chosen and gain < _GAIN_ENOUGH):
                break
            chosen.append(best)
            source = self._sources[best]
            told |= source.said
            missing -= lent[best] | self._lent_by_headings(claim, source)
            close = max(meaning[place] for place in chosen) if meaning else 0.0
            words = share(claim.topic, told) / len(claim.topic)
            carried = _carried(claim, words, close, foreign=source.unit.passage in foreign)
        return chosen, missing, carried

    def _lent(self, claim: Claim, place: int, meaning: Sequence[float], foreign: Set[int]) -> frozenset[str]:
        """The figures of the claim that this unit holds, as the same quantity and of the same thing."""
        source, nearer = self._sources[place], self._nearer(claim, place, meaning, foreign)
        found = set[str]()
        if is_of_another(claim.text, source.text, source.near):
            return frozenset()
        # the case asked for, where this unit has its own answer to it
        if claim.figures - self._asked_figures <= source.figures:
            asked = claim.figures & self._asked_figures
            found |= {one for one in asked if within(claim.quantities.get(one, frozenset()), source.text)}
        for figure in claim.figures & source.figures:
            if not self._on_topic(claim.subjects[figure], place, meaning, foreign):
                continue
            counted = claim.quantities.get(figure, frozenset())
            if not all(agrees(quantity, source.quantities, source.kinds) for quantity in counted):
                continue
            if scaled(figure, source.quantities) - {quantity.kind for quantity in counted}:
                continue
            if not any(self._rivals(claim, figure, other, source) for other in nearer if figure not in other.figures):
                found.add(figure)
        return frozenset(found)

    def _lent_by_headings(self, claim: Claim, source: Source) -> frozenset[str]:
        """The figures that stand around a unit, as the same quantity, unless it has others in their place."""
        near = quantities_of(source.near)
        found = set()
        for figure in claim.figures & source.near_figures:
            counted = claim.quantities.get(figure, frozenset())
            same = all(not quantity.kind or quantity in near for quantity in counted)
            if same and (source.row or not another(claim, figure, source)):
                found.add(figure)
        return frozenset(found)

    def _on_topic(self, subject: frozenset[str], place: int, meaning: Sequence[float], foreign: Set[int]) -> bool:
        """Whether a unit speaks of the subject: by its words, by the question's where it is also among the nearest, or
        in another language by its meaning alone."""
        source = self._sources[place]
        if share(subject, source.said) >= _TOPIC_WORDS * len(subject):
            return True
        if not meaning:
            return False
        if source.unit.passage in foreign:
            return meaning[place] >= _ON_TOPIC
        if len(self._asked & source.said) >= max(1, _TOPIC_WORDS * len(self._asked)):
            return True
        return bool(self._asked) and meaning[place] >= max(meaning) - _NEAR

    def _nearer(self, claim: Claim, place: int, meaning: Sequence[float], foreign: Set[int]) -> list[Source]:
        """The units whose words may tell that another one speaks of something else: those as near in meaning. Where
        words cannot be compared, because languages differ or the claim has hardly any, only those that are nearer."""
        if not meaning:
            return self._sources
        own = self._sources[place]
        translated = own.unit.passage in foreign
        found = []
        for at, other in enumerate(self._sources):
            apart = claim.short or translated != (other.unit.passage in foreign)
            if meaning[at] >= meaning[place] + (_EQUAL if apart else -_EQUAL):
                found.append(other)
        return found

    def _rivals(self, claim: Claim, figure: str, other: Source, source: Source) -> bool:
        """Whether another unit holds more of a figure's subject and gives a figure of its kind that the claim lacks."""
        subject = claim.subjects[figure]
        table = other.row and source.row and other.unit.passage == source.unit.passage
        words = other.said if table else other.held  # rows of one table share its header: the rest tells them apart
        return share(subject, words) > share(subject, source.said) and another(claim, figure, other)

    def _spoken_of(self, claim: Claim, chosen: Sequence[int], foreign: Set[int]) -> bool:
        """Whether the passages cited speak of what a figure is given for."""
        texts = self._read(self._sources[place] for place in chosen if self._sources[place].unit.passage not in foreign)
        return not (claim.figures and texts) or not is_of_nothing(claim.text, texts, self._stems)

    def _best(
        self,
        claim: Claim,
        chosen: Sequence[int],
        said: frozenset[str],
        missing: Set[str],
        lent: Sequence[frozenset[str]],
        meaning: Sequence[float],
        preferred: int | None,
    ) -> tuple[int | None, float]:
        best, best_score, best_gain = None, 0.0, 0.0
        for place, source in enumerate(self._sources):
            if place in chosen:
                continue
            words = len((claim.topic - said) & source.held) / len(claim.topic)
            figures = len(missing & lent[place]) / len(missing) if missing else 0.0
            around = 0.3 * len((claim.topic - said) & source.said) / len(claim.topic)
            near = max(0.0, meaning[place] - 0.7) * 2 if meaning else 0.0
            score = words + around + figures + near + (0.15 if source.unit.passage == preferred else 0.0)
            if score > best_score:
                best, best_score, best_gain = place, score, max(words, figures)
        return best, best_gain

    def _leads_elsewhere(self, claim: Claim, chosen: Sequence[int]) -> bool:
        """Whether the claim holds an address that does not stand in a passage it would cite, or one in a syntax that a
        program might follow by itself."""
        found = addresses_of(claim.text)
        if not found:
            return False
        cited = {self._sources[place].unit.passage for place in chosen}
        there = {one for number in cited for one in addresses_of(self._passages[number].chunk.text)}
        return any(is_active(address) or address not in there for address in found)

    def _read(self, sources: Iterable[Source]) -> list[str]:
        """The whole passages that these stand in."""
        cited = [self._passages[number] for number in {source.unit.passage for source in sources}]
        return [f"{passage.title}\n{passage.chunk.indexed_text}" for passage in cited]


def _carried(claim: Claim, words: float, close: float, *, foreign: bool) -> bool:
    if (claim.short and claim.figures) or words >= WORDS_ENOUGH:
        return True
    if foreign:
        return close >= (TRANSLATED_MEANING_WITH_FIGURES if claim.figures else TRANSLATED_MEANING)
    return words >= PARAPHRASE_WORDS and close >= PARAPHRASE_MEANING


def _flat(text: str) -> str:
    return " ".join(visible(text).split())
