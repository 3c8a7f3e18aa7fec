"""What a reader is shown: sentences checked against the passages, with numbered proofs, and where documents differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from rag.answers import Citation, Disagreement, Passage, Sentence
from rag.ask import cite
from rag.ask.check import Checker
from rag.ask.course import Course
from rag.ask.disagreement import conflicts
from rag.ask.flaws import Flaw
from rag.ask.markers import without_markers
from rag.ask.retrieve import Retriever
from rag.ask.rules import Unsupported
from rag.ask.sentences import sentences
from rag.ask.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """Checks what a model wrote. `unsupported`: what becomes of a sentence that nothing supports."""

    retriever: Retriever
    unsupported: Unsupported

    def checker(self, course: Course, given: Sequence[Passage]) -> Checker:
        """Checks against the passages; their sentences are embedded once."""
        embed = self.retriever.embedder.embed_passages
        spoken = self.retriever.ledger.languages(passage.chunk.id for passage in given)

        def meaning(text: str) -> list[float]:
            return [float(value) for value in vectors @ embed([text])[0]]

        def foreign(language: str) -> Set[int]:
            return {n for n, passage in enumerate(given) if spoken.get(passage.chunk.id, language) != language}

        checker = Checker(
            given, stems=self.retriever.words.stems, meaning=meaning, foreign=foreign, question=course.asked
        )
        vectors = embed([unit.text for unit in checker.units])
        return checker

    def checked(
        self, course: Course, statement: Statement, checker: Checker, given: Sequence[Passage]
    ) -> Iterator[Sentence]:
        """The statement once it is checked; what nothing supports waits until something is supported. One that leads to
        an address no passage holds is never shown, not even flagged."""
        text = without_markers(statement.text)
        for sentence in (span.of(text) for span in sentences(text)):
            if not course.repeated(sentence):
                yield from self._judged(course, sentence, statement.source, checker, given)

    def _judged(
        self, course: Course, text: str, source: int, checker: Checker, given: Sequence[Passage]
    ) -> Iterator[Sentence]:
        found = checker.check(text, preferred=source - 1)
        citations = self.verified(course, found.units, given) if found.supported else ()
        sentence = Sentence(text=text, citations=citations, supported=bool(citations))
        if found.flaw is Flaw.ADDRESS or (not citations and self.unsupported is Unsupported.DROP):
            course.dropped += 1
        elif not citations and not course.citations:
            course.held.append(sentence)
        else:
            held, course.held = course.held, []
            for ready in (*held, sentence):
                yield course.shown(ready)

    def verified(self, course: Course, units: Sequence[cite.Unit], shown: Sequence[Passage]) -> tuple[Citation, ...]:
        """Numbered citations whose quote stands in the document now; a sentence cited before keeps its number."""
        made = []
        for unit in units:
            passage = shown[unit.passage]
            known = next((c for c in course.citations if (c.key, c.span) == (passage.key, unit.span)), None)
            if known is None:
                known = cite.citation(unit, passage, marker=len(course.citations) + 1)
                if not cite.verify(known, self.retriever.ledger.document(passage.key)):
                    continue
                course.citations.append(known)
            made.append(known)
        return tuple(made)

    def disagreements(self, course: Course, checker: Checker, given: Sequence[Passage]) -> tuple[Disagreement, ...]:
        """Where what is cited and another current document give different figures for one thing."""
        marks = {(citation.key, citation.span): citation for citation in course.citations}
        cited = [unit for unit in checker.units if (given[unit.passage].key, unit.span) in marks]
        found = []
        for conflict in conflicts(cited, checker.units, given, self.retriever.words.stems):
            one, other = (
                marks.get((given[unit.passage].key, unit.span)) or cite.citation(unit, given[unit.passage], marker=0)
                for unit in (conflict.one, conflict.other)
            )
            if cite.verify(other, self.retriever.ledger.document(other.key)):
                found.append(Disagreement(one=one, other=other))
        return tuple(found)
