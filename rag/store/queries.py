"""What a question looks for in the word index: its words as tantivy's queries, weighed, and the hits of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import tantivy
from tantivy import Occur, Query

from rag.store.analysis import content_words, identifiers, runs
from rag.store.rarity import Rarity
from rag.store.terms import Terms
from rag.store.ties import tie

_NAME_WEIGHT = 3.0
"""Of an identifier as a whole, whose pieces are words too. It is there or not: neither how often nor beside how many
others is counted."""

_SPARE, _MOST_TIED = 14, 20_000
"""Hits beyond those asked for, to see what ties with the last of them; beyond the most it is not looked at."""

_MOST_RUNS = 256
"""Of a question's runs; one of a thousand words is told by its words."""

_RUN_WEIGHT = 0.3
"""Of a run of letters beside a stem: measured, 0.2 to 0.5 are alike, 0 loses two points where words are compounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Makes queries for an index of this schema, of words cut as it cuts them."""

    schema: tantivy.Schema
    terms: Terms

    def weighed(self, question: str, rarity: Rarity) -> list[tuple[Occur, Query]]:
        """What a question's words are looked for by, each once, and weighed by how rare they are to the reader; without
        what none of the reader's chunks holds."""
        text = " ".join(content_words(question))
        factors = {("de", term): 1.0 for term in self.terms.german(text)}
        factors |= {("en", term): 1.0 for term in self.terms.english(text)}
        factors |= {("runs", run): _RUN_WEIGHT for run in islice(dict.fromkeys(runs(text)), _MOST_RUNS)}
        found = [
            Query.boost_query(self.term(*pair), factor * rarity.correction(*pair))
            for pair, factor in factors.items()
            if rarity.frequency(*pair)
        ]
        found += [
            Query.const_score_query(self.term("names", name), _NAME_WEIGHT * rarity.weight("names", name))
            for name in dict.fromkeys(identifiers(text))
            if rarity.frequency("names", name)
        ]
        return [(Occur.Should, query) for query in found]

    def phrase(self, phrase: str) -> Query:
        """The words of a phrase, one after the other."""
        words = [(place, word) for place, word in enumerate(self.terms.exact(phrase))]
        if not words:
            return Query.empty_query()
        if len(words) == 1:
            return Query.term_query(self.schema, "exact", words[0][1])
        return Query.phrase_query(self.schema, "exact", words)

    def term(self, field: str, term: str) -> Query:
        """One term of a field."""
        return Query.term_query(self.schema, field, term)

    def any_of(self, field: str, values: Sequence[object]) -> Query:
        """Rows that hold one of the values; counts nothing."""
        return Query.const_score_query(Query.term_set_query(self.schema, field, list(values)), 0.0)


def best(searcher: tantivy.Searcher, query: Query, k: int) -> list[tuple[float, tantivy.DocAddress]]:
    """The k best hits, best first, and what ties with the last of them."""
    many = k + _SPARE
    while True:
        hits: list[tuple[float, tantivy.DocAddress]] = searcher.search(query, limit=many, count=False).hits
        end = min(k, len(hits))
        while 0 < end < len(hits) and tie(hits[end - 1][0], hits[end][0]):
            end += 1
        if end < len(hits) or len(hits) < many or many >= _MOST_TIED:
            return hits[:end]
        many *= 8
