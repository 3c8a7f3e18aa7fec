"""The mean length of the rows is a constant, whatever they are and whatever becomes of them."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.store.lengths import _TOLD, MEANS, blanks
from rag.store.terms import Terms
from rag.store.words import WordIndex
from tests.store.makers import chunk, facets

lengths = st.integers(0, 3000)


@settings(deadline=None)
@given(lengths, lengths, lengths)
@example(0, 0, 0)
@example(10_000, 10_000, 70_000)
def test_a_chunk_and_the_rows_beside_it_have_the_mean_length(de: int, en: int, runs: int) -> None:
    even = blanks(de=de, en=en, runs=runs)
    for field, length in {"de": de, "en": en, "runs": runs}.items():
        rows = [length + even.own[field], *(row[field] for row in even.beside)]
        assert sum(rows) == MEANS[field] * len(rows)
        assert all(row in _TOLD for row in rows), "tantivy keeps these lengths as they are"
        assert rows[0] <= length + max(length // 8, 1) or rows[0] == min(own for own in _TOLD if own >= length)


def explained(index: WordIndex, field: str, term: str) -> list[tuple[float, float]]:
    """For each chunk that holds a term its length and the mean length, as tantivy counts with them."""
    searcher = index._index.searcher()
    query = index._queries.term(field, term)
    said = [query.explain(searcher, address).to_json() for _, address in searcher.search(query, limit=1000).hits]
    return [(_figure(text, "dl,"), _figure(text, "avgdl,")) for text in said]


def _figure(text: str, name: str) -> float:
    found = re.search(rf'"value": ([\d.]+),\s+"description": "{name}', text)
    assert found is not None
    return float(found[1])


def test_tantivy_keeps_the_lengths_and_the_mean_through_deletions_and_merges(tmp_path: Path) -> None:
    index, chance, merged = WordIndex(tmp_path / "words"), random.Random(3), False
    for turn in range(30):
        names = [f"{turn}-{number}" for number in range(12)]
        texts = [" ".join(["zwei", *(f"wort{chance.randint(0, 99)}" for _ in range(chance.randint(0, 300)))])] * 12
        index.put([chunk(name, text) for name, text in zip(names, texts, strict=True)], [facets()] * 12)
        index.commit()
        index.delete([chunk(name).id for name in chance.sample(names, 5)])
        index.commit()
        merged |= index._index.searcher().num_segments <= turn
        for field, term in (("de", "zwei"), ("en", "zwei"), ("runs", "wort1")):
            assert {mean for _, mean in explained(index, field, term)} <= {MEANS[field]}
    assert merged and len(index) == 30 * 7
    index.put([chunk("hundert", "zwei " * 100)], [facets()])
    index.commit()
    assert (104.0, 64.0) in explained(index, "de", "zwei")
    index.close()


def test_no_text_holds_a_blank_or_what_parts_a_mark() -> None:
    """Whatever letter there is, its terms have none of the signs the index uses itself, and no gap."""
    terms = Terms()
    for start in range(0, 0x110000, 0x1000):
        text = " ".join(
            f"ab{chr(code)}1-2cd {chr(code)}" for code in range(start, start + 0x1000) if not 0xD800 <= code < 0xE000
        )
        for field, own in terms.of_text(text).items():
            assert not any(set("#|") & set(term) or term.split() != [term] for term in own), (hex(start), field)


@pytest.mark.parametrize("text", ["", "der die das", "🙂"])
def test_a_chunk_without_words_is_a_chunk(tmp_path: Path, text: str) -> None:
    index = WordIndex(tmp_path / "words")
    index.put([chunk("leer", text)], [facets()])
    index.commit()
    assert (len(index), index.ids()) == (1, {"leer"})
    assert index.facets(["docs"]) == {"leer": ("docs", 1)}
    index.close()
