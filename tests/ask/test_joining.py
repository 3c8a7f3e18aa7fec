"""Neighbours read as one, and nothing else changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answers import Passage
from rag.ask.cite import citation, units_of, verify
from rag.ask.joining import MOST_CHARS, MOST_CHUNKS, joined
from rag.ask.searched import Retrieved
from rag.documents import Chunk, ChunkId, DocumentId, Span
from rag.identity import person
from tests.standins import Shelf

SENTENCE = "Der Urlaub beträgt im Kalenderjahr {} Arbeitstage, und zwar für alle, die in der Abteilung {} arbeiten. "


class Paper:
    """A document cut into chunks: `gaps` stand between them and belong to none."""

    def __init__(self, key: str, *pieces: str, gap: str = "\n\n", context: str = "Titel") -> None:
        self.key, self.version = key, "1"
        self.text = gap.join(pieces)
        self.chunks: list[Chunk] = []
        start = 0
        for ordinal, piece in enumerate(pieces):
            self.chunks.append(
                Chunk(
                    id=ChunkId(f"{key}-{ordinal}"),
                    document_id=DocumentId(f"house:{key}"),
                    version="1",
                    span=Span(start=start, end=start + len(piece)),
                    ordinal=ordinal,
                    text=piece,
                    context=context,
                    headings=("§ 1",),
                    page=1,
                )
            )
            start += len(piece) + len(gap)

    def change(self, number: int, /, **fields: object) -> None:
        self.chunks[number] = replace(self.chunks[number], **fields)  # type: ignore[arg-type]

    def found(self, *ordinals: int) -> list[Passage]:
        return ranked([self.chunks[ordinal] for ordinal in ordinals])


class Library:
    """The documents as they are now; counts how often it was asked."""

    def __init__(self, *papers: Paper) -> None:
        self.papers = {paper.key: paper for paper in papers}
        self.asked: list[set[str]] = []

    def __call__(self, keys: Collection[str]) -> Mapping[str, tuple[str, str]]:
        self.asked.append(set(keys))
        return {key: (self.papers[key].version, self.papers[key].text) for key in keys if key in self.papers}


def ranked(chunks: list[Chunk]) -> list[Passage]:
    return [
        Passage(chunk=chunk, title="", uri="", score=1.0 - place / 1000, key=chunk.document_id.removeprefix("house:"))
        for place, chunk in enumerate(chunks)
    ]


def texts(passages: list[Passage]) -> list[str]:
    return [passage.chunk.text for passage in passages]


def test_neighbours_become_one_passage_at_the_better_ones_place() -> None:
    paper, other = Paper("a", "eins", "zwei", "drei"), Paper("b", "vier")
    given_ = ranked([other.chunks[0], paper.chunks[1], paper.chunks[0]])
    first, second = joined(given_, k=3, texts=Library(paper, other))
    assert first == given_[0]
    assert (second.chunk.text, second.chunk.span) == ("eins\n\nzwei", Span(start=0, end=10))
    assert (second.chunk.id, second.score) == (paper.chunks[1].id, given_[1].score)
    assert second.chunk.ordinal == 0


def test_a_passage_between_two_brings_them_together() -> None:
    paper = Paper("a", "eins", "zwei", "drei")
    assert texts(joined(paper.found(0, 2, 1), k=3, texts=Library(paper))) == ["eins\n\nzwei\n\ndrei"]


def test_the_context_is_the_first_ones() -> None:
    head = "| Jahr | Tage |"
    paper = Paper("a", f"{head}\n| 2023 | 28 |", "| 2024 | 30 |", gap="\n")
    paper.change(1, context=f"Titel\n{head}")
    (found,) = joined(paper.found(1, 0), k=2, texts=Library(paper))
    assert (found.chunk.context, found.chunk.text) == ("Titel", paper.text)


def test_what_moves_up_fills_the_list() -> None:
    paper, other = Paper("a", "eins", "zwei"), Paper("b", "drei")
    given_ = ranked([*paper.chunks, other.chunks[0]])
    assert texts(joined(given_, k=2, texts=Library(paper, other))) == ["eins\n\nzwei", "drei"]


def test_no_more_than_asked_for_come_back() -> None:
    papers = [Paper(str(number), f"Text {number}") for number in range(5)]
    assert len(joined(ranked([paper.chunks[0] for paper in papers]), k=3, texts=Library(*papers))) == 3


def test_a_neighbour_beyond_a_full_list_is_not_fetched() -> None:
    paper, other = Paper("a", "eins", "zwei"), Paper("b", "drei")
    given_ = ranked([paper.chunks[0], other.chunks[0], paper.chunks[1]])
    assert texts(joined(given_, k=2, texts=Library(paper, other))) == ["eins", "drei"]


def test_no_passage_grows_beyond_three_chunks() -> None:
    paper = Paper("a", *(f"Satz {number}." for number in range(7)))
    found = joined(paper.found(*range(7)), k=9, texts=Library(paper))
    assert [len(text.split("\n\n")) for text in texts(found)] == [3, 3, 1]


def test_no_passage_grows_beyond_its_length() -> None:
    long = "x" * 700
    paper = Paper("a", long, long, long)
    assert [len(text) for text in texts(joined(paper.found(0, 1, 2), k=3, texts=Library(paper)))] == [1402, 700]


@pytest.mark.parametrize(
    "fields",
    [
        {"ordinal": 2},
        {"page": 2},
        {"headings": ("§ 2",)},
        {"context": "Anderes"},
        {"context": ""},
        {"context": "Titel\n| Jahr | Tage |"},
        {"version": "2"},
        {"span": Span(start=3, end=7)},
        {"text": "| 2024 | 30 |"},
    ],
)
def test_what_does_not_read_on_stays_apart(fields: dict[str, object]) -> None:
    library = Library(paper := Paper("a", "eins", "zwei"))
    paper.change(1, **fields)
    assert joined(paper.found(0, 1), k=2, texts=library) == paper.found(0, 1)
    assert library.asked == []


def test_two_tables_stay_apart_though_both_stand_under_one_heading() -> None:
    """The second one's rows would be read under the first one's header."""
    paper = Paper("a", "| Jahr | Tage |\n| 2023 | 28 |", "| Monat | Euro |\n| Mai | 30 |")
    assert len(joined(paper.found(0, 1), k=2, texts=Library(paper))) == 2


def test_later_rows_are_not_joined_to_what_follows_the_table() -> None:
    paper = Paper("a", "| 2024 | 30 |", "Danach wieder Text.")
    paper.change(0, context="Titel\n| Jahr | Tage |")
    assert len(joined(paper.found(0, 1), k=2, texts=Library(paper))) == 2


def test_later_rows_of_one_table_are_joined_under_its_header() -> None:
    paper = Paper("a", "| 2024 | 30 |", "| 2025 | 31 |", gap="\n", context="Titel\n| Jahr | Tage |")
    (found,) = joined(paper.found(0, 1), k=2, texts=Library(paper))
    assert found.chunk.context == "Titel\n| Jahr | Tage |"


def test_chunks_of_the_same_place_in_two_documents_stay_apart() -> None:
    one, other = Paper("a", "eins", "zwei"), Paper("b", "eins", "zwei")
    assert len(joined(ranked([one.chunks[0], other.chunks[1]]), k=2, texts=Library(one, other))) == 2


def test_a_document_that_changed_meanwhile_stays_unjoined_in_its_order() -> None:
    paper, other = Paper("a", "eins", "zwei"), Paper("b", "drei")
    given_ = ranked([paper.chunks[0], other.chunks[0], paper.chunks[1]])
    paper.version = "2"
    assert joined(given_, k=3, texts=Library(paper, other)) == given_


def test_a_list_stays_as_short_as_asked_for_where_neighbours_stay_unjoined() -> None:
    paper, other = Paper("a", "eins", "zwei"), Paper("b", "drei")
    paper.version = "2"
    found = joined(ranked([*paper.chunks, other.chunks[0]]), k=2, texts=Library(paper, other))
    assert texts(found) == ["eins", "zwei"]


def test_a_passage_between_two_that_are_too_much_together_goes_to_the_better_one() -> None:
    paper = Paper("a", "eins", "zwei", "drei", "vier")
    assert texts(joined(paper.found(1, 3, 0, 2), k=4, texts=Library(paper))) == ["eins\n\nzwei\n\ndrei", "vier"]


def test_a_document_that_is_gone_stays_unjoined() -> None:
    paper = Paper("a", "eins", "zwei")
    assert joined(paper.found(0, 1), k=2, texts=Library()) == paper.found(0, 1)


def test_a_text_that_is_not_what_the_chunks_say_stays_unjoined() -> None:
    paper = Paper("a", "eins", "zwei")
    paper.text = "EINS\n\nzwei"
    assert len(joined(paper.found(0, 1), k=2, texts=Library(paper))) == 2


def test_words_between_two_chunks_are_not_shown_with_them() -> None:
    """Nothing comes in that was not found, and so was not checked."""
    paper = Paper("a", "eins", "zwei", gap=" geheim ")
    assert len(joined(paper.found(0, 1), k=2, texts=Library(paper))) == 2


def test_the_documents_are_read_once_and_only_where_something_is_adjacent() -> None:
    one, other, third = Paper("a", "eins", "zwei"), Paper("b", "drei", "vier"), Paper("c", "fünf")
    library = Library(one, other, third)
    joined(ranked([*one.chunks, *other.chunks, *third.chunks]), k=9, texts=library)
    assert library.asked == [{"a", "b"}]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[Passage], Library]:
    papers = []
    for key in draw(st.lists(st.sampled_from("abc"), unique=True)):
        pieces = draw(st.lists(st.text("xyÄ🙂 ", min_size=1, max_size=900), min_size=1, max_size=8))
        paper = Paper(key, *pieces, gap=draw(st.sampled_from(["", "\n", " \n\n"])))
        for ordinal in range(len(pieces)):
            paper.change(ordinal, page=draw(st.sampled_from([1, 1, 1, 2])))
        papers.append(paper)
    chunks = draw(st.permutations([chunk for paper in papers for chunk in paper.chunks]))
    kept = chunks[: draw(st.integers(0, len(chunks)))]
    return ranked(list(kept)), Library(*papers)


def places(passages: list[Passage]) -> list[tuple[str, int]]:
    """Every code point that is shown, white space between chunks left out."""
    return sorted(
        (one.key, one.chunk.span.start + offset)
        for one in passages
        for offset, sign in enumerate(one.chunk.text)
        if not sign.isspace()
    )


@given(rankings())
def test_every_text_is_shown_once_and_none_is_lost(case: tuple[list[Passage], Library]) -> None:
    given_, library = case
    shown = places(joined(given_, k=len(given_), texts=library))
    assert shown == places(given_)
    assert len(set(shown)) == len(shown)


@given(rankings(), st.integers(1, 6))
def test_a_joined_passage_is_its_documents_text_and_not_too_long(case: tuple[list[Passage], Library], k: int) -> None:
    given_, library = case
    by_id = {one.chunk.id: one.chunk for one in given_}
    for one in joined(given_, k=k, texts=library):
        assert one.chunk.span.of(library.papers[one.key].text) == one.chunk.text
        if one.chunk.text != by_id[one.chunk.id].text:
            held = [c for c in by_id.values() if c.document_id == one.chunk.document_id and _within(c, one.chunk)]
            assert 2 <= len(held) <= MOST_CHUNKS
            assert len(one.chunk.text) <= MOST_CHARS
            assert {c.page for c in held} == {one.chunk.page}


def _within(inner: Chunk, outer: Chunk) -> bool:
    return outer.span.start <= inner.span.start and inner.span.end <= outer.span.end


@given(rankings(), st.integers(1, 6))
def test_the_order_is_kept_and_the_list_is_full(case: tuple[list[Passage], Library], k: int) -> None:
    given_, library = case
    found = joined(given_, k=k, texts=library)
    order = [one.chunk.id for one in given_]
    at = [order.index(one.chunk.id) for one in found]
    assert at == sorted(at)
    assert [one.score for one in found] == [given_[place].score for place in at]
    assert len(found) == k or (len(found) < k and places(found) == places(given_))


def test_citations_in_a_joined_passage_stand_in_the_document(own_shelf: Shelf) -> None:
    text = "".join(SENTENCE.format(number, number * 7) for number in range(20, 32))
    key = own_shelf.put("urlaub.txt", f"Vorspann. {text}")
    passages = own_shelf.retriever.retrieve("Urlaub im Kalenderjahr", principal=person("anna", {}), k=8).passages
    document = own_shelf.ledger.document(key)
    assert document is not None
    assert all(one.chunk.span.of(document.text) == one.chunk.text for one in passages)
    chunks = [chunk for chunk, _, _ in own_shelf.ledger.indexed(embedder="words@1")]
    assert len(chunks) > len(passages), "nothing was joined"
    units = units_of(passages)
    assert len(units) >= 12
    assert all(verify(citation(unit, passages[unit.passage], 1), document) for unit in units)


def test_the_evidence_is_that_of_the_chunks_as_they_were_found(
    own_shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_shelf.put("urlaub.txt", "".join(SENTENCE.format(number, number * 7) for number in range(20, 32)))

    def found() -> Retrieved:
        question = "Wie viele Arbeitstage Urlaub hat die Abteilung 147 und welche die Abteilung 210?"
        return own_shelf.retriever.retrieve(question, principal=person("anna", {}), k=5)

    several = found()
    monkeypatch.setattr("rag.ask.joining.MOST_CHUNKS", 1)
    alone = found()
    assert len(several.passages) < len(alone.passages), "nothing was joined"
    assert several.features == alone.features
    assert several.evidence == alone.evidence
