from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.documents import Chunk, Document, DocumentId, DocumentRef, Section, Span
from rag.ingest.chunk import CAPACITY, chunk

words = st.text(alphabet="abcdeäöüß .,;:-0123456789", min_size=1, max_size=60)
strange = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)
paragraphs = st.one_of(words, strange, words.map(lambda text: text * 20))
prose = st.lists(paragraphs, min_size=1, max_size=5).map("\n\n".join)
rows = st.lists(st.text(alphabet="abc 123äß", min_size=1, max_size=40), min_size=1, max_size=4).map(" | ".join)
tables = st.lists(rows, min_size=1, max_size=30).map("\n".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Sections of prose and tables over several pages, with white space between them and within."""
    text, sections, page = "", [], 1
    for _ in range(draw(st.integers(1, 5))):
        table = draw(st.booleans())
        body = draw(tables if table else prose)
        page += draw(st.integers(0, 1))
        headings = tuple(draw(st.lists(words.filter(str.strip), max_size=2)))
        span = Span(start=len(text), end=len(text) + len(body))
        sections.append(Section(span=span, headings=headings, page=page, table=table))
        text += body + draw(st.sampled_from(["", "\n", "\n\n \n"]))
    return document(text, *sections, title=draw(words))


def document(text: str, *sections: Section, title: str = "Ordnung", name: str = "s:ordnung.txt") -> Document:
    return Document(
        ref=DocumentRef(id=DocumentId(name), key="k" * 24, version="v"),
        title=title,
        uri="file:///x",
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        language="de",
        text=text,
        sections=sections or (Section(span=Span(start=0, end=len(text))),),
    )


def cut(made: Document, budget: int | None = None) -> tuple[Chunk, ...]:
    return chunk(made, recipe="r", fits=(lambda text: True) if budget is None else (lambda text: len(text) <= budget))


def of_section(made: Document, part: Chunk) -> list[Section]:
    return [s for s in made.sections if s.span.start < part.span.end and part.span.start < s.span.end]


@given(documents())
def test_a_chunk_is_exactly_the_text_of_its_span(made: Document) -> None:
    assert all(part.span.of(made.text) == part.text for part in cut(made))


@given(documents(), st.sampled_from([None, 120, 300]))
def test_chunks_in_order_cover_all_that_is_not_white_space(made: Document, budget: int | None) -> None:
    parts = cut(made, budget)
    assert all(one.span.end <= other.span.start for one, other in pairwise(parts))
    edges = [0, *(edge for part in parts for edge in (part.span.start, part.span.end)), len(made.text)]
    left_out = "".join(made.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    assert not left_out.strip()


@given(documents())
def test_no_chunk_reaches_over_a_page(made: Document) -> None:
    for part in cut(made):
        assert {section.page for section in of_section(made, part)} == {part.page}


@given(documents())
def test_no_chunk_holds_table_and_prose(made: Document) -> None:
    for part in cut(made):
        touched = of_section(made, part)
        assert len(touched) == 1 or not any(section.table for section in touched)


@given(documents())
def test_no_chunk_is_longer_than_the_bound_and_none_is_empty(made: Document) -> None:
    for part in cut(made):
        assert part.text.strip()
        assert len(part.text) <= CAPACITY[1]


@given(documents(), st.integers(60, 500))
def test_every_chunk_with_its_context_fits_the_embedder(made: Document, budget: int) -> None:
    assert all(len(part.indexed_text) <= budget for part in cut(made, budget))


@given(documents())
def test_ids_are_unique_stable_and_the_ordinals_count_up(made: Document) -> None:
    parts = cut(made)
    assert len({part.id for part in parts}) == len(parts)
    assert [part.id for part in cut(made)] == [part.id for part in parts]
    assert [part.ordinal for part in parts] == list(range(len(parts)))


def test_ids_change_with_key_version_and_recipe() -> None:
    first = document("Text")
    others = [
        document("Text", name="s:anders.txt"),
        Document(**{**fields(first), "ref": DocumentRef(id=first.ref.id, key="other", version="v")}),
        Document(**{**fields(first), "ref": DocumentRef(id=first.ref.id, key=first.ref.key, version="w")}),
    ]
    ids = [cut(made)[0].id for made in (first, *others)] + [chunk(first, recipe="q")[0].id]
    assert ids[0] == ids[1], "a move keeps them"
    assert len(set(ids)) == 4


def fields(made: Document) -> dict[str, object]:
    return {name: getattr(made, name) for name in Document.__slots__}


def table(rows: int) -> Document:
    text = "\n".join(["Name | Betrag", *(f"Zeile {number} | {number * 1000},00 Euro" for number in range(rows))])
    return document(text, Section(span=Span(start=0, end=len(text)), headings=("Kosten",), table=True))


def test_a_long_table_is_cut_between_rows_and_each_later_piece_knows_the_header() -> None:
    first, *others = cut(table(100))
    assert first.text.startswith("Name | Betrag")
    assert first.context == "Ordnung › Kosten"
    assert others
    for part in others:
        assert part.text.startswith("Zeile ")
        assert part.text.endswith(" Euro")
        assert part.context == "Ordnung › Kosten\nName | Betrag"


def test_a_piece_of_a_table_that_is_halved_for_the_embedder_knows_the_header_too() -> None:
    first, *others = cut(table(20), budget=200)
    assert first.context == "Ordnung › Kosten"
    assert len(others) > 2
    assert all(part.context.endswith("\nName | Betrag") for part in others)


def test_short_neighbours_on_one_page_are_read_together_under_what_they_share() -> None:
    text = "Erster Absatz.\nZweiter Absatz."
    made = document(
        text,
        Section(span=Span(start=0, end=14), headings=("A", "A.1"), page=1),
        Section(span=Span(start=15, end=len(text)), headings=("A", "A.2"), page=1),
    )
    (part,) = cut(made)
    assert (part.text, part.headings) == (text, ("A",))


def test_a_context_that_is_longer_than_the_embedder_takes_is_shortened_not_the_text() -> None:
    made = document("Kurzer Text", title="Sehr langer Titel " * 20)
    (part,) = cut(made, budget=64)
    assert part.text == "Kurzer Text"
    assert len(part.indexed_text) <= 64
    assert part.context.startswith("Sehr lang")


def test_of_a_deep_path_the_title_and_the_two_nearest_headings_are_kept() -> None:
    text = "Der Vermieter kann eine Sicherheit verlangen."
    path = ("BGB", "Buch 2", "Abschnitt 8", "Titel 5", "Untertitel 2 - Wohnraum", "§ 551 " + "Begrenzung " * 20)
    section = Section(span=Span(start=0, end=len(text)), headings=path)
    (only,) = cut(document(text, section, title="BGB", name="s:bgb.txt"))
    assert only.context == "BGB › Untertitel 2 - Wohnraum › " + path[-1][:80]
    assert only.headings == path
