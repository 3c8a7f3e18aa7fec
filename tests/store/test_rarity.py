"""Words weigh what they weigh among the chunks a reader may see."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from rag.access import Grant
from rag.documents import ChunkId
from rag.store.lengths import MEANS, blanks
from rag.store.rarity import Rarity
from rag.store.terms import Terms
from rag.store.words import WordIndex
from tests.store.makers import chunk, facets

_VOCABULARY = [f"wort{number}" for number in range(30)] + ["Urlaub", "Antrag", "RL-2024-07"]
_QUESTION = "Urlaub wort1 wort2 wort3 RL-2024-07"
_CLASSES = 40


@pytest.fixture(scope="module")
def texts() -> dict[str, tuple[str, int]]:
    """Name → text and rights class."""
    chance = random.Random(4)
    made = {}
    for number in range(160):
        words = chance.choices(_VOCABULARY, k=chance.randint(1, 90))
        made[f"c{number}"] = (" ".join(words), chance.randint(1, _CLASSES))
    return made


@pytest.fixture(scope="module")
def words(texts: dict[str, tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordIndex]:
    index = WordIndex(tmp_path_factory.mktemp("rarity") / "words")
    for start in range(0, len(texts), 40):
        some = list(texts.items())[start : start + 40]
        index.put([chunk(name, text) for name, (text, _) in some], [facets(own) for _, (_, own) in some])
        index.commit()
    yield index
    index.close()


def bm25(question: str, visible: dict[str, str]) -> dict[str, float]:
    """The same by hand, over nothing but these texts."""
    terms = Terms()
    chunks = {name: terms.of_text(text) for name, text in visible.items()}
    evened = {name: blanks(**{field: len(own[field]) for field in MEANS}).own for name, own in chunks.items()}
    asked = terms.of_text(question)
    scores: Counter[str] = Counter()
    for field, factor in (("de", 1.0), ("en", 1.0), ("runs", 0.3), ("names", 3.0)):
        for term in dict.fromkeys(asked[field]):
            held = sum(term in own[field] for own in chunks.values())
            weight = math.log(1 + (len(chunks) - held + 0.5) / (held + 0.5))
            for name, own in chunks.items():
                often = own[field].count(term)
                if field == "names":
                    scores[name] += factor * weight * bool(often)
                    continue
                length = (len(own[field]) + evened[name][field]) / MEANS[field]
                scores[name] += factor * weight * 2.2 * often / (often + 1.2 * (0.25 + 0.75 * length))
    return {name: score for name, score in scores.items() if score}


@pytest.mark.parametrize("classes", [{3}, set(range(1, 9)), set(range(1, 30)), set(range(1, 41)), set(range(1, 500))])
def test_scores_are_bm25_over_what_the_reader_may_see_and_nothing_else_6(
    words: WordIndex, texts: dict[str, tuple[str, int]], classes: Collection[int]
) -> None:
    grant = Grant(acl_classes=frozenset(classes))
    expected = bm25(_QUESTION, {name: text for name, (text, own) in texts.items() if own in classes})
    found = dict(words.search(_QUESTION, grant=grant, k=1000))
    assert found == pytest.approx(expected, rel=1e-4)
    asked = [ChunkId(name) for name in list(expected)[:9]]
    assert words.scores(_QUESTION, asked, grant=grant) == pytest.approx(
        {name: expected[name] for name in asked}, rel=1e-4
    )


@pytest.mark.parametrize("classes", [{1, 2}, set(range(1, 25)), set(range(1, 41))])
def test_a_word_is_counted_once_for_each_chunk_that_holds_it(
    words: WordIndex, texts: dict[str, tuple[str, int]], classes: Collection[int]
) -> None:
    rarity, terms = Rarity(words._index.searcher(), classes), Terms()
    visible = [terms.of_text(text) for text, own in texts.values() if own in classes]
    assert rarity.chunks == len(visible)
    for field, term in (
        ("de", "urlaub"),
        ("en", "antrag"),
        ("runs", "wort1"),
        ("names", "rl-2024-07"),
        ("de", "fehlt"),
    ):
        assert rarity.frequency(field, term) == sum(term in own[field] for own in visible)


def test_filters_change_no_score(words: WordIndex) -> None:
    grant = Grant(acl_classes=frozenset(range(1, 41)))
    narrow = Grant(acl_classes=grant.acl_classes, chunks=frozenset({"c1", "c2", "c3", "c4"}))
    scores = dict(words.search(_QUESTION, grant=grant, k=1000))
    few = dict(words.search(_QUESTION, grant=narrow, k=1000))
    assert few and few == pytest.approx({name: scores[name] for name in few})


def test_who_may_read_nothing_is_told_nothing(words: WordIndex) -> None:
    nobody = Grant(acl_classes=frozenset())
    assert words.search(_QUESTION, grant=nobody, k=9) == []
    assert words.scores(_QUESTION, [ChunkId("c1")], grant=nobody) == {"c1": 0.0}
    assert words.coverage("Urlaub wort1", ["Urlaub"], grant=nobody) == [0.5]


def test_copies_at_the_end_of_a_list_are_chosen_by_id(tmp_path: Path) -> None:
    index = WordIndex(tmp_path / "words")
    names = random.Random(2).sample([f"k{number:03}" for number in range(120)], 120)
    for start in range(0, 120, 30):
        some = names[start : start + 30]
        index.put([chunk(name, "Urlaub im Werk") for name in some], [facets()] * len(some))
        index.commit()
    found = index.search("Urlaub", grant=Grant(acl_classes=frozenset({1})), k=5)
    assert [name for name, _ in found] == ["k000", "k001", "k002", "k003", "k004"]
    index.close()


def test_a_compound_is_taken_apart_only_by_words_the_reader_could_find_6(tmp_path: Path) -> None:
    index = WordIndex(tmp_path / "words")
    index.put([chunk("mine", "Tage"), chunk("theirs", "Vorstandsgehalt")], [facets(1), facets(2)])
    index.commit()
    mine, both = (Grant(acl_classes=frozenset(own)) for own in ({1}, {1, 2}))
    assert index.coverage("Vorstandsgehaltstage", ["Tage"], grant=mine) == [0.0]
    assert index.coverage("Vorstandsgehaltstage", ["Tage"], grant=both) == [0.5]
    index.close()
