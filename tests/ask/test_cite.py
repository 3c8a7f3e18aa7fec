"""Which sentences carry a statement, and when none does."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.answers import Citation, Passage
from rag.ask import check, cite
from rag.ask.check import Checker, Support
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Span


def stems(text: str) -> frozenset[str]:
    """Content words by their first six letters; good enough to stand for a stemmer."""
    little = {"der", "die", "das", "ist", "und", "the", "is", "a", "of", "in", "im", "am", "bis", "zum", "für"}
    return frozenset(word[:6] for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in little)


def passage(text: str, *, start: int = 0, context: str = "", number: int = 0) -> Passage:
    chunk = Chunk(
        id=ChunkId(f"c{number}"),
        document_id=DocumentId(f"house:{number}.txt"),
        version="1",
        span=Span(start=start, end=start + len(text)),
        ordinal=0,
        text=text,
        context=context,
        headings=("§ 3",),
        page=2,
    )
    return Passage(chunk=chunk, title="Ordnung", uri="file:///ordnung", score=1.0, key=f"key{number}")


def support(
    statement: str,
    *texts: str,
    context: str = "",
    meaning: list[float] | None = None,
    foreign: frozenset[int] = frozenset(),
) -> Support:
    passages = [passage(text, number=number, context=context) for number, text in enumerate(texts)]
    checker = Checker(passages, stems=stems, meaning=lambda text: meaning or [], foreign=lambda language: foreign)
    return checker.check(statement)


LEAVE = "Der Urlaub beträgt 30 Arbeitstage. Der Antrag ist bis zum 24. Dezember 2024 um 14:30 Uhr zu stellen."


def test_a_statement_in_the_passages_own_words_is_supported_by_its_sentence() -> None:
    found = support("Der Urlaub beträgt 30 Arbeitstage.", LEAVE)
    assert found.supported
    assert [unit.text for unit in found.units] == ["Der Urlaub beträgt 30 Arbeitstage."]


@pytest.mark.parametrize(
    "statement",
    [
        "Der Urlaub beträgt 31 Arbeitstage.",
        "Der Urlaub beträgt einunddreißig Arbeitstage.",
        "Der Antrag ist bis zum 23. Dezember 2024 um 14:30 Uhr zu stellen.",
        "Der Antrag ist bis zum 24. November 2024 um 14:30 Uhr zu stellen.",
        "Der Antrag ist bis zum 24.12.2025 um 14:30 Uhr zu stellen.",
        "Der Antrag ist bis zum 24. Dezember 2024 um 14:35 Uhr zu stellen.",
        "Der Antrag ist bis zum Montag, den 24. Dezember 2024, um 14:30 Uhr zu stellen.",
    ],
)
def test_a_changed_figure_or_date_is_not_supported(statement: str) -> None:
    assert not support(statement, LEAVE).supported


@pytest.mark.parametrize(
    "statement",
    [
        "Der Urlaub beträgt dreißig Arbeitstage.",
        "Der Antrag ist bis zum 24.12.2024 um 14.30 Uhr zu stellen.",
    ],
)
def test_the_same_figure_spelled_otherwise_is_supported(statement: str) -> None:
    assert support(statement, LEAVE).supported


def test_a_person_called_by_another_name_is_not_supported() -> None:
    text = "Frau Krahl genehmigt die Dienstreisen der Abteilung."
    assert support("Frau Krahl genehmigt die Dienstreisen.", text).supported
    assert support("Die Genehmigung der Dienstreisen der Abteilung ist Frau Krahls Sache: genehmigt.", text).supported
    assert not support("Frau Beyer genehmigt die Dienstreisen.", text).supported


def test_a_figure_from_a_sentence_about_something_else_lends_no_support() -> None:
    assert not support("Der Urlaub beträgt 24 Arbeitstage.", LEAVE, "Es gibt 24 Parkplätze.").supported


def test_a_figure_from_a_sentence_that_shares_but_a_word_lends_no_support() -> None:
    statement = "Der Urlaub beträgt im Kalenderjahr 24 Arbeitstage."
    other = "Die Probezeit beträgt 24 Wochen."
    assert not support(statement, LEAVE, other, meaning=[0.98, 0.9, 0.97]).supported


@pytest.mark.parametrize("word", ["nicht", "niemals", "keine"])
def test_a_denial_that_stands_in_no_sentence_is_not_supported(word: str) -> None:
    statement = f"Der Urlaub beträgt {word} 30 Arbeitstage."
    assert not support(statement, LEAVE, meaning=[0.99, 0.7]).supported


def test_a_denial_in_other_words_is_supported() -> None:
    assert support(
        "Rauchen im Lager ist nicht gestattet.", "Im Lager ist das Rauchen untersagt.", meaning=[0.95]
    ).supported
    assert support("Smoking in the store isn't allowed.", "No smoking in the store is allowed.").supported


def test_a_figure_in_the_heading_or_table_header_around_a_sentence_counts_as_said() -> None:
    row = "Leeds: zehn Wochen."
    assert not support("Leeds: zehn Wochen nach 2 Jahren.", row).supported
    assert support("Leeds: zehn Wochen nach 2 Jahren.", row, context="Nach 2 Jahren").supported


def test_a_second_sentence_is_cited_where_it_holds_what_the_first_lacks() -> None:
    found = support(
        "Urlaub beträgt 30 Arbeitstage, Sonderurlaub beträgt 2 Arbeitstage.",
        LEAVE,
        "Der Sonderurlaub beträgt 2 Arbeitstage.",
    )
    assert found.supported
    assert sorted(unit.text for unit in found.units) == [
        "Der Sonderurlaub beträgt 2 Arbeitstage.",
        "Der Urlaub beträgt 30 Arbeitstage.",
    ]


def test_a_second_sentence_that_adds_nothing_is_not_cited() -> None:
    assert len(support("Der Urlaub beträgt 30 Arbeitstage.", LEAVE, LEAVE).units) == 1


def test_another_languages_words_are_carried_by_their_meaning() -> None:
    statement = "Employees get 30 days off."
    near, far = [check.TRANSLATED_MEANING_WITH_FIGURES + 0.01, 0.7], [check.TRANSLATED_MEANING_WITH_FIGURES - 0.01, 0.7]
    assert support(statement, LEAVE, meaning=near, foreign=frozenset({0})).supported
    assert not support(statement, LEAVE, meaning=far, foreign=frozenset({0})).supported


def test_without_a_figure_another_languages_words_need_more_meaning() -> None:
    statement, almost = "Employees get days off.", check.TRANSLATED_MEANING - 0.01
    assert support(statement, LEAVE, meaning=[check.TRANSLATED_MEANING, 0.7], foreign=frozenset({0})).supported
    assert not support(statement, LEAVE, meaning=[almost, 0.7], foreign=frozenset({0})).supported


def test_in_one_language_meaning_alone_carries_nothing() -> None:
    assert not support("Die Geschäftsleitung genehmigt Dienstreisen.", LEAVE, meaning=[0.99, 0.99]).supported


def test_meaning_does_not_excuse_a_changed_figure() -> None:
    statement = "Employees get 31 days off."
    assert not support(statement, LEAVE, meaning=[0.99, 0.7], foreign=frozenset({0})).supported


def test_between_equal_sentences_the_passage_the_model_named_wins() -> None:
    passages = [passage("Der Urlaub beträgt 30 Tage.", number=number) for number in (0, 1, 2)]
    found = Checker(passages, stems=stems).check("Der Urlaub beträgt 30 Tage.", preferred=2)
    assert [unit.passage for unit in found.units] == [2]


@pytest.mark.parametrize("statement", ["", "   ", "Ganz andere Dinge stehen hier geschrieben."])
def test_a_statement_without_a_sentence_for_it_is_not_supported(statement: str) -> None:
    assert not support(statement, LEAVE).supported
    assert not support(statement).supported


SUPPORTED = (
    "Der Urlaub beträgt 30 Arbeitstage im Jahr.",
    "Das Mittagessen kostet 6,50 Euro je Person.",
    "Die Kantine ist von 11:30 bis 14:00 Uhr geöffnet.",
    "Die Frist endet am 24. Dezember 2024 im Büro.",
    "The budget for training is 12,500 euros a year.",
    "Ab dem dritten Tag ist eine Bescheinigung vorzulegen.",
    "Nach vier Wochen erlischt der Anspruch auf Ausgleich.",
    "Das Gerät arbeitet mit 0,125 bar bei 24 Volt.",
)
DIGITS = [(text, match.start()) for text in SUPPORTED for match in re.finditer(r"\d", text)]


def test_every_sentence_supports_itself() -> None:
    assert all(support(text, *SUPPORTED).supported for text in SUPPORTED)


def test_a_statement_with_any_one_digit_changed_is_not_supported() -> None:
    changed = [
        text[:place] + digit + text[place + 1 :]
        for text, place in DIGITS
        for digit in "0123456789"
        if digit != text[place]
    ]
    believed = [text for text in changed if support(text, *SUPPORTED).supported]
    assert len(changed) > 200
    assert len(believed) <= 1, believed


WORDS = st.lists(st.sampled_from("Urlaub Antrag Frist Gerät beträgt gilt Jahr Woche".split()), min_size=3, max_size=8)
PARAGRAPH = st.lists(WORDS.map(lambda words: " ".join(words) + "."), min_size=1, max_size=6).map(" ".join)


@given(PARAGRAPH, st.text(max_size=20), st.text(max_size=20))
def test_every_quote_is_verbatim_by_construction(text: str, before: str, after: str) -> None:
    whole = before + text + after
    found = passage(text, start=len(before))
    for unit in cite.units_of([found]):
        assert cite.verify(cite.citation(unit, found, marker=1), document(whole))


@given(PARAGRAPH, st.integers(-3, 3), st.integers(-3, 3))
def test_a_shifted_span_is_not_verified_unless_the_text_there_is_the_quote(text: str, start: int, end: int) -> None:
    made = quoted(text)
    shifted = Span(start=made.span.start + start, end=made.span.end + end)
    assume(shifted != made.span)
    assert cite.verify(replace(made, span=shifted), document(text)) == (shifted.of(text) == made.quote)


@given(PARAGRAPH, st.integers(0, 200), st.sampled_from("xyz ."))
def test_an_altered_quote_is_not_verified(text: str, place: int, letter: str) -> None:
    made = quoted(text)
    place %= len(made.quote)
    altered = made.quote[:place] + letter + made.quote[place + 1 :]
    assume(altered != made.quote)
    assert not cite.verify(replace(made, quote=altered), document(text))


def test_nothing_is_verified_against_no_document_and_no_quote_is_none() -> None:
    made = quoted("Der Urlaub beträgt 30 Tage.")
    assert not cite.verify(made, None)
    assert not cite.verify(replace(made, quote="", span=Span(start=3, end=3)), document("Der Urlaub"))


def test_a_citation_says_where_to_find_it() -> None:
    made = quoted("Der Urlaub beträgt 30 Tage.")
    assert (made.marker, made.document_id, made.page, made.headings, made.key) == (
        3,
        "house:0.txt",
        2,
        ("§ 3",),
        "key0",
    )


def quoted(text: str) -> Citation:
    found = passage(text)
    return cite.citation(cite.units_of([found])[0], found, marker=3)


def document(text: str) -> Document:
    return Document(
        ref=DocumentRef(id=DocumentId("house:0.txt"), key="key0", version="1"),
        title="Ordnung",
        uri="",
        modified_at=datetime(2024, 1, 1, tzinfo=UTC),
        language="de",
        text=text,
        sections=(),
    )
